#!/usr/bin/env bash
# Lines and branches of the plan, the checks, the commit and the ledger that `cargo test` reaches.
# Installs the llvm-tools component of the toolchain if it is missing. Only this crate is built anew: the dependencies are those
# of `cargo test`. Do not build anything else in target/ while it runs, or the program is replaced by one that counts nothing.
# Branches need a compiler option that is not stable: RUSTC_BOOTSTRAP=1, for this program only.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$(rustc --print target-libdir)/../bin
[ -x "$tools/llvm-cov" ] || rustup component add llvm-tools >&2
where=$PWD/target/long/coverage
mkdir -p "$where"
rm -rf "$where/profiles"
# Many tests start the program with an environment of their own, so it knows by itself where its counts go.
printf 'const char __llvm_profile_filename[] = "%s/profiles/%%p-%%m.profraw";\n' "$where" >"$where/filename.c"
cc -c "$where/filename.c" -o "$where/filename.o"
cat >"$where/rustc" <<WRAPPER
#!/bin/sh
RUSTC_BOOTSTRAP=1 exec "\$@" -C instrument-coverage -Z coverage-options=branch -Z pre-link-arg=$where/filename.o -C link-arg=-Wl,-z,muldefs
WRAPPER
chmod +x "$where/rustc"

export RUSTC_WORKSPACE_WRAPPER=$where/rustc CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
nice -n 19 cargo test --locked --lib --test it --no-run </dev/null 2>&1 | tee "$where/build" >&2
# A process that may not write longer files cannot write its counts either. A test that fails is told, and what it reached counts.
nice -n 19 cargo test --locked --lib --test it -- --skip files_that_may_not_grow </dev/null >&2 || echo "coverage: not all tests passed" >&2
"$tools/llvm-profdata" merge --failure-mode=all -sparse "$where"/profiles/*.profraw -o "$where/profile"
objects=$(sed -n 's/^ *Executable.*(\(.*\))$/--object \1/p' "$where/build")
files=$(ls src/plan/*.rs src/lake/*.rs src/ledger.rs src/ledger/*.rs src/ledger_store.rs src/ledger_store/*.rs \
  src/pipeline/{fetch,publish,renew,verify,verify_kept,repair,control,totals}.rs)
# shellcheck disable=SC2086
"$tools/llvm-cov" report "$CARGO_TARGET_DIR/debug/costlake" $objects --instr-profile "$where/profile" \
  --show-branch-summary --show-region-summary=false --sources $files >"$where/report"
# shellcheck disable=SC2086
"$tools/llvm-cov" show "$CARGO_TARGET_DIR/debug/costlake" $objects --instr-profile "$where/profile" \
  --show-branches=count --show-expansions=false --show-instantiations=false --sources $files >"$where/lines"
cat "$where/report" >&2
rm -rf "$where/profiles"
awk '$1 == "TOTAL" { printf "coverage: functions %s, lines %s, branches %s (%s of %s missed); every line in %s\n", $4, $7, $10, $9, $8, where }' \
  where="$where/lines" "$where/report"
