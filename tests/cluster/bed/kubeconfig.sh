# shellcheck shell=bash
# The cluster of $KUBECONFIG: it is used as it is, and neither made nor removed.

client() { command -v kubectl || die "kubectl is not installed; it must be on PATH to use the cluster of KUBECONFIG"; }

cmd_kubectl() { "$(client)" "$@"; }

cmd_up() {
    [[ -n ${KUBECONFIG-} ]] || die "KUBECONFIG is not set"
    cmd_kubectl get --raw /readyz >/dev/null ||
        die "the cluster of KUBECONFIG=$KUBECONFIG does not answer; unset KUBECONFIG to have one made"
    say "cluster of KUBECONFIG=$KUBECONFIG, context $(cmd_kubectl config current-context): it answers"
}

cmd_down() { say "the cluster of KUBECONFIG=$KUBECONFIG is left alone"; }

cmd_status() { cmd_kubectl get nodes; }

cmd_env() {
    printf 'STEEPLE_CLUSTER_MODE=kubeconfig\nKUBECONFIG=%q\n' "$KUBECONFIG"
}

# Only its owner knows how its nodes come by an image.
load_archive() {
    [[ -n ${STEEPLE_CLUSTER_LOAD-} ]] ||
        die "set STEEPLE_CLUSTER_LOAD to the command that gives an image archive to the nodes of KUBECONFIG's cluster, such as 'minikube image load', or push the image to a registry that they pull from"
    # The command has words of its own.
    # shellcheck disable=SC2086
    $STEEPLE_CLUSTER_LOAD "$1"
}

# Clients such as helm run where they are; the nodes themselves are out of reach.
cmd_exec() { "$@"; }

cmd_check() { client >/dev/null; }
