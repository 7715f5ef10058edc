#!/usr/bin/env bash
# Installs the OpenID provider of the tests into .tools/oidc, once, by the npm in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly wanted=tests/oidc
readonly place=.tools/oidc
readonly log=.tools/setup.log
readonly stamp=$place/.from

state=$(cat "$wanted/package.json" "$wanted/package-lock.json" | cksum)
if [[ -f $stamp && $(<"$stamp") == "$state" ]]; then
    exit 0
fi
echo "Fetching the OpenID provider of the tests"
rm -rf "$place"
mkdir -p "$place"
cp "$wanted/package.json" "$wanted/package-lock.json" "$place"
# No package's own scripts are run.
PATH="$PWD/.venv/bin:$PATH" npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund \
    --omit-lockfile-registry-resolved >>"$log" 2>&1 || {
    printf 'narkasa-gateway: cannot fetch the OpenID provider; the reason is in %s\n' "$log" >&2
    exit 1
}
echo "$state" >"$stamp"
