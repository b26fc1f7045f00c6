#!/usr/bin/env bash
# Backs up a real tree to a directory store under run/. Then it opens one of the
# archives with openssl and tar alone, and compares it with the source.
set -euo pipefail
cd "$(dirname "$0")/.."
src=$(realpath -- "${1:?usage: $0 TREE}")
key=run/firn.key

echo "== firn backup $src → run/store"
mkdir -p run
bin/firn backup --backup-path "$src" --depth 1 --cache-path run/cache --bucket-name "file://$PWD/run/store" --keyfile "$key"

echo
echo "== firn backup again: nothing changed, so no file is read"
bin/firn backup --backup-path "$src" --depth 1 --cache-path run/cache --bucket-name "file://$PWD/run/store" --keyfile "$key"

# The largest archive of a directory below the tree.
archive=$(find run/store -name '*.tar.bz2' -path "run/store${src}/*" -printf '%s %p\n' | sort -rn | head -n 1 | cut -d' ' -f2-)
name=$(basename "$archive" .tar.bz2)
echo
echo "== opening $archive with openssl and tar"
echo "openssl enc -d -aes-256-cbc -pbkdf2 -pass file:$key -in $archive | tar -xjf - -C run/out"
rm -rf run/out && mkdir -p run/out
openssl enc -d -aes-256-cbc -pbkdf2 -pass "file:$key" -in "$archive" | tar -xjf - -C run/out
diff -r --no-dereference "$src/$name" "run/out/$name"
echo "identical to $src/$name: $(find "run/out/$name" -type f | wc -l) files"
