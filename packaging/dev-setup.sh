#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes this machine ready for `make demo`, `make deb`, `make docs` or `make test` (argument: demo, deb,
# docs or test): Debian packages by name, and the virtual environment. Does nothing where everything is
# there.
set -eu

cd "$(dirname "$0")/.."
purpose=${1:?demo, deb, docs or test}
python=${PYTHON:-/usr/bin/python3}

# The embedded host, a headless viewer, a private X desktop.
demo="python3 python3-venv python3-gi gir1.2-spiceclientglib-2.0 qemu-system-x86 xvfb xclip
    x11-utils x11-xserver-utils imagemagick xdotool"
# What packages are built with.
deb="build-essential python3-pip python3-venv debhelper dh-python pybuild-plugin-pyproject python3-all
    python3-setuptools python3-wheel python3-dev python3-cffi libwayland-dev pkg-config"
# The C peer, X servers and Wayland compositors, sound and D-Bus, what a guest is booted from, and
# what packages are checked with.
test="spice-vdagent xserver-xorg-core xserver-xorg-video-dummy xserver-xorg-input-libinput
    sway kwin-wayland mutter weston xwayland xserver-xephyr twm wl-clipboard wlr-randr gsettings-desktop-schemas
    dbus python3-dbusmock pulseaudio libpulse0 pipewire pipewire-pulse wireplumber pulseaudio-utils
    busybox-static qemu-utils mmdebstrap debian-archive-keyring e2fsprogs kmod udev strace zstd systemd
    util-linux lintian mandoc man-db
    shellcheck desktop-file-utils rpm rpmlint zsh fish"
# Not in every Debian, or by another name: Xspice, and what KWin's own kscreen-doctor needs.
maybe="xserver-xspice qtwayland5 kscreen libkf5screen-bin"

case $purpose in
demo) wanted=$demo maybe= ;;
deb) wanted=$deb maybe= ;;
docs) wanted="python3 python3-venv" maybe= ;;
test) wanted="$demo $deb $test" ;;
*) echo "usage: $0 demo|deb|docs|test" >&2; exit 2 ;;
esac
# A Python beside the distribution's own, for which pywayland may have to be built.
case $python in
/usr/bin/python3.*)
    wanted="$wanted ${python##*/}-venv ${python##*/}-dev libwayland-dev wayland-protocols build-essential" ;;
esac
# Debian 13 split QEMU's SPICE support off.
case $purpose in demo | test) maybe="qemu-system-modules-spice $maybe" ;; esac

lacks() {
    ! dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}
root=
[ "$(id -u)" = 0 ] || root=sudo
missing=
for package in $wanted; do
    ! lacks "$package" || missing="$missing $package"
done
if command -v apt-get >/dev/null; then
    # Before apt is asked what it knows: a new machine's knows nothing.
    [ -z "$missing" ] || $root apt-get update -qq -o DPkg::Lock::Timeout=300
    for package in $maybe; do
        ! lacks "$package" || [ -z "$(apt-cache madison "$package" 2>/dev/null)" ] ||
            missing="$missing $package"
    done
fi
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "this is not Debian: please install what these packages hold:$missing" >&2
    else
        echo "installing:$missing"
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086  # one word per package
        $root apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends $missing >/dev/null
    fi
fi

[ "$purpose" != deb ] || exit 0

stamp=.venv/.made-for
wanted_stamp="$purpose $(cksum <pyproject.toml)"
case $(cat $stamp 2>/dev/null) in
"$wanted_stamp" | "test ${wanted_stamp#* }") exit 0 ;;
"docs ${wanted_stamp#* }") [ "$purpose" != demo ] || exit 0 ;;
esac
echo "making .venv for this (once, a minute at most)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
case $purpose in
demo) extra= ;;
docs) extra='[docs]' ;;
test) extra='[dev,docs]' ;;
esac
mkdir -p .cache
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".$extra" \
    --config-settings editable_mode=compat >.cache/pip.log 2>&1 ||
    { cat .cache/pip.log >&2; exit 1; }
.venv/bin/python -c 'import vdagent'
echo "$wanted_stamp" >$stamp
