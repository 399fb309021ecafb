#!/bin/bash
# judge.sh PROGRAM CACHE REPORTS [PROFILE...]: has programs that others wrote judge the BMC emulator.
# CACHE is what `setup` made. Profiles are judged three at a time: their judges mostly wait.
#
# Prints one line a verdict, keeps what was said in the folder REPORTS, ends with
# 'N passed, N failed, N skipped'. A failure that docs/redfish-judges.md lists is `known`, not one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
emulator="$(realpath "$1") lab bmc" cache=$2 reports=$3; shift 3
venv=$cache/venv
mkdir -p "$reports"; reports=$(realpath "$reports")
profiles=("$@")
[ ${#profiles[@]} -gt 0 ] || profiles=(generic idrac ilo xcc supermicro ami openbmc)

work=$(mktemp -d)
pid=
finish() {
    [ -n "$pid" ] && kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

verdict() { # verdict STATUS NAME LOG
    if [ "$1" = 0 ]; then echo "ok   $2"; else echo "FAIL $2 (see $3)"; fi
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

judge() { # judge PROFILE URL
    local profile=$1 url=$2 logs=$reports/$1 tool program words summary name
    mkdir -p "$logs"

    # What a vendor does against the standard is listed with the reason.
    sed -n "/^## $profile\$/,/^## /s/^- \`\([^\`]*\)\`: .*/\1/p" "$here/../../docs/redfish-judges.md" > "$logs/allowed"
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
        grep -qxF "$program" "$logs/allowed" && { echo "known $profile: $tool"; continue; }
        # shellcheck disable=SC2086
        "$venv/bin/python" "$venv/bin/$program" -u admin -p password -r "$url" $words > "$logs/$program.log" 2>&1
        verdict $? "$profile: $tool" "$logs/$program.log"
        # iLO takes no change of the boot while the self-test goes on.
        [ "$program" != rf_power_reset.py ] || sleep 3
    done

    "$venv/bin/rf_protocol_validator" -r "$url" -u admin -p password --ca-bundle "$REQUESTS_CA_BUNDLE" \
        --avoid-http-redirect --report-dir "$logs/protocol" --report-type tsv --log-level ERROR > "$logs/protocol.log" 2>&1
    summary=$(grep -o 'Summary.*' "$logs/protocol.log")
    awk -F '\t' '$5 == "FAIL" {print $1}' "$logs"/protocol/*.tsv 2>/dev/null | sort -u > "$logs/protocol.failures"
    grep -vxF -f "$logs/allowed" "$logs/protocol.failures" > "$logs/protocol.unexpected"
    [ -n "$summary" ] && [ ! -s "$logs/protocol.unexpected" ]
    verdict $? "$profile: protocol validator: ${summary:-no summary} $(tr '\n' ' ' < "$logs/protocol.unexpected")" "$logs/protocol.log"

    "$venv/bin/rf_service_validator" -r "$url" -u admin -p password --schema_directory "$cache/schemas" --skipschema \
        --nooemcheck --logdir "$logs/service" > "$logs/service.log" 2>&1
    grep -hoE 'FAIL - /.*' "$logs"/service/*/*.log 2>/dev/null | sort -u | unlisted > "$logs/service.failures"
    grep -q 'NOT TESTED' "$logs/service.log" && [ ! -s "$logs/service.failures" ]
    verdict $? "$profile: service validator: $(wc -l < "$logs/service.failures") kinds of failure" "$logs/service.failures"

    for name in "$cache"/profiles/OpenStackIronicProfile.v1_2_0.json; do
        words=$(basename "$name" .json)
        "$venv/bin/rf_interop_validator" -r "$url" -u admin -p password --logdir "$logs/$words" "$name" > "$logs/$words.log" 2>&1
        grep -hoE 'FAIL - .*' "$logs/$words"/*/*.log 2>/dev/null | sort -u | unlisted > "$logs/$words.failures"
        grep -q 'PASS' "$logs/$words.log" && [ ! -s "$logs/$words.failures" ]
        verdict $? "$profile: interop validator: $words: $(wc -l < "$logs/$words.failures") kinds of failure" "$logs/$words.failures"
    done
}

# Lines that nothing in `allowed` is a part of.
unlisted() {
    if [ -s "$logs/allowed" ]; then grep -vF -f "$logs/allowed"; else cat; fi
}

for position in "${!profiles[@]}"; do
    while [ "$(jobs -pr | wc -l)" -gt 3 ]; do sleep 0.2; done # the emulator is one of them
    judge "${profiles[$position]}" "https://127.0.0.1:${ports[$position]}" > "$work/${profiles[$position]}.verdicts" &
    judges+=($!)
done
wait "${judges[@]}"
for profile in "${profiles[@]}"; do cat "$work/$profile.verdicts"; done | tee "$work/verdicts"
count() { grep -c "^$1" "$work/verdicts" || true; }
failed=$(count FAIL)
echo "$(count ok) passed, $failed failed, $(count known) skipped"
[ "$failed" = 0 ]
