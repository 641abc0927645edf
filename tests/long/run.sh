#!/usr/bin/env bash
# The tests that are too long for every change, one after the other; each prints one line of figures.
# What each installs and how long it takes is at its beginning.
# MUTANTS=3/40 takes a sample of the mutants.
set -uo pipefail
cd "$(dirname "$0")"

failed=0
step() { "$@" || { echo "$1: FAILED"; failed=1; }; }
step ./model.sh
if [ -x ./fuzz.sh ]; then step ./fuzz.sh; fi
step ./mutants.sh ${MUTANTS:+"$MUTANTS"}
step ./coverage.sh
exit "$failed"
