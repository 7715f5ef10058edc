#!/usr/bin/env bash
# Brings .venv up to one of the lock files: `scripts/venv.sh dev-server` or `scripts/venv.sh dev`.
# Does nothing when the lock has not changed since. Each thing that can be missing is one line.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly lock=$1
readonly log=.tools/setup.log
readonly stamp=.venv/.installed-$lock

fail() {
    printf 'narkasa-gateway: %s\n' "$*" >&2
    exit 1
}

recent_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# A version manager's shim may exist and not run, so a candidate counts when it has answered.
find_python() {
    local candidates=${PYTHON:-python3.13 python3.12 python3.11 python3} candidate
    for candidate in $candidates; do
        if recent_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; not so or not there: $candidates. Name one with PYTHON=..."
}

# musl has no wheel of the embedded server, and `narkasa-gateway dev` then takes redis-server.
lock_file() {
    if [[ $lock == dev-server && $(ldd --version 2>&1) == *musl* ]]; then
        echo requirements/run.txt
    else
        echo "requirements/$lock.txt"
    fi
}

create() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module (on Debian and Ubuntu: apt-get install python3-venv)"
    echo "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv >>"$log" 2>&1 ||
        fail "cannot create .venv; the reason is in $log"
}

# uv installs in a tenth of pip's time. It does not read pip's configuration, so where only pip
# knows the way to an index, pip does it all.
install() {
    local file=$1
    echo "Installing $(grep -c == "$file") packages from $file"
    { pip_install -r requirements/setup.txt && { with_uv "$file" || with_pip "$file"; }; } \
        >>"$log" 2>&1 ||
        fail "cannot install the packages: is the package index in reach? The reason is in $log"
}

with_uv() {
    local uv=(.venv/bin/uv pip install --python .venv/bin/python --no-deps)
    "${uv[@]}" --require-hashes --compile-bytecode -r "$1" &&
        "${uv[@]}" --no-build-isolation --offline --editable .
}

with_pip() {
    pip_install -r "$1" &&
        .venv/bin/python -m pip install --no-deps --no-build-isolation --editable .
}

pip_install() {
    .venv/bin/python -m pip install --disable-pip-version-check --retries 1 --timeout 20 \
        --no-deps --require-hashes "$@"
}

file=$(lock_file)
state=$(cat "$file" requirements/setup.txt pyproject.toml scripts/venv.sh | cksum)
if [[ -x .venv/bin/python && -f $stamp && $(<"$stamp") == "$state" ]]; then
    exit 0
fi
mkdir -p .tools
: >"$log"
recent_enough .venv/bin/python || create
install "$file"
echo "$state" >"$stamp"
