# What the steps of the live test share: they are sourced by tests/live.
passed=0 failed=0
first=10.77.0.11 worker=10.77.0.21

ok() { passed=$((passed + 1)); echo "ok     $1"; }
fail() { failed=$((failed + 1)); echo "FAILED $1"; tail -60 "$work/out" | sed 's/^/       /'; }

# expect NAME EXIT-CODE COMMAND…: runs it, compares the exit code, shows what it said when it differs.
expect() {
  local name=$1 code=$2 start=$SECONDS; shift 2
  "$@" >"$work/out" 2>&1; local got=$?
  cat "$work/out" >>"$work/everything"
  if [ "$got" = "$code" ]; then ok "$name ($((SECONDS - start)) s)"; else fail "$name: exit code $got, not $code"; fi
}

# says NAME PATTERN: the last command's output holds it.
says() { if grep -qE -- "$2" "$work/out"; then ok "$1"; else fail "$1: nothing says '$2'"; fi; }
says_not() { if grep -qE -- "$2" "$work/out"; then fail "$1: something says '$2'"; else ok "$1"; fi; }

on() { on_with_input "$@" </dev/null; }
on_with_input() {
  local host=$1; shift
  ssh -i "$state/lab/ssh_key" -o UserKnownHostsFile="$state/lab/known_hosts" -o LogLevel=ERROR -o ConnectTimeout=5 "ops@$host" "$@"
}
newest() { ls -d "$state"/runs/*-"$1"-* | tail -1; }

# variant NAME SED…: the inventory with something changed, beside the profiles and roles of
# tests/data/live. Prints its path.
variant() {
  local name=$1; shift
  local lab; lab=$(realpath "$state")/lab
  [ -d "$work/site/roles" ] || { mkdir -p "$work/site"; cp -r tests/data/live/roles tests/data/live/profiles "$work/site/"; }
  sed -e "s#\.ra-deploy/lab/#$lab/#g" "$@" "$inventory" >"$work/site/$name.yaml"
  echo "$work/site/$name.yaml"
}

# start COMMAND…: in the background; `ended NAME EXIT-CODE` waits for it.
start() { "$@" >"$work/started" 2>&1 & started=$!; }
ended() {
  local name=$1 code=$2 got; { wait "$started"; got=$?; } 2>/dev/null
  cat "$work/started" >"$work/out"; cat "$work/started" >>"$work/everything"
  if [ "$got" = "$code" ]; then ok "$name"; else fail "$name: exit code $got, not $code"; fi
}
# Waits until what was started says something.
until_said() { for _ in $(seq 100); do grep -qE -- "$1" "$work/started" && return; sleep 0.1; done; }

bmc_sessions() {
  local port
  for port in 8811 8821; do
    curl -sk -K - "https://127.0.0.1:$port/redfish/v1/SessionService/Sessions" <<<"user = \"admin:$(cat "$state/lab/bmc-password")\"" |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["Members@odata.count"])'
  done | tr '\n' ' '
}
slow_again() { local host; for host in $first $worker; do on "$host" "sudo rm -f /run/slow-1 /run/slow-2"; done; }
