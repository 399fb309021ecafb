# Everything goes, and can come back.
on $worker "sudo chattr +i /etc/containerd/config.toml"
expect "a reset that fails in one place says so by its exit code" 1 "$program" reset --yes --limit w1 "$inventory"
says   "and names the place" 'file /etc/containerd/config.toml failed'
on $worker "sudo chattr -i /etc/containerd/config.toml"
expect "reset takes back what apply made" 0 "$program" reset --yes "$inventory"
says   "and says what" 'kubeadm +init'
for host in $first $worker; do
  expect "nothing of it is left on $host" 1 on "$host" 'sudo sh -c "ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/lib/containerd /etc/cni/net.d /var/lib/cni /run/netns/cni-* /usr/local/bin/kube* /usr/local/bin/containerd* 2>/dev/null; iptables-save | grep -e KUBE -e cali; ip -br link | grep cali; ps -eo comm | grep -e kube -e containerd -e keepalived -e etcd; ip -br addr | grep 10.77.0.10/; grep -e /kubelet/ -e containerd /proc/mounts" | grep .'
done
expect "a second reset finds nothing" 0 "$program" reset --yes "$inventory"
says   "and says so" 'Nothing was there to take back'
expect "and apply makes the cluster again" 0 "$program" apply --yes "$inventory"
expect "whole" 0 on $first "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready node --all --timeout=120s"
