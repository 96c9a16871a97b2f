# shellcheck shell=bash
# Images for the node of the bed.

# load_rootfs USER NAME DIRECTORY [COMMAND...]: called on the node.
cmd_load_rootfs() {
    local user=$1 name=$2 rootfs=$3 tmp id
    shift 3
    tmp=$(mktemp -d "$DIR/run/image.XXXXXX")
    tar --create --numeric-owner --file "$tmp/layer.tar" --directory "$rootfs" .
    id=$(sha256sum "$tmp/layer.tar" | cut -d' ' -f1)
    jq -n --arg id "sha256:$id" --arg user "$user" '{architecture: "amd64", os: "linux", created: "2026-01-01T00:00:00Z",
        config: {User: $user, Entrypoint: $ARGS.positional, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        rootfs: {type: "layers", diff_ids: [$id]}}' --args "$@" >"$tmp/config.json"
    jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$tmp/manifest.json"
    tar --create --file "$tmp/image.tar" --directory "$tmp" manifest.json config.json layer.tar
    cmd_load_archive "$tmp/image.tar"
    rm -rf "$tmp"
}

cmd_load_archive() { ctr -a /run/containerd/containerd.sock --namespace k8s.io images import "$1" >/dev/null; }

cmd_load_image() {
    local start user=
    start=$(now)
    [[ ${1-} != --user ]] || { user=$2; shift 2; }
    case $# in
    0) die "load-image [--user UID] NAME ROOTFS_DIR [CMD...], or load-image ARCHIVE" ;;
    1) on_node "$SELF" __load_archive "$(readlink -f "$1")" ;;
    *) [[ -d $2 ]] || die "$2 is not a directory"
       on_node "$SELF" __load_rootfs "$user" "$1" "$(readlink -f "$2")" "${@:3}" ;;
    esac
    took "load-image $1" "$start"
}
