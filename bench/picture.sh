#!/usr/bin/env bash
# Draws docs/run.svg, the picture in the README: what a terminal of 100 columns
# shows of a first run, in its midst and at its end, and of a second one. It is
# the screen of a real run over a generated tree of 499 MB, copied from tmux.
# Run it again when what firn prints has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v tmux >/dev/null || { echo "$0: tmux is missing" >&2; exit 1; }
root=$PWD
work=$(mktemp -d)
screen=(tmux -u -L "firn-picture-$$" -f /dev/null)
trap '"${screen[@]}" kill-server 2>/dev/null || true; rm -rf "$work"' EXIT

mkdir -p "$work/bin"
CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$work/bin/firn" ./cmd/firn
CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/termsvg" ./bench/termsvg
go run -buildvcs=false ./bench/tree/cmd/gentree mixed "$work/data"

# The shell says over tmux when it asks for the next command: so no command is
# shown but firn's own.
"${screen[@]}" new-session -d -x 100 -y 40 -c "$work" \
  env -i HOME="$work" PATH="$work/bin:$PATH" TERM=screen-256color LC_ALL=C.UTF-8 PS1='$ ' PS2='> ' \
  PROMPT_COMMAND="tmux -L firn-picture-$$ wait-for -S prompt" bash --noprofile --norc -i
prompt() { timeout 600 "${screen[@]}" wait-for prompt; }
copy() { "${screen[@]}" capture-pane -e -p; }
type_backup() {
  "${screen[@]}" send-keys 'firn backup --backup-path data --depth 1 --compression-algorithm zstd \' Enter
  "${screen[@]}" send-keys '  --cache-path cache --bucket-name "file://$PWD/store" --keyfile firn.key' Enter
}

prompt
sleep 5 # a tree that was changed a moment ago is read again by the second run
type_backup
until copy | grep -qE '^ +([3-9][0-9]|100)% \||done:'; do sleep 0.2; done
copy >"$work/midst"
prompt
type_backup
prompt
copy >"$work/end"

cd "$root"
"$work/bin/termsvg" -columns 100 "$work/midst" "$work/end" >docs/run.svg
echo "drawn: docs/run.svg"
