#!/bin/bash
# bring-up.sh: prepared artifacts -> a Kubernetes cluster of 3 control planes and 2 workers, by hand.
#
# The yardstick for `ra-deploy apply`: the same steps, written by somebody who knows them, with the
# parallelism that the steps allow and nothing else. Two halves, timed apart:
#
#   bring-up.sh machines   root file systems, a bridge and five booted systemd-nspawn machines
#   bring-up.sh deploy     everything over SSH as an ordinary user with sudo, as on real servers
#   bring-up.sh all        both
#   bring-up.sh cut NAME   pulls the plug of one machine; 'boot NAME' starts it again
#   bring-up.sh down       leaves nothing but the cached base root file system
#
# Settings, all from the environment:
#   ARTIFACTS  folder with bin/ and images/            (benches/bring-up makes it from a bundle)
#   STATE      everything this script makes            (default /var/cache/ra-deploy/bring-up)
#   IMAGES     folder with the image archives          (default $ARTIFACTS/images)
#   MANIFESTS  calico.yaml, local-path.yaml, metrics-server.yaml, with @POD_CIDR@ for the pods' network
#                                                      (default $ARTIFACTS/manifests)
#   BASE       cached base root file system, an image  (default /var/cache/ra-deploy/bring-up-base.img)
#   SUBNET     first three numbers of the lab's /24    (default 10.78.0)
#   CONTROL, WORKERS   machine names                   (default "cp1 cp2 cp3", "w1 w2")
#   SSH_KEY, SSH_USER, ADDRESS_<name>   set these to deploy on machines that something else made
set -euo pipefail

ARTIFACTS=${ARTIFACTS:-}
STATE=${STATE:-/var/cache/ra-deploy/bring-up}
BASE=${BASE:-/var/cache/ra-deploy/bring-up-base.img}
SUBNET=${SUBNET:-10.78.0}
CONTROL=${CONTROL:-cp1 cp2 cp3}
WORKERS=${WORKERS:-w1 w2}
SSH_USER=${SSH_USER:-ops}
SSH_KEY=${SSH_KEY:-$STATE/ssh_key}
BRIDGE=${BRIDGE:-ra-bench}
IMAGES=${IMAGES:-$ARTIFACTS/images}
MANIFESTS=${MANIFESTS:-$ARTIFACTS/manifests}
ENDPOINT=${ENDPOINT:-$SUBNET.10}     # an address that moves between the control planes (VRRP)
VERSION=v1.33.13
POD_CIDR=10.244.0.0/16
SERVICE_CIDR=10.96.0.0/16

START=$(date +%s.%N)
say()  { printf '%7.1f  %s\n' "$(echo "$(date +%s.%N) - $START" | bc)" "$*"; }
die()  { echo "bring-up: $*" >&2; exit 1; }

# cp1 -> .11, cp2 -> .12 …; w1 -> .21 …, unless ADDRESS_<name> says otherwise.
address() {
  local given="ADDRESS_$1"
  if [ -n "${!given:-}" ]; then echo "${!given}"; return; fi
  case $1 in
    cp*) echo "$SUBNET.$((10 + ${1#cp}))" ;;
    w*)  echo "$SUBNET.$((20 + ${1#w}))" ;;
  esac
}

# Runs "$@ NAME" for every name at once; fails when one of them failed.
each() {
  local names=$1 failed=0 pids=() name; shift
  for name in $names; do "$@" "$name" & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return $failed
}

SSH_OPTIONS=(-i "$SSH_KEY" -o BatchMode=yes -o ConnectTimeout=5 -o IdentitiesOnly=yes
  -o UserKnownHostsFile="$STATE/known_hosts" -o StrictHostKeyChecking=yes -o LogLevel=ERROR
  -o ControlMaster=auto -o ControlPath="$STATE/ssh-%h" -o ControlPersist=60)
on() { local name=$1; shift; ssh "${SSH_OPTIONS[@]}" "$SSH_USER@$(address "$name")" "$@"; }

# machines, boot, cut_power, down
. "$(dirname "$0")/machines.sh"

# ---------------------------------------------------------------- deploy

FIRST=${CONTROL%% *}
ALL="$CONTROL $WORKERS"

# Every image is sent only to the machines that run it: add-ons are kept on the control planes.
# In two waves: a machine can join with the first, and what comes later runs on nodes that wait for it.
NODE_IMAGES="pause kube-proxy"
NODE_LATER="calico-cni calico-node busybox"
CONTROL_IMAGES="etcd kube-apiserver kube-controller-manager kube-scheduler"
CONTROL_LATER="coredns calico-kube-controllers metrics-server local-path-provisioner"
PAUSE=registry.k8s.io/pause:3.10
ETCD_TAG=3.6.8-0
COREDNS_TAG=v1.12.1

# Files that are equal on all machines of a kind: $STATE/stage/{node,control}/, laid out like /.
stage() {
  local node=$STATE/stage/node control=$STATE/stage/control
  rm -rf "$STATE/stage"
  mkdir -p "$node"/usr/local/bin "$node"/opt/cni/bin "$node"/etc/{containerd,sysctl.d,modules-load.d,kubernetes} \
    "$node"/etc/systemd/system/kubelet.service.d "$node"/usr/local/lib/bring-up "$control"/etc/keepalived
  ln -s "$ARTIFACTS"/bin/containerd/* "$ARTIFACTS"/bin/runc/runc "$node/usr/local/bin/"
  ln -s "$ARTIFACTS"/bin/kubernetes/{kubelet,kubeadm,kubectl} "$node/usr/local/bin/"
  ln -s "$ARTIFACTS"/bin/cni-plugins/* "$node/opt/cni/bin/"

  printf '%s\n' overlay br_netfilter nf_conntrack vxlan > "$node/etc/modules-load.d/kubernetes.conf"
  cat > "$node/etc/sysctl.d/90-kubernetes.conf" <<'FILE'
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
FILE
  { echo '127.0.0.1 localhost'; echo '::1 localhost ip6-localhost ip6-loopback'
    local name; for name in $ALL; do echo "$(address "$name") $name"; done; } > "$node/etc/hosts"

  cat > "$node/etc/systemd/system/containerd.service" <<'FILE'
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target
[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=infinity
TasksMax=infinity
OOMScoreAdjust=-999
[Install]
WantedBy=multi-user.target
FILE
  cat > "$node/etc/systemd/system/kubelet.service" <<'FILE'
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target containerd.service
After=network-online.target containerd.service
[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10
[Install]
WantedBy=multi-user.target
FILE
  # RestartSec: until kubeadm has written its configuration the kubelet only fails, so it is not started before.
  cat > "$node/etc/systemd/system/kubelet.service.d/10-kubeadm.conf" <<'FILE'
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
FILE

  # What differs between a real host and a container is asked on the node, never told.
  cat > "$node/usr/local/lib/bring-up/prepare" <<'FILE'
#!/bin/sh
set -eu
# modules: a kernel without modules has them built in, or the next steps say so
while read -r module; do modprobe -q "$module" || true; done < /etc/modules-load.d/kubernetes.conf
sysctl -q -e -p /etc/sysctl.d/90-kubernetes.conf
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then systemd_cgroup=true; else systemd_cgroup=false; fi
# CAP_SYS_RESOURCE is capability 24; without it no process may lower its OOM score
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status)
if [ $(( 0x$bounding >> 24 & 1 )) = 1 ]; then restrict=false; else restrict=true; fi
mkdir -p /etc/containerd
cat > /etc/containerd/config.toml <<TOML
version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
oom_score = 0

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '@PAUSE@'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = $restrict
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        SystemdCgroup = $systemd_cgroup
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/opt/cni/bin']
    conf_dir = '/etc/cni/net.d'
TOML
systemctl daemon-reload
systemctl enable -q kubelet
systemctl enable -q --now containerd
if [ -s /etc/keepalived/keepalived.conf ]; then systemctl enable -q keepalived; systemctl restart keepalived; fi
FILE
  sed -i "s|@PAUSE@|$PAUSE|" "$node/usr/local/lib/bring-up/prepare"
  chmod 755 "$node/usr/local/lib/bring-up/prepare"

  cat > "$control/etc/keepalived/check-apiserver" <<'FILE'
#!/bin/sh
# 401 and 403 are answers too: an API server that knows no anonymous users is alive.
case $(curl -sk -o /dev/null --max-time 2 -w '%{http_code}' https://127.0.0.1:6443/readyz) in
  200|401|403) exit 0 ;;
esac
exit 1
FILE
  chmod 755 "$control/etc/keepalived/check-apiserver"
}

# keepalived: a healthy API server outweighs everything; equals stay where they are. Unicast, because
# many switches and clouds drop VRRP's multicast.
keepalived_conf() {
  local name=$1 peer
  cat <<FILE
global_defs {
  router_id $name
  enable_script_security
  script_user root
}
vrrp_script apiserver {
  script /etc/keepalived/check-apiserver
  interval 1
  timeout 3
  fall 2
  rise 1
  weight 50
}
vrrp_instance api {
  state BACKUP
  interface @INTERFACE@
  virtual_router_id 51
  priority 100
  advert_int 1
  unicast_src_ip $(address "$name")
  unicast_peer {
$(for peer in $CONTROL; do [ "$peer" = "$name" ] || echo "    $(address "$peer")"; done)
  }
  virtual_ipaddress {
    $ENDPOINT/32 dev @INTERFACE@
  }
  track_script {
    apiserver
  }
}
FILE
}

# Everything a machine needs before it can become a node.
prepare() {
  local name=$1 folders=(-C "$STATE/stage/node" etc opt usr)
  case " $CONTROL " in *" $name "*) folders+=(-C "$STATE/stage/control" etc) ;; esac
  tar -ch --owner=0 --group=0 "${folders[@]}" | on "$name" sudo tar -x -C /
  case " $CONTROL " in *" $name "*)
    keepalived_conf "$name" | on "$name" "interface=\$(ip -o -4 address show to $(address "$name") | awk '{print \$2}')
      sed \"s/@INTERFACE@/\$interface/\" | sudo tee /etc/keepalived/keepalived.conf >/dev/null" ;;
  esac
  on "$name" sudo /usr/local/lib/bring-up/prepare
  import "$name" "$NODE_IMAGES" "$CONTROL_IMAGES"
  say "$name is prepared"
}

# Images go straight from the stream into containerd, without a copy on the machine's disk.
import() {
  local name=$1 image images=$2
  case " $CONTROL " in *" $name "*) images="$images $3" ;; esac
  for image in $images; do
    on "$name" 'sudo ctr --namespace k8s.io images import - 2>&1 >/dev/null | grep -v DEPRECATION >&2 || true' < "$IMAGES/$image.tar"
  done
}
import_later() { import "$1" "$NODE_LATER" "$CONTROL_LATER"; say "$1 has its later images"; }

KUBELET_AND_PROXY='
kubelet_configuration() {
  cat <<YAML
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
YAML
  if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then echo "cgroupDriver: systemd"
  else printf "%s\n" "cgroupDriver: cgroupfs" "failCgroupV1: false"; fi
  if [ "$(wc -l < /proc/swaps)" -gt 1 ]; then echo "failSwapOn: false"; fi
}
proxy_configuration() {
  cat <<YAML
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
YAML
  # Outside the first network namespace the kernel shows this file as read-only.
  if [ "$(stat -c %a /proc/sys/net/netfilter/nf_conntrack_max)" = 444 ]; then
    printf "%s\n" "conntrack: {maxPerCore: 0, min: 0}"
  fi
}'
IGNORED='[SystemVerification, NumCPU, Mem, Swap]'

init() {
  on "$FIRST" sudo sh -s <<EOF
set -eu
$KUBELET_AND_PROXY
mkdir -p /etc/kubernetes
{ cat <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: $TOKEN, ttl: 2h0m0s}]
certificateKey: $CERTIFICATE_KEY
localAPIEndpoint: {advertiseAddress: $(address "$FIRST"), bindPort: 6443}
nodeRegistration:
  name: $FIRST
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  kubeletExtraArgs: [{name: node-ip, value: $(address "$FIRST")}]
  ignorePreflightErrors: $IGNORED
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $VERSION
controlPlaneEndpoint: "$ENDPOINT:6443"
networking: {podSubnet: $POD_CIDR, serviceSubnet: $SERVICE_CIDR}
dns: {imageTag: $COREDNS_TAG}
etcd: {local: {imageTag: $ETCD_TAG}}
YAML
kubelet_configuration; proxy_configuration; } > /etc/kubernetes/kubeadm.yaml
kubeadm init --config /etc/kubernetes/kubeadm.yaml --upload-certs --skip-token-print --skip-certificate-key-print > /var/log/kubeadm.log 2>&1 || { cat /var/log/kubeadm.log; exit 1; }
EOF
  CA_HASH=$(on "$FIRST" 'openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum' | cut -d' ' -f1)
  say "kubeadm init is through"
}

join() {
  local name=$1 control=
  case " $CONTROL " in *" $name "*)
    control="controlPlane: {certificateKey: $CERTIFICATE_KEY, localAPIEndpoint: {advertiseAddress: $(address "$name"), bindPort: 6443}}" ;;
  esac
  on "$name" sudo sh -s <<EOF
set -eu
cat > /etc/kubernetes/kubeadm.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: {bootstrapToken: {apiServerEndpoint: "$ENDPOINT:6443", token: $TOKEN, caCertHashes: ["sha256:$CA_HASH"]}}
$control
nodeRegistration:
  name: $name
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  kubeletExtraArgs: [{name: node-ip, value: $(address "$name")}]
  ignorePreflightErrors: $IGNORED
YAML
kubeadm join --config /etc/kubernetes/kubeadm.yaml > /var/log/kubeadm.log 2>&1 || { cat /var/log/kubeadm.log; exit 1; }
EOF
  say "$name has joined"
}

# Everything that runs in the cluster. Applied right after init: it waits for nodes and images by itself.
addons() {
  sed "s|@POD_CIDR@|$POD_CIDR|" "$MANIFESTS/calico.yaml" > "$STATE/calico.yaml"
  # Calico writes https://[HOST]:PORT, and a current Go takes only IPv6 in brackets: an IPv4-mapped
  # address. It is the endpoint and not the service address, so Calico need not wait for kube-proxy.
  cat >> "$STATE/calico.yaml" <<YAML
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubernetes-services-endpoint, namespace: kube-system}
data: {KUBERNETES_SERVICE_HOST: "::ffff:$ENDPOINT", KUBERNETES_SERVICE_PORT: "6443"}
YAML
  { cat "$STATE/calico.yaml"; echo ---; cat "$MANIFESTS/local-path.yaml"; echo ---; cat "$MANIFESTS/metrics-server.yaml"; } |
    on "$FIRST" sudo kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side -f - > "$STATE/apply.log" || { cat "$STATE/apply.log"; return 1; }
  # CoreDNS stays where its image is. Its pods must not share a machine: kubeadm only prefers that, and
  # both would settle on the first control plane, the only node there is by then.
  on "$FIRST" sudo kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system patch deployment coredns --type strategic -p "'"'
    {"spec": {"template": {"spec": {
      "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
      "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": null,
        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname",
          "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}}}}}}'"'" >/dev/null
  say "add-ons are applied"
}

# Returns when all nodes are ready and everything runs.
ready() {
  on "$FIRST" sudo sh -s <<EOF
export KUBECONFIG=/etc/kubernetes/admin.conf
until [ "\$(kubectl get nodes -o name | wc -l)" = $(echo $ALL | wc -w) ]; do sleep 0.5; done
kubectl wait --for=condition=Ready node --all --timeout=300s
kubectl -n kube-system rollout status daemonset/calico-node daemonset/kube-proxy --timeout=300s
kubectl -n kube-system rollout status deployment/coredns deployment/calico-kube-controllers deployment/metrics-server --timeout=300s
kubectl -n local-path-storage rollout status deployment/local-path-provisioner --timeout=300s
EOF
}

deploy() {
  TOKEN=$(tr -dc a-z0-9 < /dev/urandom | head -c 6 || true).$(tr -dc a-z0-9 < /dev/urandom | head -c 16 || true)
  CERTIFICATE_KEY=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
  stage
  local name preparing=() others=${ALL#"$FIRST"}
  # The first control plane goes on to kubeadm init as soon as it is prepared itself.
  for name in $others; do prepare "$name" & preparing+=("$name:$!"); done
  prepare "$FIRST"
  init
  local after=()
  addons & after+=($!)
  import_later "$FIRST" & after+=($!)
  for name in "${preparing[@]}"; do
    # Joins as soon as this machine is prepared, and takes the later images at the same time.
    { while [ -e "/proc/${name#*:}" ]; do sleep 0.2; done; each "${name%:*}" join; } & after+=($!)
    { while [ -e "/proc/${name#*:}" ]; do sleep 0.2; done; import_later "${name%:*}"; } & after+=($!)
  done
  for name in "${preparing[@]}"; do wait "${name#*:}" || die "${name%:*} could not be prepared"; done
  for name in "${after[@]}"; do wait "$name" || die "a step failed, see above"; done
  say "all nodes have joined"
  ready > "$STATE/ready.log" || { cat "$STATE/ready.log"; die "the cluster does not get ready"; }
  say "the cluster is ready"
}

case ${1:-} in
  machines) machines ;;
  deploy)   deploy ;;
  all)      machines; deploy ;;
  cut)      cut_power "$2" ;;
  boot)     boot "$2" ;;
  down)     down ;;
  *)        sed -n '2,26p' "$0"; exit 3 ;;
esac
