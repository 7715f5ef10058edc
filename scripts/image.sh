#!/usr/bin/env bash
# Builds the Dockerfile without a registry: scripts/image.sh CHECKOUT. buildah takes it as it is; in place of
# the base image stands a Debian root filesystem with the same Python. Leaves in .tools/image: `oci`, the
# image in the layout of the OCI, and `root`, the tree that a container of it sees. Needs root, on Debian.
set -euo pipefail
checkout=$(cd "$1" && pwd)
readonly checkout
cd "$(dirname "$0")/.."

readonly release=trixie # that of the base image, so that Python is the same
readonly place=.tools/image
readonly log=$place/log
readonly root=$place/debian
readonly authorities=/etc/ssl/certs/ca-certificates.crt

fail() {
    printf 'narkasa-gateway: %s\n' "$*" >&2
    exit 1
}

[[ $(id -u) == 0 ]] || fail "an image is built as root"
mkdir -p "$place"
: >"$log"

logged() {
    "$@" >>"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "an image cannot be built; see $log"; }
}

# Nothing of another engine on this machine is touched; vfs and chroot work inside of containers too.
engine() {
    buildah --root "$PWD/$place/storage" --runroot "$PWD/$place/run" --storage-driver vfs "$@"
}

programs() {
    local missing=()
    for program in buildah debootstrap; do # each is a package of the same name
        command -v "$program" >/dev/null || missing+=("$program")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || fail "these are needed: ${missing[*]}"
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    logged apt-get update -q
    logged apt-get install -qy --no-install-recommends "${missing[@]}"
}

# A root filesystem as the base image is: Python, pip, no lists of packages, and pip may install.
base() {
    local name=$1
    engine inspect --type image "$name" >/dev/null 2>&1 && return
    echo "Making $name from Debian's packages ($release)"
    rm -rf "$root"
    logged debootstrap --variant=minbase \
        --include=ca-certificates,python3,python3-pip,python-is-python3 "$release" "$root"
    rm -rf "${root:?}"/dev/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb \
        "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
    logged engine build --file - --tag "$name" "$root" <<<$'FROM scratch\nCOPY . /'
    rm -rf "$root"
}

PATH=$PATH:/usr/sbin
programs
wanted=$(sed -n 's/^ARG BASE=//p' "$checkout/Dockerfile")
readonly base=localhost/$wanted
readonly image=localhost/narkasa-gateway
base "$base"

container=$(engine from --pull-never "$base")
found=$(engine run --isolation chroot "$container" -- python --version)
[[ $wanted == python:"$(cut -d' ' -f2 <<<"$found" | cut -d. -f1-2)"-* ]] ||
    fail "Debian's $release has $found; the Dockerfile is built on $wanted"
logged engine rm --all

# A proxy on the way has an authority that this machine knows, and the base does not.
echo "Building the Dockerfile"
logged engine build --isolation chroot --pull-never --build-arg "BASE=$base" \
    --volume "$authorities:$authorities:ro" --tag "$image" "$checkout"
rm -rf "$place/oci"
logged engine push "$image" "oci:$place/oci"
ln -sfn "$(engine mount "$(engine from --pull-never "$image")")" "$place/root"
logged engine rmi --prune
