#!/usr/bin/env bash
# Fuzzes every decoder of bytes from outside and tells executions, seconds, coverage and findings.
#
#   tests/long/fuzz.sh [TARGET...]      for example: tests/long/fuzz.sh footer parquet; without names, all of them
#
# COSTLAKE_FUZZ_RUNS      executions of each target (default: 10000000)
# COSTLAKE_FUZZ_SECONDS   a target ends after so long, however many it has had (default: never)
# COSTLAKE_FUZZ_JOBS      targets at a time (default: 1)
#
# Needs a nightly toolchain; installs cargo-fuzz from crates.io if it is missing. An input may take one second of a core, and 256 MiB.
# What is found is kept below fuzz/artifacts, the corpus below fuzz/corpus; neither is committed. A second run goes on with
# the corpus of the first.
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${COSTLAKE_FUZZ_RUNS:-10000000}
seconds=${COSTLAKE_FUZZ_SECONDS:-0}
targets=("$@")
if [ $# = 0 ]; then
  mapfile -t targets < <(sed -n 's/^ *("\([a-z_]*\)", .*/\1/p' fuzz/targets.rs)
fi
command -v cargo-fuzz >/dev/null || nice -n 19 cargo install cargo-fuzz --locked --debug >&2
# Safe Rust is what is fuzzed: it breaks down by itself, without a sanitizer's help, and runs faster. No crate is told that it
# is fuzzed, because some would leave checks out then. Edges are counted in what reads the input alone: libFuzzer looks through
# all counters after each input, and those of the clients, servers and runtimes around it are nine in ten.
watched='costlake|costlake_fuzz|decoders|serde_json|serde_core|serde_path_to_error|serde_urlencoded|form_urlencoded|percent_encoding'
watched+='|parquet|arrow_(array|buffer|data|ipc|schema|select)|flatbuffers|chrono|croner|toml|toml_(parser|datetime)|winnow'
watched+='|aws_smithy_json|http|httpdate|url'
mkdir -p target/long
wrapper=$PWD/target/long/rustc-watched
cat >"$wrapper" <<WRAPPER
#!/bin/bash
# Compiles a crate as cargo says, without counters unless its name is one of those below.
[[ " \$* " =~ \ --crate-name\ ($watched)\  ]] && exec "\$@"
for argument; do
  [ "\$argument" = -Cpasses=sancov-module ] || arguments+=("\$argument")
done
exec "\${arguments[@]}"
WRAPPER
chmod +x "$wrapper"
begun=$SECONDS
RUSTC_WRAPPER=$wrapper nice -n 19 cargo +nightly fuzz build --release --no-cfg-fuzzing --sanitizer none decoders >&2
echo "fuzzing: built in $((SECONDS - begun)) s" >&2
program=$(find fuzz/target -path '*/release/decoders' -type f | head -n 1)

line() { printf '%-22s %12s %8s %7s %7s %9s  %s\n' "$@"; }

# One target; what it came to is printed as a line.
fuzz() {
  local target=$1 begun=$SECONDS code=0 findings=none
  local corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
  local log=$artifacts/log
  mkdir -p "$corpus" "$artifacts"
  COSTLAKE_FUZZ=$target COSTLAKE_FUZZ_SEEDS=$corpus nice -n 19 "$program" "$corpus" -runs="$runs" -timeout=60 \
    -max_total_time="$seconds" -rss_limit_mb=256 -dict=fuzz/words.dict -artifact_prefix="$artifacts/" \
    -print_final_stats=1 >"$log" 2>&1 </dev/null || code=$?
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
  local executed edges slowest
  executed=$(stat number_of_executed_units)
  edges=$(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2 || true)
  slowest=$(sed -n 's/^slowest: //p' "$log" | tail -n 1)
  if [ $code != 0 ]; then
    findings=$(grep -a -m 1 -E 'panicked at|ERROR: libFuzzer' "$log" || echo "exit code $code, see $log")
  fi
  line "$target" "${executed:-?}" $((SECONDS - begun)) "${edges:-?}" "$(stat peak_rss_mb)" "${slowest:-?}" "$findings"
}
export -f fuzz line
export runs seconds program

line target executions seconds edges 'RSS MB' slowest findings
printf '%s\n' "${targets[@]}" | xargs -P "${COSTLAKE_FUZZ_JOBS:-1}" -I{} bash -c 'fuzz {}' | tee target/long/fuzzed
awk '{ total += $2; found += $NF != "none" }
  END { printf "fuzzing: %d executions of %d targets, %d with a finding\n", total, NR, found; exit found > 0 }' target/long/fuzzed
