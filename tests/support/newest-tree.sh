#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a tree of Debian testing with its compositors, for tests against newer ones than this
# machine's: newest-tree.sh DIRECTORY, then VDAGENT_TREE=DIRECTORY in the tests' environment.
# Needs root, mmdebstrap and 1.2 GB; takes about 3 minutes. Nothing is mounted in it: every
# program that runs in it brings a mount namespace of its own (see compositors.py).
set -eu

tree=$1
packages=dbus,python3,sway,labwc,mutter,kwin-wayland,wl-clipboard,wlr-randr,wayland-utils,xwayland

if [ -e "$tree/complete" ]; then
    exit 0
fi
command -v mmdebstrap >/dev/null || apt-get install -y --no-install-recommends mmdebstrap
mkdir -p "$(dirname "$tree")"
rm -rf --one-file-system "$tree"
mmdebstrap --variant=apt --mode=root --skip=check/signed-by --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    testing "$tree"
touch "$tree/complete"
