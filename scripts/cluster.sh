#!/usr/bin/env bash
# Installs what the tests in tests/cluster and tests/browser run, where it is missing.
set -euo pipefail

fail() {
    printf 'narkasa-gateway: %s\n' "$*" >&2
    exit 1
}

# Debian puts haproxy where only root looks.
PATH=$PATH:/usr/sbin
missing=()
for program in chromium haproxy redis-server redis-sentinel; do # each is a package of the same name
    command -v "$program" >/dev/null || missing+=("$program")
done

if ((${#missing[@]})); then
    command -v apt-get >/dev/null || fail "these are needed: ${missing[*]}"
    [[ $(id -u) == 0 ]] || fail "these are needed (apt-get install, as root): ${missing[*]}"
    echo "Installing ${missing[*]}"
    log=$(mktemp)
    # The run level of a single user: no package starts its service.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1 || { tail -n 20 "$log"; fail "apt-get cannot install them"; }
fi
