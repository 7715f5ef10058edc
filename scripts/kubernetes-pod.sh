#!/usr/bin/env bash
# Runs a command about as a pod runs it: scripts/kubernetes-pod.sh FOLDER USER GROUP COMMAND...
# It sees a read-only tree of this machine's programs, the checkout, and FOLDER/etc as its /etc; or, where
# FOLDER/image leads to an image's tree, that one with the volumes of FOLDER/etc in it. Its user has no
# capability and can gain none; it ends with its parent. Needs Linux, and the right to mount.
set -euo pipefail

if [[ $1 != --inside ]]; then
    exec unshare --mount -- "$0" --inside "$@"
fi
readonly folder=$2 user=$3 group=$4
shift 4

checkout=$(cd "$(dirname "$0")/.." && pwd)
interpreter=$("$checkout/.venv/bin/python" -c 'import sys; print(sys.base_prefix)')
readonly root=$folder/root
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)

mkdir -p "$root"

shown() {
    local place=$1 at=$root$2
    mkdir -p "$at" # as a runtime makes the places of mounts
    mount --bind "$place" "$at"
    mount -o remount,bind,ro "$at"
}

of_image() {
    local place
    mount --bind "$folder/image" "$root"
    for place in /dev /proc; do
        shown "$place" "$place"
    done
    for place in "$folder"/etc/*; do
        shown "$place" "/etc/${place##*/}"
    done
    mount -o remount,bind,ro "$root"
}

of_machine() {
    local place
    # On a place of its own, which goes with the namespace.
    mount -t tmpfs -o mode=755 tmpfs "$root"
    for place in /usr /bin /sbin /lib /lib64 /dev /proc "$interpreter" "$checkout"; do
        if [[ -L $place ]]; then
            cp -P "$place" "$root$place" # /bin is a link to usr/bin
        elif [[ -d $place && ! -d $root$place ]]; then
            shown "$place" "$place"
        fi
    done
    shown "$folder/etc" /etc
    mount -o remount,ro "$root"
}

if [[ -d $folder/image ]]; then
    of_image
else
    of_machine
fi

exec "$chroot" "$root" setpriv --pdeathsig SIGKILL --reuid "$user" --regid "$group" --clear-groups \
    --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
