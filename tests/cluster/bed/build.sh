# shellcheck shell=bash
# The bed's programs: upstream's Go modules compiled, the rest from Debian.

K8S_VERSION=1.37.2
COREDNS_VERSION=1.14.2

CACHE=${STEEPLE_PEERS:-$(readlink -m "$HERE/../../../.cache/peers")}/kubernetes
BIN=$CACHE/v$K8S_VERSION-coredns$COREDNS_VERSION

# Package and a program or file of it, by which it is known to be there.
PACKAGES=(containerd:containerd runc:runc containernetworking-plugins:/usr/lib/cni/ptp busybox-static:busybox
          iproute2:ip iptables:iptables nftables:nft conntrack:conntrack openssl:openssl jq:jq gcc:gcc
          libc6-dev:/usr/include/stdio.h procps:pgrep util-linux:unshare)

# The packages that are not there.
lacking() {
    local p
    for p in "${PACKAGES[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${p#*:}" >/dev/null || [[ ${p#*:} == /* && -e ${p#*:} ]] || echo "${p%%:*}"
    done
}

packages() {
    local missing
    mapfile -t missing < <(lacking)
    (( ${#missing[@]} == 0 )) && return
    [[ $EUID == 0 ]] || die "not root: install these packages first: ${missing[*]}"
    command -v apt-get >/dev/null || die "there is no apt-get: install what these packages of Debian hold: ${missing[*]}"
    install_packages "${missing[@]}"
}

install_packages() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
        { "${apt[@]}" update >/dev/null && "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; } ||
        die "apt-get could not install $*"
}

# k8s.io/kubernetes takes its staging modules from inside its own repository. A module that
# requires it has to name the published versions of them instead: v1.X.Y goes with v0.X.Y.
kubernetes_module() {
    local upstream
    upstream=$(cd "$1" && go mod download -json "k8s.io/kubernetes@v$K8S_VERSION" | jq -re .Dir)
    {
        printf 'module k8s-cluster\n\ngo 1.26.0\n\ngodebug default=go1.26\n\n'
        printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$K8S_VERSION"
        sed -nE 's#^\s+(k8s\.io/\S+) => \./staging/.*#\t\1 => \1 v0.'"${K8S_VERSION#1.}"'#p' "$upstream/go.mod"
        printf ')\n\ntool (\n\tgo.etcd.io/etcd/server/v3\n'
        printf '\tk8s.io/kubernetes/cmd/%s\n' kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet
        printf ')\n'
    } >"$1/go.mod"
    cp "$upstream/go.sum" "$1/go.sum"
    cp "$upstream/build/pause/linux/pause.c" "$1/pause.c"
    chmod u+w "$1"/*
}

# CoreDNS with the plugins that a cluster without an outside world can use.
coredns_module() {
    printf 'module k8s-cluster/coredns\n\ngo 1.26.0\n\nrequire github.com/coredns/coredns v%s\n' "$COREDNS_VERSION" >"$1/go.mod"
    {
        printf 'package main\n\nimport (\n\t"github.com/coredns/coredns/coremain"\n\n'
        printf '\t_ "github.com/coredns/coredns/plugin/%s"\n' bind cache errors kubernetes ready
        printf ')\n\nfunc main() { coremain.Run() }\n'
    } >"$1/main.go"
}

# Whether up has nothing to install or build.
cmd_check() {
    [[ -x $BIN/coredns ]] || die "the bed is not built: cargo xtask cluster build"
    [[ -z $(lacking) ]] || die "packages are not installed: $(lacking | tr '\n' ' ')"
    [[ $EUID == 0 ]] || die "a cluster on this machine needs root (network, mounts, control groups)"
}

cmd_bin() { echo "$BIN"; }

cmd_build() {
    local start
    start=$(now)
    packages
    took "packages" "$start"
    [[ ! -x $BIN/coredns ]] || return 0
    command -v go >/dev/null || die "Go is not installed: the bed's programs are built with Go 1.26 or later"
    mkdir -p "$CACHE"
    # Two builds at once would only wait for each other's modules.
    exec {lock}<"$CACHE"
    flock "$lock"
    [[ -x $BIN/coredns ]] || compile
    exec {lock}<&-
}

compile() {
    local work start
    work=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    mkdir -p "$work/k8s" "$work/coredns" "$BIN.part"
    export CGO_ENABLED=0 GOFLAGS='-mod=mod -trimpath -buildvcs=false' GOWORK=off

    start=$(now)
    printf 'module lookup\n' >"$work/k8s/go.mod"
    kubernetes_module "$work/k8s"
    coredns_module "$work/coredns"
    took "modules" "$start"

    components "$work"
    rm -rf "$work" "$BIN"
    trap - EXIT
    mv "$BIN.part" "$BIN"
}

components() {
    local v=k8s.io/component-base/version minor flags c start
    minor=${K8S_VERSION#1.} minor=${minor%%.*}
    flags="-s -w -X $v.gitVersion=v$K8S_VERSION -X $v.gitMajor=1 -X $v.gitMinor=$minor -X $v.gitTreeState=clean"
    for c in kubectl kube-apiserver kube-controller-manager kubelet kube-scheduler kube-proxy; do
        start=$(now)
        (cd "$1/k8s" && go build -ldflags "$flags" -o "$BIN.part/$c" "k8s.io/kubernetes/cmd/$c")
        took "$c" "$start"
    done
    start=$(now)
    (cd "$1/k8s" && go build -ldflags '-s -w' -o "$BIN.part/etcd" go.etcd.io/etcd/server/v3)
    gcc -Os -static -s -DVERSION=local -o "$BIN.part/pause" "$1/k8s/pause.c"
    took "etcd, pause" "$start"
    start=$(now)
    (cd "$1/coredns" && go build -ldflags '-s -w' -o "$BIN.part/coredns" .)
    took "coredns" "$start"
}
