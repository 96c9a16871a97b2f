# shellcheck shell=bash
# Images without Docker: archives of one layer, as docker, kind and containerd load them.

# pack USER ARCHIVE NAME DIRECTORY [COMMAND...]
pack() {
    local user=$1 archive=$2 name=$3 rootfs=$4 tmp id
    shift 4
    [[ -d $rootfs ]] || die "$rootfs is not a directory"
    tmp=$(mktemp -d)
    tar --create --numeric-owner --file "$tmp/layer.tar" --directory "$rootfs" .
    id=$(sha256sum "$tmp/layer.tar" | cut -d' ' -f1)
    jq -n --arg id "sha256:$id" --arg user "$user" '{architecture: "amd64", os: "linux", created: "2026-01-01T00:00:00Z",
        config: {User: $user, Entrypoint: $ARGS.positional, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        rootfs: {type: "layers", diff_ids: [$id]}}' --args "$@" >"$tmp/config.json"
    jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$tmp/manifest.json"
    tar --create --file "$archive" --directory "$tmp" manifest.json config.json layer.tar
    rm -rf "$tmp"
}

cmd_pack_image() {
    local user=
    [[ ${1-} != --user ]] || { user=$2; shift 2; }
    (( $# >= 3 )) || die "pack-image [--user UID] ARCHIVE NAME ROOTFS_DIR [CMD...]"
    pack "$user" "$@"
}

# Each mode has a load_archive of its own.
cmd_load_image() {
    local start user= tmp
    start=$(now)
    [[ ${1-} != --user ]] || { user=$2; shift 2; }
    case $# in
    0) die "load-image [--user UID] NAME ROOTFS_DIR [CMD...], or load-image ARCHIVE" ;;
    1) load_archive "$(readlink -f "$1")" ;;
    *) tmp=$(mktemp -d)
       pack "$user" "$tmp/image.tar" "$@"
       load_archive "$tmp/image.tar"
       rm -rf "$tmp" ;;
    esac
    took "load-image $1" "$start"
}
