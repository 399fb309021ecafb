# Secrets appear nowhere: not in what a run writes or prints, not in any process list.
echo "canary-$(cut -c1-18 /proc/sys/kernel/random/uuid)" >"$work/site/canary"
canary=$(variant canary -e 's/^profile:.*/profile: canary/' -e '$asecrets: {canary: {file: canary}}')
for format in text json jsonl; do
  expect "a run that fails on a secret ends so, as $format" 1 "$program" apply --yes -vv --output "$format" "$canary"
done
says   "and shows the secrets' names in their place" 'it said ‹canary› and ‹made_secret›'
expect "the secrets have arrived" 0 on $worker "sudo grep -qE '^password=canary-.{18}' /etc/kubernetes/canary && sudo grep -qE '^made=[0-9a-f]{40}' /etc/kubernetes/canary"
{
  cat "$work/site/canary" "$work/right" "$work/wrong" "$state/lab/bmc-password"; echo
  sed -n 2,3p "$state/lab/ssh_key"
  on $first "sudo sha256sum /etc/kubernetes/pki/ca.key" | cut -c1-40
  on $first "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system get secrets -o json" | python3 -c '
import base64, json, sys
for secret in json.load(sys.stdin)["items"]:
    if secret["type"] == "bootstrap.kubernetes.io/token":
        print(base64.b64decode(secret["data"]["token-secret"]).decode())'
} | grep . >"$work/canaries"
expect "there are canaries of every sort" 0 test "$(wc -l <"$work/canaries")" -ge 8
expect "none is in what the runs wrote" 1 grep -rF -f "$work/canaries" "$state/runs" "$state/facts" "$work/site/.ra-deploy"
expect "none is in what they printed" 1 grep -F -f "$work/canaries" "$work/everything"
kill "$watcher"; wait "$watcher" 2>/dev/null
expect "the process lists were watched" 0 grep -q 'kubeadm.join' "$work/processes"
expect "none was in a process list or an environment, here or on the machines" 1 grep -aF -f "$work/canaries" "$work/processes"
