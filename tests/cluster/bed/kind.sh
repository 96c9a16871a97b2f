# shellcheck shell=bash
# A cluster of kind, on Docker.

KIND_NAME=steeple-$NAME
KIND_STATE=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/steeple-kind-$NAME
export KUBECONFIG=$KIND_STATE/kubeconfig

client() { command -v kubectl || die "kubectl is not installed; kind brings none"; }

is_up() { kind get clusters 2>/dev/null | grep -qxF "$KIND_NAME"; }

cmd_kubectl() {
    [[ -e $KUBECONFIG ]] || die "it is not up: cargo xtask cluster up"
    "$(client)" "$@"
}

cmd_up() {
    [[ ${1-} != --owner ]] || { watch_owner "$2"; }
    ! is_up || die "it is already up"
    (umask 077 && mkdir -p "$KIND_STATE")
    kind create cluster --name "$KIND_NAME" --kubeconfig "$KUBECONFIG" --wait 180s
}

# When nobody holds the owner's lock any more, the cluster goes.
watch_owner() { setsid flock "$1" "$SELF" down </dev/null >/dev/null 2>&1 & }

cmd_down() {
    kind delete cluster --name "$KIND_NAME" --kubeconfig "$KUBECONFIG"
    rm -rf "$KIND_STATE"
}

cmd_status() { cmd_kubectl get nodes; }

cmd_env() { printf 'STEEPLE_CLUSTER_MODE=kind\nKUBECONFIG=%q\n' "$KUBECONFIG"; }

load_archive() { kind load image-archive --name "$KIND_NAME" "$1"; }

# Clients run where they are; programs of the node are run with `docker exec`.
cmd_exec() { "$@"; }

cmd_check() { client >/dev/null; }
