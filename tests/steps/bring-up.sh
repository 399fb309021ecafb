# From powered off to a verified cluster, and what its users see.
expect "the files are right" 0 "$program" check "$inventory"
expect "an unknown key is a fault with its place" 3 "$program" check tests/data/live/unknown-key.yaml
says   "and the nearest word" 'did you mean `address`'
"$program" lab down "$inventory" >/dev/null 2>&1
expect "a lab is made, powered off" 0 "$program" lab up "$inventory"
expect "a second time finds it" 0 "$program" lab up "$inventory"
expect "the plan knows that the machines are off" 2 "$program" plan --detailed-exitcode "$inventory"
says   "and says so" 'power .*Off → On'
expect "from powered off to a cluster" 0 "$program" apply --yes "$inventory"
expect "and then there is nothing to do" 0 "$program" plan --detailed-exitcode "$inventory"
expect "apply again changes nothing" 0 "$program" apply --yes "$inventory"
expect "with one connection and one exec a host" 0 python3 - "$(newest apply)" <<'PYTHON'
import json, sys
record = json.load(open(sys.argv[1] + "/summary.json"))
hosts = record.get("summary", record)["hosts"]
bad = [(h["host"], h["traffic"]["connections"], h["traffic"]["execs"], h["traffic"]["bmc_writes"]) for h in hosts
       if (h["traffic"]["connections"], h["traffic"]["execs"], h["traffic"]["bmc_writes"]) != (1, 1, 0)]
print("hosts with another count (connections, execs, BMC writes):", bad)
sys.exit(bool(bad))
PYTHON
kubectl() { on $first "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf $*"; }
expect "every node is Ready" 0 kubectl wait --for=condition=Ready node --all --timeout=120s
expect "the pods of the platform run" 0 kubectl -n kube-system rollout status daemonset/calico-node deployment/coredns deployment/metrics-server --timeout=180s
# Metrics are there half a minute after the first scrape.
for try in 1 2 3 4 5 6; do "$program" verify "$inventory" >/dev/null 2>&1 && break; sleep 10; done
expect "the cluster matches the lab's profile" 0 "$program" verify "$inventory"
expect "the report is there in every form" 0 test -s "$(newest verify)/conformance.html" -a -s "$(newest verify)/conformance.xml" -a -s "$(newest verify)/conformance.json"

on_with_input $first "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f -" <tests/data/live/reach.yaml >"$work/out" 2>&1
expect "a pod on the worker reaches a service on the other node, by name" 0 kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/asks --timeout=90s
kubectl delete pod/asks pod/answers service/answers --now >/dev/null 2>&1

on $worker "sudo sysctl -qw kernel.panic=0"
expect "a sysctl changed by hand is found by plan" 2 "$program" plan --detailed-exitcode "$inventory"
says   "by its name" 'kernel.panic'
expect "and by verify" 4 "$program" verify "$inventory"
says   "as a failed requirement" 'site.host.sysctl'
expect "and mended by apply" 0 "$program" apply --yes "$inventory"
expect "so that nothing is left to do" 0 "$program" plan --detailed-exitcode "$inventory"

on $worker "sudo systemctl stop kubelet"
expect "a stopped service is started again" 0 "$program" apply --yes "$inventory"
