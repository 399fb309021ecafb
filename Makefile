# The README's two commands, and what they are made of.
#
#   make demo              a cluster of 3+2 on this box, brought up and verified; SIZE=small is 1+1
#   make test              everything: format, lints, unit, data and golden tests, a live cluster
#   make test-quick        the same without machines
#   make test-redfish      the Redfish client and the BMC emulator against programs that others wrote
#   make bench             the figures, as ratios
#   make bench-bring-up    apply on fresh machines, against a script that does the same by hand
#   make down              takes the demo's machines away

SHELL := /bin/bash
.DELETE_ON_ERROR:

SIZE ?= full
INVENTORY := inventories/lab$(if $(filter small,$(SIZE)),-small).yaml
PROGRAM := target/release/ra-deploy

.PHONY: demo test test-quick test-redfish test-live bench bench-bring-up down setup build

demo: setup build
	tests/demo $(PROGRAM) $(INVENTORY)

down:
	$(PROGRAM) lab down inventories/lab.yaml
	$(PROGRAM) lab down inventories/lab-small.yaml

setup:
	tests/setup

build:
	cargo build --release --locked

test: setup test-quick test-redfish test-live

test-quick:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked

test-redfish: build
	tests/redfish/run $(PROGRAM)

# tests/live PROGRAM INVENTORY "bring-up secrets" runs only these steps.
test-live: build
	tests/live $(PROGRAM)

bench: setup build
	benches/run $(PROGRAM)

bench-bring-up: setup build
	benches/bring-up $(PROGRAM)
