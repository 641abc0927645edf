#!/usr/bin/env bash
# The tests that are too long for every change, one after the other, and their figures as one table at the end.
# What each installs and needs is at its beginning. How long all of them take has not been measured. To bound them:
#
#   COSTLAKE_MODEL=small COSTLAKE_FUZZ_SECONDS=20 COSTLAKE_MUTANT_MINUTES=5 COSTLAKE_SOAK_MINUTES=5 tests/long/run.sh
#
# COSTLAKE_LONG             steps (default: "model simulation deaths soak fuzz mutants coverage")
# COSTLAKE_MODEL            small: the states that every run of the checks visits
# COSTLAKE_SIM_SCHEDULES    schedules of the simulation, from COSTLAKE_SIM_FROM on (default: 100000 from 1000000 on)
# COSTLAKE_CRASH_SEEDS      deaths at each place, for each kind of table (default: 50)
# COSTLAKE_SOAK_MINUTES     how long `serve` runs against APIs that fail (default: 60)
# COSTLAKE_FUZZ_RUNS        executions of each fuzz target (default: 10000000); COSTLAKE_FUZZ_SECONDS ends one sooner
# COSTLAKE_MUTANT_MINUTES   mutants are tried for so long (default: until all were); MUTANTS=3/40 takes a sample
# COSTLAKE_FIGURES          a file that collects the figures of docs/reliability.md (default: none), see docs/figures.py
set -uo pipefail
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."

figures=target/long/figures
mkdir -p target/long
: >"$figures"
failed=0

# What the tests count belongs to every run of the checks; a long run's figures have names of their own.
collecting=${COSTLAKE_FIGURES:-}
unset COSTLAKE_FIGURES
counted=$PWD/target/long/counted
rm -f "$counted"
figure() { # NAME TEXT
  [ -z "$collecting" ] || printf '%s\t%s\n' "$1" "$2" >>"$collecting"
}
figure_of_test() { # NAME, and that of the test
  local text
  text=$(sed -n "s/^$2\t//p" "$counted" 2>/dev/null | tail -n 1)
  [ -z "$text" ] || figure "$1" "$text"
}

# Runs a step, shows what it says, and keeps the last `lines` of it for the table.
step() {
  local name=$1 lines=$2 begun=$SECONDS
  shift 2
  printf '\n== [%5d s] %s\n' "$SECONDS" "$name"
  "$@" | tee "target/long/$name.said"
  local code=${PIPESTATUS[0]}
  if [ "$code" != 0 ]; then
    failed=1
    echo "$name: FAILED, exit code $code" | tee -a "target/long/$name.said"
  fi
  {
    printf '%s: %d s\n' "$name" $((SECONDS - begun))
    tail -n "$lines" "target/long/$name.said" | sed 's/^/    /'
  } >>"$figures"
}

# A long run of a test that every run of the checks has: the figures it prints.
harness() {
  local filter=$1 wanted=$2
  COSTLAKE_FIGURES=$counted nice -n 19 cargo test --release --config tests/checked.toml --locked --test it "$filter" -- --nocapture </dev/null 2>"target/long/errors" | grep -aE "$wanted|FAILED|panicked"
  return "${PIPESTATUS[0]}"
}

simulation() {
  COSTLAKE_SIM_SCHEDULES=${COSTLAKE_SIM_SCHEDULES:-100000} COSTLAKE_SIM_FROM=${COSTLAKE_SIM_FROM:-1000000} harness sim:: 'schedules'
}
deaths() { COSTLAKE_CRASH_SEEDS=${COSTLAKE_CRASH_SEEDS:-50} harness faults::crashes:: 'deaths'; }

soak() { cargo build --release --locked </dev/null && python3 tests/long/soak.py; }

for name in ${COSTLAKE_LONG:-model simulation deaths soak fuzz mutants coverage}; do
  case $name in
  model)
    COSTLAKE_FIGURES=$counted step model 5 tests/long/model.sh
    figure_of_test long.model long-model
    ;;
  simulation)
    step simulation 3 simulation
    figure_of_test long.simulation simulation
    ;;
  deaths)
    step deaths 3 deaths
    figure_of_test long.deaths deaths
    ;;
  soak)
    step soak 2 soak
    figure long.soak "$(sed -n 's/^ok .* minutes of runs .*(\(.*\))$/\1/p' target/long/soak.said)"
    ;;
  fuzz)
    step fuzz 40 tests/long/fuzz.sh
    figure long.fuzz "$(sed -n 's/^fuzzing: //p' target/long/fuzz.said)"
    ;;
  mutants)
    step mutants 8 tests/long/mutants.sh ${MUTANTS:+"$MUTANTS"}
    figure long.mutants "$(sed -n 's/^mutants: //p' target/long/mutants.said)"
    ;;
  coverage)
    step coverage 1 tests/long/coverage.sh
    figure long.coverage "$(sed -n 's/^coverage: \(.*\); every line in .*/\1/p' target/long/coverage.said)"
    ;;
  *) echo "there is no step $name" >&2; exit 2 ;;
  esac
done
printf '\n== [%5d s] figures, also in %s\n' "$SECONDS" "$figures"
cat "$figures"
exit "$failed"
