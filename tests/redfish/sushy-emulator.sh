#!/bin/sh
# The client against the emulator of sushy-tools with its fake driver: with and without a login,
# over HTTP and over HTTPS with a self-signed certificate.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q sushy-tools bcrypt
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
    -subj /CN=bmc 2>/dev/null
"$work/venv/bin/python" -c 'import bcrypt; print("admin:" + bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode())' \
    >"$work/htpasswd"
cat >"$work/fake.conf" <<CONF
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_IPA = False
SUSHY_EMULATOR_FAKE_SYSTEMS = [{
    "uuid": "da69abcc-dae0-4913-9a7b-d344043097c0", "name": "fake1", "power_state": "Off",
    "external_notifier": False, "nics": [{"mac": "00:5c:52:31:3a:9c", "ip": "172.22.0.100"}]}]
CONF
sed '$a SUSHY_EMULATOR_AUTH_FILE = "'"$work/htpasswd"'"' "$work/fake.conf" >"$work/auth.conf"

cd "$here"
test_program=$(cargo test --test redfish --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*redfish-[^"]*\)".*/\1/p' | tail -1)
port=18100
run() { # name, scheme, configuration, further arguments
    name=$1 scheme=$2 conf=$3
    shift 3
    port=$((port + 1))
    echo "== $name"
    "$work/venv/bin/sushy-emulator" --config "$conf" -i 127.0.0.1 -p $port "$@" >"$work/log" 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        curl -ks "$scheme://127.0.0.1:$port/redfish/v1/" >/dev/null && break
        sleep 1
    done
    for test in hardware_is_read acts_are_proven; do
        REDFISH_URL="$scheme://127.0.0.1:$port" REDFISH_USER=admin REDFISH_PASSWORD=password \
            REDFISH_ACTS=power,boot \
            "$test_program" --ignored --nocapture service::$test >"$work/out" 2>&1 ||
            { tail -40 "$work/out"; tail -20 "$work/log"; exit 1; }
        grep -E '^(On|Off|Restart|ForceOff|Note|Requests)' "$work/out" || true
    done
    kill $server
    wait $server 2>/dev/null || true
    server=
}
run 'HTTP, no login' http "$work/fake.conf"
run 'HTTP, basic authentication' http "$work/auth.conf"
run 'HTTPS, basic authentication' https "$work/auth.conf" --ssl-certificate "$work/cert.pem" --ssl-key "$work/key.pem"
