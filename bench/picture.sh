#!/usr/bin/env bash
# Draws docs/run.svg, the picture in the README: a terminal of 100 columns that
# shows a first run, half way and at its end, and a second run. The screens are
# copied from tmux while firn backs up a generated tree of 499 MB. Run this script
# again when firn's output has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v tmux >/dev/null || { echo "$0: tmux is missing" >&2; exit 1; }
root=$PWD
work=$(mktemp -d)
screen=(tmux -u -L "firn-picture-$$" -f /dev/null)
trap '"${screen[@]}" kill-server 2>/dev/null || true; rm -rf "$work" || { sleep 1; rm -rf "$work"; }' EXIT

mkdir -p "$work/bin"
CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$work/bin/firn" ./cmd/firn
CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/termsvg" ./bench/termsvg
go run -buildvcs=false ./bench/tree/cmd/gentree mixed "$work/data"

# The shell signals over tmux that it waits for the next command, so the screen
# shows no command but firn's.
"${screen[@]}" new-session -d -x 100 -y 40 -c "$work" \
  env -i HOME="$work" PATH="$work/bin:$PATH" TERM=screen-256color LC_ALL=C.UTF-8 PS1='$ ' PS2='> ' \
  PROMPT_COMMAND="tmux -L firn-picture-$$ wait-for -S prompt" bash --noprofile --norc -i
prompt() { timeout 600 "${screen[@]}" wait-for prompt; }
copy() { "${screen[@]}" capture-pane -e -p; }
# shellcheck disable=SC1003,SC2016 # the shell on the screen expands these
type_backup() {
  "${screen[@]}" send-keys 'firn backup --backup-path data --depth 1 --compression-algorithm zstd \' Enter
  "${screen[@]}" send-keys '  --cache-path cache --bucket-name "file://$PWD/store" --keyfile firn.key' Enter
}

prompt
sleep 5 # a tree that was changed a moment ago is read again by the second run
type_backup
until "${screen[@]}" capture-pane -p | grep -qE '^  read +[^ ]+ +([3-9][0-9]|100) %|done:'; do sleep 0.2; done
copy >"$work/halfway"
prompt
type_backup
prompt
copy >"$work/end"

cd "$root"
"$work/bin/termsvg" -columns 100 "$work/halfway" "$work/end" >docs/run.svg
echo "drawn: docs/run.svg"
