# Hosts and BMCs that are not as they should be: that host stops, the others go on.
inventory_of_w1() { variant "$1" -e "s#w1: {address: \"10.77.0.21\"#w1: {address: $2#"; }

expect "a wrong address costs only that host" 6 "$program" plan "$(inventory_of_w1 address '"10.77.0.99"')"
says   "and is named" 'w1: ops@10.77.0.99: no connection'
expect "no host at all is another exit code" 5 "$program" plan "$(variant nobody -e 's#10.77.0.11#10.77.0.98#; s#10.77.0.21#10.77.0.99#')"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
expect "a refused key costs only that host" 6 "$program" plan "$(inventory_of_w1 key "\"10.77.0.21\", ssh: {key: $work/key}")"
says   "and the keys that were tried are named" "key $work/key \(refused\)"
echo wrong-canary-sudo >"$work/wrong"; echo right-canary-sudo >"$work/right"
on $worker "sudo useradd -m -s /bin/bash -G sudo anna; sudo cp -r ~/.ssh /home/anna/; sudo chown -R anna /home/anna/.ssh"
sed 's/^/anna:/' "$work/right" | on_with_input $worker "sudo /usr/sbin/chpasswd"
expect "a wrong sudo password costs only that host" 6 "$program" plan "$(inventory_of_w1 wrong "\"10.77.0.21\", ssh: {user: anna, sudo: {password: {file: $work/wrong}}}")"
says   "and is called so" 'the password was refused'
expect "the right one does" 0 "$program" plan "$(inventory_of_w1 right "\"10.77.0.21\", ssh: {user: anna, sudo: {password: {file: $work/right}}}")"
expect "a BMC where nothing listens costs only that host" 6 "$program" plan "$(variant bmc -e 's#127.0.0.1:8821#127.0.0.1:8899#')"
says   "and is told from the server" 'BMC at https://127.0.0.1:8899 does not answer.*its shell answers'
for fault in html-error=100 drop-connection=100 drop-connection=20; do
  python3 - "$state/lab/bmc.json" "$work/bmc.json" "$fault" <<'PYTHON'
import json, sys
given, made, fault = sys.argv[1:]
config = json.load(open(given))
config["bmcs"] = [dict(bmc, port=8831, faults=[fault]) for bmc in config["bmcs"] if bmc["name"] == "w1"]
# The server's settings are in force already: nothing boots.
config["bmcs"][0]["attributes"] = {"Sriov": "Enabled", "ProcVirtualization": "Enabled"}
config["state-dir"] = made + ".state-" + fault
json.dump(config, open(made, "w"))
PYTHON
  "$program" lab bmc "$work/bmc.json" >"$work/bmc.log" 2>&1 & emulator=$!
  for _ in $(seq 50); do grep -q fingerprint "$work/bmc.log" && break; sleep 0.1; done
  faulty=$(variant "bmc-$fault" -e 's#127.0.0.1:8821#127.0.0.1:8831#; s#ca: .*certificate.pem#insecure: true#')
  case $fault in
    html-error*) expect "a BMC with nothing but errors costs only that host" 6 "$program" plan "$faulty" ;;
    *=100) expect "a BMC that closes every connection costs only that host" 6 "$program" plan "$faulty" ;;
    *) expect "a BMC that drops one answer in five is asked all the same" 0 "$program" plan "$faulty" ;;
  esac
  kill "$emulator"; wait "$emulator" 2>/dev/null
done

# From here on hosts are changed: the run that was killed must have lost its hold by itself.
left=$((killed + 92 - SECONDS)); [ "$left" -le 0 ] || sleep "$left"
expect "a dead run's hold ends by itself" 0 "$program" apply --yes "$slow"

slow_again
start "$program" apply --yes "$slow"; until_said 'second slow step .*made'; sleep 1
on $worker 'sudo sh -c "kill \$(pgrep -f sshd:.ops@)"' 2>/dev/null
ended  "a connection that drops in the middle of a step costs only that host" 6
says   "and is called so" 'the connection ended .* into the script'
sleep 3
expect "running again finishes" 0 "$program" apply --yes "$slow"

on $worker 'sudo sh -c "rm -f /opt/cni/bin/bridge; fallocate -l \$(df --output=avail -B1 / | tail -1) /fill; dd if=/dev/zero of=/fill2 bs=64k; dd if=/dev/zero of=/fill3 bs=512"' 2>/dev/null
expect "a full disk costs only that host" 6 "$program" apply --yes "$inventory"
says   "and is called so" 'a file system of the host is full'
on $worker "sudo rm -f /fill /fill2 /fill3"
expect "running again finishes, and mends what was changed by hand" 0 "$program" apply --yes "$inventory"
expect "so that nothing is left to do" 0 "$program" plan --detailed-exitcode "$inventory"
