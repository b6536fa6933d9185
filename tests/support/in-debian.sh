#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command of the project on another Debian than this machine's, for its Python, compositors
# and QEMU: in-debian.sh SUITE COMMAND…, for instance in-debian.sh testing make test-quick.
#
# The Debian is a tree in .cache/debian, made once: 3 GB, 5 minutes. This directory is seen in it at
# its own place, with a virtual environment of that Debian's Python, or of PYTHON=/usr/bin/python3.N.
# Needs root. Remove the tree to have newer packages.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
suite=${1:?the name of a Debian}
shift
tree=$here/.cache/debian/$suite
venv=$tree/$(basename "${PYTHON:-/usr/bin/python3}")

if [ ! -e "$tree/complete" ]; then
    command -v mmdebstrap >/dev/null || apt-get install -y --no-install-recommends mmdebstrap
    mkdir -p "$(dirname "$tree")"
    rm -rf --one-file-system "$tree"
    mmdebstrap --quiet --variant=minbase --include=make,python3,ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$tree"
    mkdir -p "$tree$here"
    touch "$tree/complete"
fi
mkdir -p "$venv"
# What this machine trusts, and where it looks for names.
for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp -L "$file" "$tree$file"
done

# A mount namespace of its own: nothing stays mounted, whatever happens.
# shellcheck disable=SC2016  # the inner shell expands
exec unshare --mount --propagation private sh -euc '
    tree=$0 here=$1 venv=$2
    shift 2
    for part in dev proc sys tmp; do mount --rbind "/$part" "$tree/$part"; done
    mkdir -p "$here/.venv"
    mount --rbind "$here" "$tree$here"
    mount --bind "$venv" "$tree$here/.venv"
    exec chroot "$tree" /usr/bin/env -C "$here" "$@"
' "$tree" "$here" "$venv" "$@"
