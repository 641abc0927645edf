#!/usr/bin/env bash
# Counts the instructions of a small backfill (a month by service and usage type from the sandbox) and compares them
# with the figure beside this script: more than a tenth above it is an error.
#
#   benches/instructions.sh            compare
#   benches/instructions.sh --bless    write the figure anew
#
# Instructions do not depend on the machine's load. They do on the compiler and on the versions in Cargo.lock: a new
# figure after an update of these is no scandal, but it should be looked at. What else could move them is fixed: the
# environment is empty, one certificate that nobody uses (benches/authority.pem) stands for the machine's own, whose reading
# is a tenth of the work of a small run, and libc is
# told to use no AVX, because which of its copies of memcpy and memchr runs depends on the processor. zstd and SHA-256
# choose by the processor, too; valgrind shows the program one without SHA instructions. The rest is some 0.1%, from
# random hash keys.
#
# Needs valgrind (Debian's is enough) and installs it where apt-get can. On anything but x86_64 Linux nothing is
# compared, because the figure is of that.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "instructions: not compared, the figure is of Linux x86_64 and this is $(uname -sm)"
  [ -z "${COSTLAKE_FIGURES:-}" ] || printf 'instructions\t\n' >>"$COSTLAKE_FIGURES"
  exit 0
fi
if ! command -v valgrind >/dev/null; then
  apt-get update -qq </dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind </dev/null >/dev/null
fi

costlake=$(realpath "${COSTLAKE_BIN:-${CARGO_TARGET_DIR:-target}/release/costlake}")
valgrind=$(command -v valgrind)
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

mkdir "$scratch/home" "$scratch/no-certificates" "$scratch/jobs"
cp jobs/aws_cost_by_service.toml "$scratch/jobs"
alone() { # becomes a command, in an environment that is the same everywhere; the process id is the command's own
  exec env -i PATH=/usr/bin:/bin HOME="$scratch/home" LC_ALL=C.UTF-8 COSTLAKE_NOW=2026-11-01T06:00:00Z \
    SSL_CERT_FILE="$PWD/benches/authority.pem" SSL_CERT_DIR="$scratch/no-certificates" \
    GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM \
    AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
    AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null "$@"
}

alone "$costlake" sandbox --listen 127.0.0.1:0 >"$scratch/sandbox" 2>&1 &
sandbox=$!
url=
for _ in $(seq 100); do
  url=$(grep -o -m1 'http://127.0.0.1:[0-9]*' "$scratch/sandbox" || true)
  [ -z "$url" ] || break
  sleep 0.1
done
[ -n "$url" ] || { cat "$scratch/sandbox" >&2; exit 1; }

(alone AWS_ENDPOINT_URL_COST_EXPLORER="$url" \
  "$valgrind" --tool=callgrind --callgrind-out-file="$scratch/counts" --log-file="$scratch/log" \
  "$costlake" backfill aws_cost_by_service --from 2026-09 --to 2026-09 --yes --quiet --lake "$scratch/lake" \
  --jobs "$scratch/jobs" \
  </dev/null >"$scratch/report" 2>&1) || { cat "$scratch/report" "$scratch/log" >&2; exit 1; }
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
if [ -n "${COSTLAKE_FIGURES:-}" ]; then
  printf 'instructions\t%d.%d million, %d%% of what the repository has\n' \
    $((counted / 1000000)) $((counted / 100000 % 10)) $((counted * 100 / known)) >>"$COSTLAKE_FIGURES"
fi
