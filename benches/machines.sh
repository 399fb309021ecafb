# machines.sh: the machines of bring-up.sh, which reads this file. Not part of what is timed against
# `ra-deploy apply`; `ra-deploy lab` makes its machines the same way.
# shellcheck shell=bash disable=SC2153  # settings come from bring-up.sh

PACKAGES=systemd,systemd-sysv,dbus,udev,openssh-server,sudo,ca-certificates,curl,kmod,procps
PACKAGES=$PACKAGES,iproute2,iputils-ping,iptables,nftables,ipset,ebtables,conntrack,ethtool,socat
PACKAGES=$PACKAGES,chrony,keepalived,zstd,xz-utils,less

make_base() {
  [ -e "$BASE" ] && return
  local work; work=$(mktemp -d /var/tmp/bring-up.XXXXXX)
  mmdebstrap --quiet --variant=minbase --include=$PACKAGES --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    bookworm "$work/base.tar"
  mkdir "$work/root"; tar -xf "$work/base.tar" -C "$work/root" --numeric-owner --xattrs --xattrs-include='*'
  local root=$work/root
  rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf
  rm -f "$root"/etc/systemd/system/timers.target.wants/apt-daily*.timer
  chroot "$root" useradd -m -s /bin/bash -G sudo "$SSH_USER"
  echo "$SSH_USER ALL=(ALL) NOPASSWD: ALL" > "$root/etc/sudoers.d/90-$SSH_USER"
  chmod 440 "$root/etc/sudoers.d/90-$SSH_USER"
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system/sysinit.target.wants"
  ln -sf /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
  # nspawn mounts cgroup v1 controllers read-only; on a real host they are writable.
  mkdir -p "$root/usr/local/lib/lab"
  cat > "$root/usr/local/lib/lab/writable-cgroups" <<'SCRIPT'
#!/bin/sh
# A plain remount says 'busy'; a bind remount changes this mount alone.
while read -r _ point type _; do
  if [ "$type" = cgroup ]; then mount -o remount,bind,rw "$point"; fi
done < /proc/self/mounts
SCRIPT
  chmod 755 "$root/usr/local/lib/lab/writable-cgroups"
  cat > "$root/etc/systemd/system/lab-cgroups.service" <<'UNIT'
[Unit]
Description=Writable cgroup v1 controllers, as on a real host
DefaultDependencies=no
Before=sysinit.target
ConditionPathExists=!/sys/fs/cgroup/cgroup.controllers
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab/writable-cgroups
UNIT
  ln -sf ../lab-cgroups.service "$root/etc/systemd/system/sysinit.target.wants/lab-cgroups.service"
  truncate -s 20G "$work/base.img"
  mke2fs -q -t ext4 -d "$root" -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$work/base.img"
  # mke2fs writes its zeroes; make the image sparse again, it is copied once per machine.
  cp --sparse=always "$work/base.img" "$BASE"
  rm -rf "$work"
}

make_bridge() {
  ip link show "$BRIDGE" >/dev/null 2>&1 && return
  ip link add "$BRIDGE" type bridge
  ip addr add "$SUBNET.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}

# One machine: a sparse copy of the base image, its own keys, address and name; then booted.
make_machine() {
  local name=$1 home=$STATE/$1
  mkdir -p "$home/root"
  cp --sparse=always "$BASE" "$home/root.img"
  mount -o loop "$home/root.img" "$home/root"
  local root=$home/root
  echo "$name" > "$root/etc/hostname"
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$name" > "$root/etc/hosts"
  echo "nameserver $SUBNET.1" > "$root/etc/resolv.conf"
  cat > "$root/etc/systemd/network/10-host0.network" <<NET
[Match]
Name=host0
[Network]
Address=$(address "$name")/24
Gateway=$SUBNET.1
LinkLocalAddressing=ipv6
NET
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$root/etc/ssh/ssh_host_ed25519_key"
  echo "$(address "$name") $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >> "$STATE/known_hosts"
  install -d -m 700 -o 1000 -g 1000 "$root/home/$SSH_USER/.ssh"
  install -m 600 -o 1000 -g 1000 "$STATE/ssh_key.pub" "$root/home/$SSH_USER/.ssh/authorized_keys"
  boot "$name"
  local tries=0
  until on "$name" true 2>/dev/null; do
    tries=$((tries + 1)); [ $tries -lt 150 ] || die "$name does not answer over SSH; see $home/console.log"
    sleep 0.2
  done
  say "$name is up"
}

boot() {
  local name=$1 home=$STATE/$1 unified=()
  # Each machine in cgroups of its own: the kubelets of several machines in one cgroup tree would
  # take each other's pods for orphans and kill them.
  if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    unified=(SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0)
    for controller in /sys/fs/cgroup/*/; do
      [ -e "$controller/cgroup.procs" ] || continue
      # A boot begins with no cgroups; after a power cut those of the last one are still there, and
      # the kubelet would spend three seconds on each container that it cannot find any more.
      if [ -d "$controller$BRIDGE/$name" ]; then find "$controller$BRIDGE/$name" -mindepth 1 -depth -type d -exec rmdir {} +; fi
      mkdir -p "$controller$BRIDGE/$name"
      if [ -e "$controller/cpuset.cpus" ]; then
        for group in "$controller$BRIDGE" "$controller$BRIDGE/$name"; do
          cat "$controller/cpuset.cpus" > "$group/cpuset.cpus"
          cat "$controller/cpuset.mems" > "$group/cpuset.mems"
        done
      fi
    done
  fi
  env SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 "${unified[@]}" setsid bash -c '
    for group in /sys/fs/cgroup/*/'"$BRIDGE/$name"'; do [ -d "$group" ] && echo $$ > "$group/cgroup.procs"; done
    echo $$ > "$0/pid"; exec "$@"' "$home" \
    systemd-nspawn --quiet -D "$home/root" -b --machine="$name" --register=no --keep-unit \
    --network-bridge="$BRIDGE" --capability=all --system-call-filter='@mount @keyring bpf perf_event_open' \
    --bind=/dev/kmsg --bind=/dev/fuse --private-users=no --resolv-conf=off --timezone=off --link-journal=no \
    --console=pipe </dev/null >"$home/console.log" 2>&1 &
}

machines() {
  [ "$(id -u)" = 0 ] || die "making machines needs root"
  mkdir -p "$STATE"
  make_base; say "base root file system is there"
  [ -e "$STATE/ssh_key" ] || ssh-keygen -q -t ed25519 -N '' -C bring-up -f "$STATE/ssh_key"
  make_bridge
  each "$CONTROL $WORKERS" make_machine
  say "all machines answer over SSH"
}

# The power cut: SIGKILL to the machine's first process takes every process of its PID namespace along.
# (SIGKILL to systemd-nspawn alone leaves the machine running without its parent.) The processes are
# found in the machine's own cgroup, so nothing else can be hit.
cut_power() {
  local pid group=/sys/fs/cgroup/pids/$BRIDGE/$1
  [ -d "$group" ] || group=/sys/fs/cgroup/$BRIDGE/$1
  for pid in $(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null); do
    # Two numbers, ours and 1: a pod's first process has a third.
    case $(sed -n 's/^NSpid:[[:space:]]*[0-9]*[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) in
      1) kill -KILL "$pid" ;;
    esac
  done
  for _ in $(seq 100); do
    [ -z "$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)" ] && return; sleep 0.1
  done
  die "processes of $1 are still there: see $group/cgroup.procs"
}

down() {
  local name group
  for name in $CONTROL $WORKERS; do
    ssh -O exit -o ControlPath="$STATE/ssh-%h" "$(address "$name")" 2>/dev/null || true
    cut_power "$name"
    if mountpoint -q "$STATE/$name/root"; then umount "$STATE/$name/root"; fi
    for group in /sys/fs/cgroup/*/"$BRIDGE/$name" "/sys/fs/cgroup/$BRIDGE/$name"; do
      if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} +; fi
    done
  done
  rmdir /sys/fs/cgroup/*/"$BRIDGE" "/sys/fs/cgroup/$BRIDGE" 2>/dev/null || true
  ip link del "$BRIDGE" 2>/dev/null || true
  rm -rf "$STATE"
}
