#!/bin/sh
# The client against DMTF's Redfish-Mockup-Server serving the captured trees.
#
# MOCKUP_SERVER names a checkout of github.com/DMTF/Redfish-Mockup-Server (it is in no package
# registry); its requirements (grequests) are installed into a virtual environment under
# ${TMPDIR:-/tmp}. Each tree's summary has to match its key.
set -eu
: "${MOCKUP_SERVER:?name a checkout of Redfish-Mockup-Server}"
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q grequests

cd "$here"
test_program=$(cargo test --test redfish --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*redfish-[^"]*\)".*/\1/p' | tail -1)
port=18080
for archive in tests/data/bmc-trees/*.tar.zst; do
    name=$(basename "$archive" .tar.zst)
    tar --zstd -xf "$archive" -C "$work"
    port=$((port + 1))
    "$work/venv/bin/python" "$MOCKUP_SERVER/redfishMockupServer.py" -H 127.0.0.1 -p $port \
        -D "$work/$name" >"$work/$name.log" 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        curl -fs "http://127.0.0.1:$port/redfish/v1/" >/dev/null && break
        sleep 1
    done
    echo "== $name"
    REDFISH_URL="http://127.0.0.1:$port" REDFISH_USER=admin REDFISH_PASSWORD=password \
        REDFISH_KEY="$here/tests/data/bmc-trees/key/$name.json" \
        "$test_program" --ignored --nocapture service::hardware_is_read >"$work/out" 2>&1 ||
        { tail -40 "$work/out"; tail -5 "$work/$name.log"; exit 1; }
    grep '^Requests' "$work/out"
    REDFISH_URL="http://127.0.0.1:$port" REDFISH_USER=admin REDFISH_PASSWORD=password REDFISH_ACTS=boot \
        "$test_program" --ignored --nocapture service::acts_are_proven >"$work/out" 2>&1 ||
        { tail -40 "$work/out"; tail -5 "$work/$name.log"; exit 1; }
    grep -E '^(Note|Requests)' "$work/out" || true
    kill $server
    wait $server 2>/dev/null || true
    server=
done
