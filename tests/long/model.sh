#!/usr/bin/env bash
# The long run of the commit protocol's model (tests/model): two writers, two restarts, three restatements.
# Installs nothing. An optimised build of it took 4 minutes on two busy cores; the debug build
# this uses takes several times that.
set -euo pipefail
cd "$(dirname "$0")/../.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
nice -n 19 cargo test --locked --test model -- --ignored --nocapture </dev/null >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
grep 'unique states' "$log" | sed 's/^.*the long run: /model: /'
