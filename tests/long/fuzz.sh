#!/usr/bin/env bash
# Fuzzes every decoder of bytes from outside, one after another, and tells executions, seconds, coverage and findings.
#
#   tests/long/fuzz.sh [TARGET...]      for example: tests/long/fuzz.sh footer parquet; without names, all of them
#
# COSTLAKE_FUZZ_RUNS   executions of each target (default: 10000000)
#
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz --locked`). An input may take one second and 256
# MiB. What is found is kept below fuzz/artifacts, the corpus below fuzz/corpus; neither is committed.
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${COSTLAKE_FUZZ_RUNS:-10000000}
targets=("$@")
if [ $# = 0 ]; then
  mapfile -t targets < <(sed -n 's/^ *("\([a-z_]*\)", .*/\1/p' fuzz/targets.rs)
fi
# Safe Rust is what is fuzzed: it breaks down by itself, without a sanitizer's help, and runs faster.
cargo +nightly fuzz build --sanitizer none decoders
program=$(find fuzz/target -path '*/release/decoders' -type f | head -n 1)

failed=0
printf '%-20s %12s %8s %8s  %s\n' target executions seconds edges findings
for target in "${targets[@]}"; do
  corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
  mkdir -p "$corpus" "$artifacts"
  log=$artifacts/log
  begun=$SECONDS
  code=0
  COSTLAKE_FUZZ=$target COSTLAKE_FUZZ_SEEDS=$corpus "$program" "$corpus" -runs="$runs" -timeout=1 -rss_limit_mb=256 \
    -dict=fuzz/words.dict -artifact_prefix="$artifacts/" -print_final_stats=1 >"$log" 2>&1 </dev/null || code=$?
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
  edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2 || true)
  findings=none
  if [ $code != 0 ]; then
    failed=1
    findings=$(grep -m 1 -E 'panicked at|ERROR: libFuzzer' "$log" || echo "exit code $code, see $log")
  fi
  printf '%-20s %12s %8s %8s  %s\n' "$target" "${executed:-?}" $((SECONDS - begun)) "${edges:-?}" "$findings"
done
exit $failed
