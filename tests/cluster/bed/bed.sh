# shellcheck shell=bash
# A throw-away single-node Kubernetes cluster in namespaces of this machine.
#
# Everything is real: etcd, the API server, controllers, scheduler, kubelet, kube-proxy and CoreDNS are compiled
# from the upstream Go modules; containerd, runc and the CNI plugins are Debian's. Only network policies are
# enforced by a script of our own, network-policies.
#
# The node is one process in a network, mount, process and cgroup namespace of its own. It reaches nothing
# outside, nothing outside reaches it, and when it ends the kernel ends all processes, mounts, links and firewall
# rules of the cluster with it. Pods are connected by routed veth pairs, so traffic between any two of them passes
# the forward hook of the node's namespace. Beds of different names share nothing but the kernel.
#
# Environment:
#   K8S_NODE_NAME      name of the node (default node1)
#   K8S_FEATURE_GATES  more feature gates for every component, as A=true,B=false
#   K8S_RUNTIME_CONFIG more API groups or versions for the API server, as group/version=true
#   K8S_API_AUDIENCES  more audiences the API server accepts tokens for

# What is unused here is used in configuration.sh.
# shellcheck disable=SC2034,SC2153

STATE=${STEEPLE_CLUSTERS:-/var/tmp/steeple-clusters}
DIR=$STATE/$NAME

NODE_NAME=${K8S_NODE_NAME:-node1}
NODE_IP=10.99.0.1            # on the loopback device of the node's network namespace
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
DOMAIN=cluster.local
API=https://$NODE_IP:6443
ISSUER=https://kubernetes.default.svc.$DOMAIN

COMPONENTS=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy coredns network-policies)

# Where the node keeps things of its own: the machine has these folders while any bed is up.
MOUNTS=(/var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers /tmp/hostpath_pv)

# Held while beds come and go, so that two do not take or remove the same thing at once.
locked() {
    local lock
    exec {lock}>>"$STATE/lock"
    flock "$lock"
    "$@" {lock}>&-
    exec {lock}>&-
}

# ---------------------------------------------------------------------------------------- control groups

# The hierarchies of control groups, of version 1 and 2.
hierarchies() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }

# enter_cgroups PID: put a process in groups of the bed's own, which become the root of its namespace.
enter_cgroups() {
    local at group file
    for at in $(hierarchies); do
        group=$at/steeple-$NAME
        mkdir -p "$group"
        # A group of version 1 takes no process before it knows its processors and memory.
        for file in cpuset.cpus cpuset.mems; do
            [[ ! -e $at/tasks || ! -e $at/$file ]] || cat "$at/$file" >"$group/$file"
        done
        echo "$1" >"$group/cgroup.procs"
    done
}

# In the namespaces: only the bed's own groups are mounted, each as the root that it is.
mount_cgroups() {
    local at all
    mapfile -t all < <(hierarchies)
    for at in "${all[@]}"; do
        mkdir -p "/run/cgroup$at"
        mount --bind "$at/steeple-$NAME" "/run/cgroup$at"
    done
    umount --recursive --lazy /sys/fs/cgroup
    [[ ${all[0]} == /sys/fs/cgroup ]] || mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for at in "${all[@]}"; do
        mkdir -p "$at"
        mount --bind "/run/cgroup$at" "$at"
        umount "/run/cgroup$at"
    done
    delegate_cgroups
}

# Version 2 alone: what has groups below it for the kubelet's controllers holds no process itself.
delegate_cgroups() {
    local controller
    [[ -e /sys/fs/cgroup/cgroup.controllers ]] || return 0
    mkdir -p /sys/fs/cgroup/init
    echo 0 >/sys/fs/cgroup/init/cgroup.procs
    for controller in $(</sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
}

remove_cgroups() {
    local at
    for at in $(hierarchies); do
        [[ ! -d $at/steeple-$NAME ]] || find "$at/steeple-$NAME" -depth -type d -exec rmdir {} + 2>/dev/null || return 1
    done
}

# -------------------------------------------------------------------------------------------------- node


# start COMPONENT: run it in the background, its output in log/, its pid (on the node) in run/.
start() {
    local line
    mapfile -t line < <(component "$1")
    "${line[@]}" >"$DIR/log/$1.log" 2>&1 &
    echo $! >"$DIR/run/$1.pid"
}

# hide PATH VALUE: let the node see VALUE there, so that the kubelet finds the kernel setting it
# wants and leaves the machine's own alone.
hide() {
    printf '%s\n' "$2" >"$DIR/run/sysctl${1//\//-}"
    mount --bind "$DIR/run/sysctl${1//\//-}" "$1"
}


# The node: first process of the namespaces. Whatever it started ends when it ends.
cmd_node() {
    mount_node
    network_node
    start etcd
    start containerd
    start kube-apiserver
    wait_for 300 "containerd" ctr -a /run/containerd/containerd.sock version
    mkdir -p "$DIR/run/pause"
    cp "$BIN/pause" "$DIR/run/pause/pause"
    pack 65535:65535 "$DIR/run/pause.tar" localhost/pause:local "$DIR/run/pause" /pause
    cmd_import "$DIR/run/pause.tar"
    wait_for 300 "API server" "$BIN/kubectl" --kubeconfig "$DIR/conf/admin.kubeconfig" get --raw /readyz
    start kube-controller-manager
    start kube-scheduler
    start kubelet
    start kube-proxy
    mkdir -p /tmp/hostpath_pv/{1..4}
    "$BIN/kubectl" --kubeconfig "$DIR/conf/admin.kubeconfig" apply -f "$DIR/conf/objects.yaml"
    start coredns
    start network-policies
    trap 'exit 0' TERM
    while :; do sleep 3600 & wait $! || true; done
}

mount_node() {
    local p
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/lock /run/netns /run/containerd
    mount_cgroups
    mount --make-rshared /
    for p in "${MOUNTS[@]}"; do
        mkdir -p "$DIR/node$p"
        mount --bind "$DIR/node$p" "$p"
    done
    mount --make-rshared /var/lib/kubelet
    hide /proc/sys/vm/overcommit_memory 1
    hide /proc/sys/vm/panic_on_oom 0
    hide /proc/sys/kernel/panic 10
    hide /proc/sys/kernel/panic_on_oops 1
    hide /proc/sys/kernel/keys/root_maxkeys 1000000
    hide /proc/sys/kernel/keys/root_maxbytes 25000000
}

network_node() {
    ip link set lo up
    ip address add "$NODE_IP/32" dev lo
    # There is no default route. What the node itself sends to a service needs one all the same, up
    # to where kube-proxy's rules put the address of a pod in.
    ip route add "$SERVICE_CIDR" dev lo src "$NODE_IP"
    sysctl -qw net.ipv4.ip_forward=1
}

# node_pid [NAME]: pid of the node of that bed, when it is up.
node_pid() {
    local name=${1:-$NAME} pid
    pid=$(cat "$STATE/$name/run/node.pid" 2>/dev/null) && [[ -e /proc/$pid/ns/net ]] || return 1
    # The pid is only ours while its command line says so.
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "cluster __node $name " || return 1
    echo "$pid"
}

on_node() {
    local pid
    pid=$(node_pid) || die "it is not up: cargo xtask cluster up"
    nsenter --target "$pid" --net --mount --pid --cgroup --wdns="$PWD" -- "$@"
}

# ---------------------------------------------------------------------------------------------- commands

cmd_kubectl() { on_node "$BIN/kubectl" --kubeconfig "$DIR/conf/admin.kubeconfig" "$@"; }

cmd_exec() { KUBECONFIG=$DIR/conf/admin.kubeconfig PATH=$BIN:$PATH:/usr/sbin:/sbin on_node "$@"; }

load_archive() { on_node "$SELF" __import "$1"; }

# Called on the node.
cmd_import() { ctr -a /run/containerd/containerd.sock --namespace k8s.io images import "$1" >/dev/null; }

cmd_pid() { node_pid || die "it is not up: cargo xtask cluster up"; }

cmd_list() {
    local state pid
    for state in "$STATE"/*/; do
        pid=$(node_pid "$(basename "$state")") && echo "$(basename "$state") $pid" || true
    done
}

cmd_env() {
    printf '%s=%q\n' STEEPLE_CLUSTER_MODE bed STEEPLE_CLUSTER "$NAME" STEEPLE_CLUSTER_NODE "$(cmd_pid)" \
        STEEPLE_CLUSTER_KUBECONFIG "$DIR/conf/admin.kubeconfig" STEEPLE_CLUSTER_LOGS "$DIR/log" \
        STEEPLE_CLUSTER_AUDIT "$DIR/log/audit.log" STEEPLE_CLUSTER_BIN "$BIN"
}

cmd_status() {
    local pid c p
    pid=$(node_pid) || { echo "node stopped"; return 1; }
    echo "node $pid"
    for c in "${COMPONENTS[@]}"; do
        p=$(cat "$DIR/run/$c.pid" 2>/dev/null || true)
        if [[ -n $p ]] && on_node test -e "/proc/$p"; then echo "$c running, pid $p on the node"; else echo "$c stopped"; fi
    done
}

cmd_up() {
    local start all owner=
    all=$(now)
    [[ ${1-} != --owner ]] || owner=$2
    [[ $EUID == 0 ]] || die "a cluster on this machine needs root (network, mounts, control groups)"
    case $(readlink -m "$STATE")/ in /run/*|/proc/*|/sys/*) die "STEEPLE_CLUSTERS must not be below /run";; esac
    if node_pid >/dev/null; then
        [[ ${1-} != --owner ]] || die "it is already up"
        say "cluster $NAME: it is already up"
        return
    fi
    cmd_build
    mkdir -p "$STATE"

    start=$(now)
    locked launch
    [[ -z $owner ]] || watch_owner "$owner"
    await_node "the API server" cmd_kubectl get --raw /readyz || fail_up
    took "API server ready" "$start"

    start=$(now)
    await_node "the node object" cmd_kubectl get node "$NODE_NAME" || fail_up
    cmd_kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=300s >/dev/null || fail_up
    took "node ready" "$start"

    start=$(now)
    await_node "the default service account" cmd_kubectl -n default get serviceaccount default || fail_up
    await_node "cluster DNS" on_node busybox wget -q -O /dev/null http://127.0.0.1:10254/ready || fail_up
    took "DNS ready" "$start"
    took "up" "$all"
}

# shellcheck disable=SC2329
ready_or_ended() { "$@" || ! node_pid; }

# await_node WHAT COMMAND...: repeat the command until it succeeds, while the node lives.
await_node() {
    local what=$1
    shift
    wait_for 300 "$what" ready_or_ended "$@" && node_pid >/dev/null
}

# Starts the node, from clean remains of an earlier one.
launch() {
    local parent p
    ! node_pid >/dev/null || die "it is already up"
    remove
    mkdir -p "$DIR"/{pki,conf/cni,log,run,node}
    pki
    configuration
    for p in "${MOUNTS[@]}"; do
        [[ -d $p ]] || { mkdir -p "$p"; echo "$p" >>"$STATE/created"; }
    done
    (
        enter_cgroups "$BASHPID"
        exec setsid unshare --net --mount --pid --cgroup --fork --mount-proc --propagation private \
            "$SELF" __node "$NAME" </dev/null >"$DIR/log/node.log" 2>&1
    ) &
    parent=$!
    wait_for 60 "the node process" note_node "$parent" || { cat "$DIR/log/node.log" >&2; exit 1; }
}

# Writes down the pid of the node. The children that its parent has before, to make control groups, are not it.
# shellcheck disable=SC2329
note_node() {
    local child
    child=$(pgrep -P "$1" -f "cluster __node $NAME") && echo "$child" >"$DIR/run/node.pid"
}

# When nobody holds the owner's lock any more, this node goes, and no later one of the same name.
watch_owner() {
    setsid flock "$1" "$SELF" __down_of "$(node_pid)" "$1" </dev/null >/dev/null 2>&1 &
}

cmd_down_of() {
    [[ $(node_pid) != "$1" ]] || cmd_down
    rm -f "$2"
}

fail_up() {
    local log
    for log in "$DIR"/log/{node,kube-apiserver,kubelet,containerd}.log; do
        say "--- last lines of $log"
        tail -n 8 "$log" >&2 || true
    done
    die "it did not come up; its logs are in $DIR/log, 'down' removes it"
}

cmd_down() {
    local start
    start=$(now)
    [[ -e $DIR ]] || return 0
    locked remove
    took "down" "$start"
}

# Ends the node, and with it every process, mount and link of its namespaces. Left on the machine are then empty
# control groups, and empty folders that the last bed takes along.
remove() {
    local pid made
    if pid=$(node_pid); then
        kill -KILL "$pid"
        wait_for 30 "the node to end" test ! -e "/proc/$pid" || true
    fi
    wait_for 20 "the control groups to empty" remove_cgroups || true
    rm -rf --one-file-system "$DIR"
    if [[ -z $(cmd_list) && -e $STATE/created ]]; then
        while read -r made; do rmdir "$made" 2>/dev/null || true; done <"$STATE/created"
        rm -f "$STATE/created"
    fi
}
