#!/usr/bin/env bash
# Installs the programs that tests ("test") or comparisons ("peers", "links"), and the cluster of
# "slurm", talk to, from Debian, whose release pins their versions; nothing if all are
# there. For tests, test files too: see vectors.sh. s5cmd, which Debian has not,
# goes to bin/peers.
set -euo pipefail
packages() {
  case $1 in
    test) echo "gcc gcc; openssl openssl; tar tar; bsdtar libarchive-tools; gzip gzip; bzip2 bzip2; lbzip2 lbzip2; pbzip2 pbzip2; xz xz-utils; zstd zstd; python3 python3; setfattr attr; setfacl acl; aws awscli; busybox busybox; shellcheck shellcheck; git git; node nodejs; npm npm; zsh zsh; fish fish; dh_bash-completion bash-completion; man man-db; mandoc mandoc; rpm rpm; systemd-analyze systemd; prometheus prometheus; promtool prometheus; prometheus-node-exporter prometheus-node-exporter; chromium chromium" ;;
    peers) echo "pigz pigz; lbzip2 lbzip2; aws awscli; pbzip2 pbzip2" ;;
    slurm) echo "slurmd slurmd; slurmctld slurmctld; srun slurm-client; munged munge; openssl openssl" ;;
    links) echo "aws awscli; rclone rclone" ;;
    *) echo "usage: $0 test|peers|links|slurm ..." >&2; exit 2 ;;
  esac
}
missing=()
for set in "$@"; do
  while read -r program package; do
    "$program" --version >/dev/null 2>&1 || command -v "$program" >/dev/null 2>&1 || missing+=("$package")
  done < <(packages "$set" | tr ';' '\n')
done
install() {
  echo "installing: $*"
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install $* by hand" >&2; exit 1; }
    sudo=sudo
  fi
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "$@" libc6-dev >/dev/null
}
[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
[[ " $* " != *" test "* ]] || "$(dirname "$0")/vectors.sh"
[[ " $* " != *" test "* ]] || (cd "$(dirname "$0")/.." &&
  CGO_ENABLED=0 go build -ldflags='-s -w' -o bin/test/nats-server github.com/nats-io/nats-server/v2)
[[ " $* " != *" links "* ]] || [ -x "$(dirname "$0")/../bin/peers/s5cmd" ] ||
  GOBIN="$(realpath "$(dirname "$0")/..")/bin/peers" CGO_ENABLED=0 go install github.com/peak/s5cmd/v2@v2.2.2
