#!/usr/bin/env bash
# Writes the lock files in requirements/: for every supported Python and platform, with hashes,
# and without the address of any index, so that each machine uses the one that it is set up for.
# What is locked already stays as it is; with --upgrade the newest version is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly options=("$@")

lock() {
    local name=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" \
        ${options[@]+"${options[@]}"} "$@" --output-file "requirements/$name.txt"
}

# Each is held to what the one before it chose: one version of a package in all of them.
lock setup --group setup
lock run pyproject.toml --constraints requirements/setup.txt
lock dev-server pyproject.toml --extra dev-server --constraints requirements/run.txt
lock dev pyproject.toml --extra dev-server --group setup --group dev \
    --constraints requirements/setup.txt --constraints requirements/dev-server.txt
