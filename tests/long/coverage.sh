#!/usr/bin/env bash
# Lines and branches of the plan, the checks, the commit and the ledger that `cargo test` reaches.
# Installs the llvm-tools component of the toolchain if it is missing. Builds the program anew below target/; how long that
# takes has not been measured. Branches need a compiler option that is not stable: RUSTC_BOOTSTRAP=1, for this program only.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$(rustc --print target-libdir)/../bin
[ -x "$tools/llvm-cov" ] || rustup component add llvm-tools >&2
where=$PWD/target/long/coverage
mkdir -p "$where"
rm -rf "$where/profiles"
cat >"$where/rustc" <<'WRAPPER'
#!/bin/sh
RUSTC_BOOTSTRAP=1 exec "$@" -C instrument-coverage -Z coverage-options=branch
WRAPPER
chmod +x "$where/rustc"

export RUSTC_WORKSPACE_WRAPPER=$where/rustc CARGO_TARGET_DIR=${COVERAGE_TARGET:-$where/target}
export LLVM_PROFILE_FILE=$where/profiles/%p-%m.profraw
nice -n 19 cargo test --locked --lib --test it --no-run </dev/null 2>&1 | tee "$where/build" >&2
nice -n 19 cargo test --locked --lib --test it </dev/null >&2
"$tools/llvm-profdata" merge -sparse "$where"/profiles/*.profraw -o "$where/profile"
objects=$(sed -n 's/^ *Executable.*(\(.*\))$/--object \1/p' "$where/build")
files=$(ls src/plan/*.rs src/lake/*.rs src/ledger.rs src/ledger/*.rs src/ledger_store.rs src/ledger_store/*.rs \
  src/pipeline/{fetch,publish,renew,verify,verify_kept,repair,control,totals}.rs)
# shellcheck disable=SC2086
"$tools/llvm-cov" report $objects --object "$CARGO_TARGET_DIR/debug/costlake" --instr-profile "$where/profile" \
  --show-branch-summary --show-region-summary=false $files >"$where/report"
# shellcheck disable=SC2086
"$tools/llvm-cov" show $objects --object "$CARGO_TARGET_DIR/debug/costlake" --instr-profile "$where/profile" \
  --show-branches=count --show-expansions=false $files >"$where/lines"
cat "$where/report" >&2
rm -rf "$where/profiles"
awk '$1 == "TOTAL" { printf "coverage: functions %s, lines %s, branches %s (%s of %s missed); every line in %s\n", $4, $7, $10, $9, $8, where }' \
  where="$where/lines" "$where/report"
