#!/usr/bin/env bash
# The long run of the commit protocol's model (tests/model): two writers, two restarts, three restatements.
# Installs nothing. Took 4 minutes on two busy cores.
#
# COSTLAKE_MODEL   `small`: what every run of the checks visits, and nothing more (default: `long`)
set -euo pipefail
cd "$(dirname "$0")/../.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
case ${COSTLAKE_MODEL:-long} in
small)
  which=(every_promise_holds_in_every_state)
  export COSTLAKE_TESTS=whole
  ;;
*) which=(--ignored) ;;
esac
nice -n 19 cargo test --release --config tests/checked.toml --locked --test model -- "${which[@]}" --nocapture </dev/null >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
sed -n '/unique states/s/^\(test .*\.\.\. \)*/model: /p' "$log"
