#!/usr/bin/env bash
# Mutation testing of the plan, the checks, the commit and the ledger; `.cargo/mutants.toml` says which files, and which
# mutants are known to change nothing.
#
#   tests/long/mutants.sh          every mutant
#   tests/long/mutants.sh 3/40     one of 40 evenly spread samples
#   tests/long/mutants.sh again    those that the runs before did not see caught; the figures are of all
#
# COSTLAKE_MUTANT_MINUTES   ends after so long; what was tried by then is spread evenly over the modules
#
# All mutants are in one build (weave/), and a file says which of them a process is to be. Each test first runs alone and tells
# which of them it comes to; then a mutant has the tests that come to it, the quick ones first, until one fails. So a mutant
# that is caught costs about a second, and of each survivor every test that reaches it has passed.
# Installs cargo-mutants from crates.io if it is missing: it says what the mutants are.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v cargo-mutants >/dev/null || nice -n 19 cargo install cargo-mutants --locked --debug >&2
exec nice -n 19 python3 tests/long/mutants.py "$@"
