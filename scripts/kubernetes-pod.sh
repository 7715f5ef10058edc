#!/usr/bin/env bash
# Runs a command about as a pod runs it: scripts/kubernetes-pod.sh FOLDER USER GROUP COMMAND...
# It sees a read-only tree of this machine's programs, the checkout, and FOLDER/etc as its /etc; its user
# has no capability and can gain none; it ends with its parent. Needs Linux, and the right to mount.
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

# On a place of its own, which goes with the namespace.
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"

shown() {
    local place=$1 at=$root$2
    if [[ -L $place ]]; then
        cp -P "$place" "$at" # /bin is a link to usr/bin
    elif [[ -d $place && ! -d $at ]]; then
        mkdir -p "$at"
        mount --bind "$place" "$at"
        mount -o remount,bind,ro "$at"
    fi
}

for place in /usr /bin /sbin /lib /lib64 /dev /proc "$interpreter" "$checkout"; do
    shown "$place" "$place"
done
shown "$folder/etc" /etc
mount -o remount,ro "$root"

exec "$chroot" "$root" setpriv --pdeathsig SIGKILL --reuid "$user" --regid "$group" --clear-groups \
    --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
