#!/bin/bash
# judge.sh [PROFILE...]: has programs that others wrote judge the BMC emulator.
#
# EMULATOR  command that takes a configuration file and serves it until SIGINT
#           (default: target/debug/ra-deploy lab bmc --config)
# VENV      virtual environment with requirements.txt, made when absent (default: target/redfish-venv)
# SCHEMAS   folder with the DMTF's CSDL files, for the service and interop validators; without it they are skipped
# INTEROP   an interoperability profile (JSON), for the interop validator; skipped without it
#
# Prints one line a verdict, keeps the reports in target/redfish-reports, ends with 'N passed, N failed'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
emulator=${EMULATOR:-$root/target/debug/ra-deploy lab bmc --config}
venv=${VENV:-$root/target/redfish-venv}
reports=$root/target/redfish-reports
profiles=("$@")
[ ${#profiles[@]} -gt 0 ] || profiles=(generic idrac ilo xcc supermicro ami openbmc)

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$here/requirements.txt" || exit 2
fi
work=$(mktemp -d)
passed=0 failed=0 skipped=0 pid=
finish() {
    [ -n "$pid" ] && kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

verdict() { # verdict STATUS NAME LOG
    if [ "$1" = 0 ]; then
        passed=$((passed + 1)); echo "ok   $2"
    else
        failed=$((failed + 1)); echo "FAIL $2 (see $3)"
    fi
}

# Free ports on loopback, one a profile.
mapfile -t ports < <(python3 - "${#profiles[@]}" <<'PYTHON'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
    print(one.getsockname()[1])
PYTHON
)
{
    echo "state-dir: state"
    echo "bmcs:"
    for position in "${!profiles[@]}"; do
        echo "- {name: ${profiles[$position]}, profile: ${profiles[$position]}, port: ${ports[$position]}, timing: {post: 0.5, system-boot: 0.5, shutdown: 0.5, bmc-reset: 1, media-lag: 0.5, task: 1}}"
    done
} > "$work/bmcs.yaml"
rm -rf "$reports"; mkdir -p "$reports"
$emulator "$work/bmcs.yaml" > "$reports/emulator.log" 2>&1 &
pid=$!
for _ in $(seq 100); do
    [ -s "$work/state/certificate.pem" ] && python3 - "${ports[@]}" <<'PYTHON' && break
import socket, sys
for port in sys.argv[1:]:
    socket.create_connection(("127.0.0.1", int(port)), 1).close()
PYTHON
    kill -0 "$pid" 2>/dev/null || { cat "$reports/emulator.log"; echo "the emulator did not start"; exit 2; }
    sleep 0.1
done 2>/dev/null
# `requests` takes this before anything that a program says itself.
export REQUESTS_CA_BUNDLE=$work/state/certificate.pem SSL_CERT_FILE=$work/state/certificate.pem

for position in "${!profiles[@]}"; do
    profile=${profiles[$position]}
    url=https://127.0.0.1:${ports[$position]}
    logs=$reports/$profile; mkdir -p "$logs"

    # What a vendor does against the standard is listed with the reason, one a line.
    sed 's/ *#.*//; /^$/d' "$here/allowed-$profile.txt" > "$logs/allowed" 2>/dev/null
    # shellcheck disable=SC2046
    "$venv/bin/python" "$here/sushy_client.py" "$url" "$REQUESTS_CA_BUNDLE" \
        $(sed -n 's/^sushy: //p' "$logs/allowed") > "$logs/sushy.log" 2>&1
    verdict $? "$profile: sushy: $(tail -1 "$logs/sushy.log")" "$logs/sushy.log"

    # Sub-commands come after the connection's options.
    for tool in "rf_sys_inventory.py -details" "rf_power_reset.py -t ForceRestart" "rf_boot_override.py -t Pxe" \
        rf_bios_settings.py "rf_virtual_media.py info" rf_logs.py rf_firmware_inventory.py rf_accounts.py \
        rf_sensor_list.py "rf_manager_config.py info" "rf_manager_config.py getnet" "rf_certificates.py info"; do
        read -r program words <<< "$tool"
        # Where there are several systems, these want to be told which.
        case $program-$profile in
            rf_power_reset.py-ami | rf_boot_override.py-ami | rf_bios_settings.py-ami | rf_virtual_media.py-ami) words="-s Self $words" ;;
            rf_power_reset.py-openbmc | rf_boot_override.py-openbmc | rf_bios_settings.py-openbmc | rf_virtual_media.py-openbmc) words="-s System_0 $words" ;;
        esac
        grep -qxF "$program" "$logs/allowed" && { skipped=$((skipped + 1)); echo "known $profile: $tool"; continue; }
        # shellcheck disable=SC2086
        "$venv/bin/python" "$venv/bin/$program" -u admin -p password -r "$url" $words > "$logs/$program.log" 2>&1
        verdict $? "$profile: $tool" "$logs/$program.log"
    done

    "$venv/bin/rf_protocol_validator" -r "$url" -u admin -p password --ca-bundle "$REQUESTS_CA_BUNDLE" \
        --avoid-http-redirect --report-dir "$logs/protocol" --report-type tsv --log-level ERROR > "$logs/protocol.log" 2>&1
    summary=$(grep -o 'Summary.*' "$logs/protocol.log")
    awk -F '\t' '$5 == "FAIL" {print $1}' "$logs"/protocol/*.tsv 2>/dev/null | sort -u > "$logs/protocol.failures"
    grep -vxF -f "$logs/allowed" "$logs/protocol.failures" > "$logs/protocol.unexpected"
    [ -n "$summary" ] && [ ! -s "$logs/protocol.unexpected" ]
    verdict $? "$profile: protocol validator: ${summary:-no summary} $(tr '\n' ' ' < "$logs/protocol.unexpected")" "$logs/protocol.log"

    if [ -d "${SCHEMAS:-}" ]; then
        "$venv/bin/rf_service_validator" -r "$url" -u admin -p password --schema_directory "$SCHEMAS" --skipschema \
            --nooemcheck --logdir "$logs/service" > "$logs/service.log" 2>&1
        grep -hoE 'FAIL - /.*' "$logs"/service/*/*.log 2>/dev/null | sort -u | grep -vF -f "$logs/allowed" > "$logs/service.failures"
        grep -q 'NOT TESTED' "$logs/service.log" && [ ! -s "$logs/service.failures" ]
        verdict $? "$profile: service validator: $(wc -l < "$logs/service.failures") kinds of failure" "$logs/service.failures"
        if [ -f "${INTEROP:-}" ]; then
            "$venv/bin/rf_interop_validator" -r "$url" -u admin -p password --schema_directory "$SCHEMAS" \
                --logdir "$logs/interop" "$INTEROP" > "$logs/interop.log" 2>&1
            verdict $? "$profile: interop validator" "$logs/interop.log"
        fi
    else
        skipped=$((skipped + 1)); echo "skip $profile: service validator (SCHEMAS names no folder)"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
