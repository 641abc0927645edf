#!/usr/bin/env bash
# Makes the packages of a release from a program that is built already: a wheel, a .deb, a tarball, an SBOM, and their
# checksums. Nothing of costlake is compiled.
#
#   packaging/make.sh OUT [PROGRAM]   OUT is a new or empty folder
#   packaging/make.sh --prepare       only installs the tools
#
# PROGRAM   default: COSTLAKE_BIN, or else release/costlake in the target directory. It must run on this machine.
#
# Needs python3 with venv, cargo, objdump and dpkg-shlibdeps (binutils and dpkg-dev in Debian). Installs maturin and
# cargo-deb below the target directory, at the versions named here and in packaging/requirements.txt.
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: packaging/make.sh OUT [PROGRAM]" >&2
  exit 2
fi
umask 022
repository=$(cd "$(dirname "$0")/.." && pwd)

# cargo-deb with the compression of this machine's xz instead of one that it would compile, and without optimisation:
# it compiles in a fraction of the time.
cargo_deb=3.8.0
prepare() {
  local wanted
  tools=${CARGO_TARGET_DIR:-$repository/target}/packaging
  mkdir -p "$tools"
  tools=$(cd "$tools" && pwd)
  wanted=$(sha256sum <"$repository/packaging/requirements.txt")
  if [ "$(cat "$tools/installed" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$tools/venv" "$tools/installed"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$repository/packaging/requirements.txt" </dev/null
    echo "$wanted" >"$tools/installed"
  fi
  if [ "$("$tools/bin/cargo-deb" --version 2>/dev/null)" != "cargo-deb $cargo_deb" ]; then
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --force --debug \
      --no-default-features --root "$tools" "cargo-deb@$cargo_deb" </dev/null
    rm -rf "$tools/build"
  fi
}

if [ "$1" = --prepare ]; then
  prepare
  exit 0
fi
program=${2:-${COSTLAKE_BIN:-${CARGO_TARGET_DIR:-$repository/target}/release/costlake}}
if [ ! -x "$program" ]; then
  echo "make.sh: there is no program at $program; build it with: cargo build --release --locked" >&2
  exit 2
fi
program=$(realpath "$program")
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ -n "$(ls -A "$out")" ]; then
  echo "make.sh: $out is not empty; checksums are of what this run makes, so name a new folder" >&2
  exit 2
fi
cd "$repository"
prepare

version=$("$program" --version)
version=${version#costlake }
# The newest version of glibc that a symbol asks for is the oldest that the program runs with.
glibc=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -Vu | tail -n 1)
if [ -z "$glibc" ]; then
  echo "make.sh: $program names no version of glibc" >&2
  exit 1
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y Cargo.toml)}
export SOURCE_DATE_EPOCH

# cargo-deb and maturin find the program where cargo would have put it, in a target directory of its own.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
built=$stage/target/release
made=$built/package
mkdir -p "$made/completions" "$made/deb"
install -m 755 "$program" "$built/costlake"
python3 packaging/licences.py "$made/THIRD-PARTY-LICENSES"
"$program" man "$made/man"
"$program" completions bash >"$made/completions/costlake.bash"
"$program" completions zsh >"$made/completions/_costlake"
"$program" completions fish >"$made/completions/costlake.fish"

# maturin's wheel, with the licences of the crates added to those of costlake. It carries an SBOM of all crates, which is
# the release's too.
wheel() {
  local cargo info=$stage/unpacked/costlake-$version/costlake-$version.dist-info
  cargo=$(command -v cargo)
  COSTLAKE_REAL_CARGO=$cargo COSTLAKE_BUILT=$built/costlake CARGO=$repository/packaging/cargo \
    PATH=$repository/packaging:$PATH CARGO_TARGET_DIR=$stage/target \
    "$tools/venv/bin/maturin" build --release --locked --quiet --out "$stage/wheel"
  "$tools/venv/bin/wheel" unpack --dest "$stage/unpacked" "$stage"/wheel/*.whl >/dev/null
  cp "$made/THIRD-PARTY-LICENSES" "$info/licenses/"
  sed -i '0,/^License-File: /s//License-File: THIRD-PARTY-LICENSES\n&/' "$info/METADATA"
  python3 packaging/sbom.py "$info/sboms/costlake.cyclonedx.json" "$program"
  cp "$info/sboms/costlake.cyclonedx.json" "$out/costlake-$(uname -m).cdx.json"
  "$tools/venv/bin/wheel" pack --dest-dir "$out" "$stage/unpacked/costlake-$version" >/dev/null
}

deb() {
  cp -r "$made/man" "$made/deb/"
  gzip -9n "$made"/deb/man/*
  {
    printf 'costlake (%s-1) stable; urgency=medium\n\n' "$version"
    printf '  * What is new is in /usr/share/doc/costlake/changelog.gz.\n\n'
    printf ' -- %s  %s\n' "$(sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)" "$(date -uRd "@$SOURCE_DATE_EPOCH")"
  } | gzip -9n >"$made/deb/changelog.Debian.gz"
  XZ_DEFAULTS=--threads=0 CARGO_TARGET_DIR=$stage/target \
    "$tools/bin/cargo-deb" --no-build --no-strip --locked --compress-system --quiet --output "$out/"
}

tarball() {
  local name
  name=costlake-$version-$(uname -m)-linux-glibc$glibc
  mkdir -p "$stage/$name/schemas" "$stage/$name/docs" "$stage/$name/deploy"
  install -m 755 "$program" "$stage/$name/costlake"
  cp -r "$made/man" "$made/completions" "$made/THIRD-PARTY-LICENSES" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT jobs "$stage/$name/"
  cp schemas/job.schema.json "$stage/$name/schemas/"
  cp docs/*.md "$stage/$name/docs/"
  cp -r docs/deployment "$stage/$name/docs/"
  cp -r deploy/systemd "$stage/$name/deploy/"
  tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=u+w,go-w,a+rX --mtime="@$SOURCE_DATE_EPOCH" \
    --directory="$stage" "$name" | gzip -9n >"$out/$name.tar.gz"
}

wheel
deb
tarball
(cd "$out" && sha256sum -- * >"$stage/sums" && cp "$stage/sums" SHA256SUMS)
echo "costlake $version: glibc $glibc or later"
(cd "$out" && ls -l | awk 'NR > 1 { printf "%10d  %s\n", $5, $9 }')
