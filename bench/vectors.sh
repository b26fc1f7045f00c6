#!/usr/bin/env bash
# Lays the test files of xz-utils, bzip2 and lbzip2 into bench/out/vectors, from
# Debian's source packages, whose release pins their versions; nothing if they
# are there. Sources are looked up by a list and an index of the script's own:
# the machine's stay as they are.
set -euo pipefail
vectors=$(cd "$(dirname "$0")" && pwd)/out/vectors
[ -d "$vectors" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,packages,vectors}
shopt -s nullglob
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$list" ] || continue
  sed -nE 's/^[[:space:]]*deb([[:space:]])/deb-src\1/p' "$list" >"$work/sources/$(basename "$list" .list).list"
done
for list in /etc/apt/sources.list.d/*.sources; do
  sed -E 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/$(basename "$list")"
done
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
cd "$work/packages"
echo "fetching the test files of xz-utils, bzip2 and lbzip2"
"${apt[@]}" update || echo "not every list of sources was read: going on with those that were" >&2
"${apt[@]}" source --download-only --tar-only xz-utils bzip2 lbzip2 >"$work/said" || { cat "$work/said" >&2; exit 1; }
# take PACKAGE PATTERN...: what the package's tar has of the patterns, without directories
take() {
  mkdir "$work/vectors/$1"
  tar -xf "$work/packages/$1"_*.orig.tar.* -C "$work/vectors/$1" --wildcards --transform 's,.*/,,' "${@:2}"
}
take xz-utils '*/tests/files/*.xz' '*/tests/files/*.lzma' '*/tests/files/*.lz'
take bzip2 '*/sample[123].bz2' '*/sample[123].ref'
take lbzip2 '*/tests/*.bz2'
mkdir -p "$(dirname "$vectors")"
mv "$work/vectors" "$vectors.$$"
mv "$vectors.$$" "$vectors"
