#!/usr/bin/env bash
# The whole comparison: costlake beside the bare program and two Python scripts, on the same answers, in one run.
#
#   benches/compare.sh [SECTION...]      sections: year hourly nightly start growth pace reading; without names, all
#
# ROUNDS  how often each Rust program runs, in turns (default 3; medians are shown). The Python scripts run once.
#
# Builds what it needs, keeps the Python packages in the target directory and everything else in a scratch folder. The
# servers listen on 127.0.0.1 only; none outlives the script, and their CPU is not counted.
set -euo pipefail
cd "$(dirname "$0")/.."

export PYTHONDONTWRITEBYTECODE=1
target=${CARGO_TARGET_DIR:-target}
scratch=$(mktemp -d)
servers=()
finish() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "compare: building" >&2
built() { # path of a built bench
  cargo bench --no-run --locked -p costlake-benches --bench "$1" --message-format=json 2>/dev/null |
    sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p"
}
answers=$(built answers)
bare=$(built bare)
cargo build --release --locked --quiet

venv=$target/bench-peers
if ! cmp -s benches/peers/requirements.txt "$venv/installed"; then
  echo "compare: installing the Python packages of benches/peers/requirements.txt" >&2
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r benches/peers/requirements.txt
  cp benches/peers/requirements.txt "$venv/installed"
fi

serve() { # port, then the server's options
  local port=$1
  shift
  "$answers" --listen "127.0.0.1:$port" "$@" >/dev/null &
  servers+=($!)
}
serve 18098
serve 18099 --restate-from 2026-10-28
serve 18100 --groups 5000
serve 18101 --latency-ms 1000 --per-second 5
sleep 1
for server in "${servers[@]}"; do
  kill -0 "$server" 2>/dev/null || { echo "compare: a server did not start; is its port taken?" >&2; exit 1; }
done

"$venv/bin/python" benches/measure.py "$target/release/costlake" "$bare" "$scratch" "$@"
