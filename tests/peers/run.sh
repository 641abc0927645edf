#!/usr/bin/env bash
# Checks the built program against real peers: moto, Ceph, boto3, Datadog's client, DuckDB, ClickHouse, pyarrow, polars,
# pandas, DataFusion, Daft, Spark, fish, Chromium, Airflow, Kubernetes' schema, Prometheus, nginx, Caddy, checkov, Docker and its
# Compose where there is an engine, pip, uv, pipx, dpkg and systemd-analyze, and the grammars of Athena and Trino as sqlglot has them.
#
#   tests/peers/run.sh [CHECK...]     for example: tests/peers/run.sh s3 readers; without names, all of them
#   tests/peers/run.sh --prepare      only installs what all of them need, which can go on while the program is built
#
# COSTLAKE_BIN          the program (default: release/costlake in the target directory)
# COSTLAKE_PACKAGES     its packages, for the check `packages` (default: made by the check)
# COSTLAKE_PEERS_CACHE  where the Python packages are kept (default: peers in the target directory)
# COSTLAKE_PEERS_LANES  how many checks run beside each other (default: 3)
# COSTLAKE_FIGURES      a file that collects the figures of docs/reliability.md (default: none), see docs/figures.py
#
# The longest checks begin first. What a check prints is shown as a whole when it ends. A check that takes longer than 20
# minutes is ended and has failed.
#
# Installs what is missing; servers listen on 127.0.0.1 only, and none outlives this script.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PYTHONDONTWRITEBYTECODE=1
here=tests/peers
target=${CARGO_TARGET_DIR:-target}
cache=${COSTLAKE_PEERS_CACHE:-$target/peers}
export COSTLAKE_BIN=${COSTLAKE_BIN:-$target/release/costlake}
lanes=${COSTLAKE_PEERS_LANES:-3}
if ! [[ $lanes =~ ^[1-9][0-9]*$ ]]; then
  echo "peers: COSTLAKE_PEERS_LANES is $lanes, not a number of checks" >&2
  exit 2
fi
prepare=no
if [ "${1:-}" = --prepare ]; then
  prepare=yes
  shift
elif [ ! -x "$COSTLAKE_BIN" ]; then
  echo "peers: $COSTLAKE_BIN is not there; build it with: cargo build --release --locked" >&2
  exit 2
fi

available=()
for file in "$here"/check_*.py; do
  name=${file##*/check_}
  available+=("${name%.py}")
done
selected=("$@")
[ $# -gt 0 ] || selected=("${available[@]}")
for name in "${selected[@]}"; do
  if [ ! -f "$here/check_$name.py" ]; then
    echo "peers: no check is called $name; there are: ${available[*]}" >&2
    exit 2
  fi
done
needed() { [[ " ${selected[*]} " == *" $1 "* ]]; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
refreshed=no
apt_install() { # says what it installs; its chatter only when it fails
  local log
  log=$(mktemp)
  echo "peers: installing $*"
  if [ $refreshed = no ]; then
    as_root apt-get update -qq </dev/null >"$log" 2>&1 || { cat "$log" >&2; return 1; }
    refreshed=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >"$log" 2>&1 ||
    { cat "$log" >&2; return 1; }
  rm -f "$log"
}
unpack() { # PACKAGE: its files, in a folder of the cache
  local scratch
  scratch=$(mktemp -d)
  echo "peers: unpacking $1"
  if [ $refreshed = no ]; then
    as_root apt-get update -qq </dev/null >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
    refreshed=yes
  fi
  (cd "$scratch" && apt-get download -qq "$1" </dev/null && rm -rf "$cache/$1" && dpkg-deb -x ./*.deb "$cache/$1") \
    >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
  rm -rf "$scratch"
}

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
wanted=$(cat $here/requirements.txt $here/requirements-alone.txt | sha256sum)
if [ "$(cat "$cache/installed" 2>/dev/null)" != "$wanted" ]; then
  echo "peers: installing the Python packages of $here/requirements.txt"
  rm -rf "$cache/venv" "$cache/installed"
  if ! python3 -m venv "$cache/venv" >/dev/null 2>&1; then
    apt_install python3-venv
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv"
  fi
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r $here/requirements.txt </dev/null
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r $here/requirements-alone.txt </dev/null
  echo "$wanted" >"$cache/installed"
fi
# Packages that do not bear those of the others have an environment of their own.
alone() { # NAME OLDEST NEWEST [FILE]: the versions of Python that the packages of FILE, requirements-NAME.txt, are for
  local wanted file=${4:-$here/requirements-$1.txt}
  wanted=$(sha256sum <"$file")
  if [ "$(cat "$cache/installed-$1" 2>/dev/null)" = "$wanted" ] ||
    ! python3 -c "import sys; sys.exit(not ($2) <= sys.version_info[:2] <= ($3))"; then
    return
  fi
  echo "peers: installing $1 by $file"
  rm -rf "${cache:?}/$1" "$cache/installed-$1"
  python3 -m venv "$cache/$1"
  "$cache/$1/bin/pip" install --quiet --disable-pip-version-check -r "$file" </dev/null
  echo "$wanted" >"$cache/installed-$1"
}
export COSTLAKE_PEERS_AIRFLOW=$cache/airflow/bin COSTLAKE_PEERS_CHECKOV=$cache/checkov/bin
export COSTLAKE_PEERS_AWSCLI=$cache/awscli/bin COSTLAKE_PEERS_SITE=$cache/site/bin
if needed airflow; then alone airflow "3, 10" "3, 14"; fi
if needed terraform; then alone checkov "3, 11" "3, 14"; fi
if needed recipes; then alone awscli "3, 9" "3, 14"; fi
if needed site; then alone site "3, 10" "3, 14" docs/requirements.txt; fi
# Unpacked, not installed: these packages would start a server.
if needed prometheus && ! { command -v prometheus && command -v promtool; } >/dev/null; then
  if [ ! -x "$cache/prometheus/usr/bin/promtool" ]; then unpack prometheus; fi
  export PATH=$cache/prometheus/usr/bin:$PATH
fi
for proxy in nginx caddy; do
  if needed deployment && ! command -v $proxy >/dev/null; then
    if ! compgen -G "$cache/$proxy/usr/*bin/$proxy" >/dev/null; then unpack $proxy; fi
    export PATH=$cache/$proxy/usr/sbin:$cache/$proxy/usr/bin:$PATH
  fi
done
if { needed readers || needed views; } && ! command -v java >/dev/null; then apt_install default-jre-headless; fi
if { needed shells || needed packages; } && ! command -v fish >/dev/null; then apt_install fish; fi
if { needed page || needed screenshots || needed site; } && ! command -v chromium >/dev/null; then apt_install chromium; fi
if { needed tutorial || needed recipes || needed explanations; } && ! command -v curl >/dev/null; then apt_install curl; fi
if needed weeks && ! command -v faketime >/dev/null; then apt_install faketime; fi
if { needed outside || needed credentials || needed compose || needed deployment; } && ! command -v openssl >/dev/null; then apt_install openssl; fi
if needed packages && ! command -v dpkg-shlibdeps >/dev/null; then apt_install dpkg-dev; fi
if needed packages && ! command -v groff >/dev/null; then apt_install groff-base; fi
if needed packages && ! command -v zsh >/dev/null; then apt_install zsh; fi
if needed packages && ! command -v lintian >/dev/null; then apt_install lintian; fi
if needed compose && docker info >/dev/null 2>&1; then
  command -v debootstrap >/dev/null || apt_install debootstrap
  "$cache/venv/bin/python" "$here/containers.py"
fi
if { needed disk || needed file_calls || needed power; } && ! command -v strace >/dev/null; then apt_install strace; fi
if { needed s3 || needed writers; } && ! { command -v radosgw && command -v ceph-mon && command -v ceph-osd && command -v ceph; } >/dev/null; then
  apt_install ceph-mon ceph-osd radosgw ceph-common
fi

if [ $prepare = yes ]; then exit 0; fi
COSTLAKE_BIN=$(realpath "$COSTLAKE_BIN")

# These take a minute or more.
ordered=()
for name in compose views page weeks packages airflow writers readers power places terraform prometheus recipes; do
  if needed "$name"; then ordered+=("$name"); fi
done
for name in "${selected[@]}"; do
  [[ " ${ordered[*]} " == *" $name "* ]] || ordered+=("$name")
done

COSTLAKE_PEERS_WORK=$(mktemp -d)
export COSTLAKE_PEERS_WORK
mkdir "$COSTLAKE_PEERS_WORK/said" "$COSTLAKE_PEERS_WORK/tally"
declare -A running=() # process: check
clean_up() {
  local mark ceph
  if [ ${#running[@]} -gt 0 ]; then
    kill "${!running[@]}" 2>/dev/null
    wait "${!running[@]}" 2>/dev/null
  fi
  for mark in "$COSTLAKE_PEERS_WORK"/pids/*; do
    [ -e "$mark" ] && kill -9 -- "-$(basename "$mark")" 2>/dev/null
  done
  for ceph in "$COSTLAKE_PEERS_WORK"/ceph-*; do
    [ -d "$ceph" ] && $here/ceph.sh stop "$ceph"
  done
  rm -rf "$COSTLAKE_PEERS_WORK"
}
trap 'clean_up || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

begin() { # CHECK
  COSTLAKE_PEERS_TALLY=$COSTLAKE_PEERS_WORK/tally/$1 timeout --kill-after=60 1200 \
    "$cache/venv/bin/python" "$here/check_$1.py" </dev/null >"$COSTLAKE_PEERS_WORK/said/$1" 2>&1 &
  running[$!]=$1
}
end() { # waits for the next check to end
  local code=0 ended name
  wait -n -p ended "${!running[@]}" || code=$?
  name=${running[$ended]}
  unset "running[$ended]"
  cat "$COSTLAKE_PEERS_WORK/said/$name"
  if [ ! -s "$COSTLAKE_PEERS_WORK/tally/$name" ]; then
    echo "FAIL $name: the check ended with exit code $code before it was done"
    echo "0 1" >"$COSTLAKE_PEERS_WORK/tally/$name"
  fi
}

for name in "${ordered[@]}"; do
  if [ ${#running[@]} -ge "$lanes" ]; then end; fi
  begin "$name"
done
while [ ${#running[@]} -gt 0 ]; do end; done

read -r passed failed < <(cat "$COSTLAKE_PEERS_WORK"/tally/* | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
echo "$passed passed, $failed failed"
if [ -n "${COSTLAKE_FIGURES:-}" ] && [ $# = 0 ]; then
  printf 'peers\t%d groups of %d checks, %d failed\n' "$((passed + failed))" "${#available[@]}" "$failed" >>"$COSTLAKE_FIGURES"
fi
[ "$failed" = 0 ]
