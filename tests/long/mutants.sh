#!/usr/bin/env bash
# Mutation testing of the plan, the checks, the commit and the ledger; `.cargo/mutants.toml` says which files and tests.
#
#   tests/long/mutants.sh          every mutant: 778 builds, each with its tests
#   tests/long/mutants.sh 3/40     one of 40 evenly spread samples: about 20 mutants
#
# Installs cargo-mutants from crates.io if it is missing. How long it takes has not been measured.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v cargo-mutants >/dev/null || nice -n 19 cargo install cargo-mutants --locked --debug >&2
results=target/long/mutants
mkdir -p "$results"
code=0
nice -n 19 cargo mutants --output "$results" --jobs 1 --sharding round-robin ${1:+--shard "$1"} >&2 </dev/null || code=$?
# 2: some were missed, 3: some ran out of time; anything else is no result.
case $code in 0 | 2 | 3) ;; *) exit "$code" ;; esac
count() { wc -l <"$results/mutants.out/$1.txt"; }
missed=$(count missed) caught=$(count caught) timeout=$(count timeout)
sed 's/^/missed: /' "$results/mutants.out/missed.txt" >&2
echo "mutants: $caught caught, $timeout timed out, $missed missed, $(count unviable) unviable"
[ "$((missed * 20))" -le "$((caught + timeout + missed))" ]
