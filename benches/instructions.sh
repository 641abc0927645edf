#!/usr/bin/env bash
# Counts the instructions of a small backfill (a month by service and usage type from the sandbox) and compares them
# with the figure beside this script: more than a tenth above it is an error.
#
#   benches/instructions.sh            compare
#   benches/instructions.sh --bless    write the figure anew
#
# Instructions do not depend on the machine's load. They do on the compiler and on the versions in Cargo.lock: a new
# figure after an update of these is no scandal, but it should be looked at. Needs valgrind (Debian's is enough).
set -euo pipefail
cd "$(dirname "$0")/.."

costlake=$(realpath "${COSTLAKE_BIN:-${CARGO_TARGET_DIR:-target}/release/costlake}")
figure=benches/instructions.txt
scratch=$(mktemp -d)
sandbox=
finish() {
  [ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export COSTLAKE_NOW=2026-11-01T06:00:00Z
"$costlake" sandbox --listen 127.0.0.1:0 >"$scratch/sandbox" 2>&1 &
sandbox=$!
url=
for _ in $(seq 100); do
  url=$(grep -o -m1 'http://127.0.0.1:[0-9]*' "$scratch/sandbox" || true)
  [ -z "$url" ] || break
  sleep 0.1
done
[ -n "$url" ] || { cat "$scratch/sandbox" >&2; exit 1; }

AWS_ENDPOINT_URL_COST_EXPLORER=$url AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_REGION=us-east-1 \
  AWS_EC2_METADATA_DISABLED=true \
  valgrind --tool=callgrind --callgrind-out-file="$scratch/counts" --log-file="$scratch/log" \
  "$costlake" backfill aws_cost_by_service --from 2026-09 --to 2026-09 --yes --quiet --lake "$scratch/lake" \
  </dev/null >"$scratch/report" || { cat "$scratch/report" "$scratch/log" >&2; exit 1; }
counted=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$scratch/log")
[ -n "$counted" ] || { cat "$scratch/log" >&2; exit 1; }

if [ "${1:-}" = --bless ]; then
  echo "$counted" >$figure
fi
known=$(cat $figure)
echo "instructions: $counted, $((counted * 100 / known))% of the $known in $figure"
if [ $((counted * 10)) -gt $((known * 11)) ]; then
  echo "instructions: more than a tenth above $figure; find out why, or run benches/instructions.sh --bless" >&2
  exit 1
fi
