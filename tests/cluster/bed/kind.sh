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

cmd_load_image() {
    local user=()
    [[ ${1-} != --user ]] || { user=(--change "USER $2"); shift 2; }
    case $# in
    0) die "load-image [--user UID] NAME ROOTFS_DIR [CMD...], or load-image ARCHIVE" ;;
    1) kind load image-archive --name "$KIND_NAME" "$1" ;;
    *) tar --create --numeric-owner --directory "$2" . |
           docker import "${user[@]}" --change "ENTRYPOINT $(jq -cn '$ARGS.positional' --args "${@:3}")" - "$1" >/dev/null
       kind load docker-image --name "$KIND_NAME" "$1" ;;
    esac
}

# Clients run where they are; programs of the node are run with `docker exec`.
cmd_exec() { "$@"; }

cmd_check() { client >/dev/null; }
