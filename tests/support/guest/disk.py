# SPDX-License-Identifier: MIT
"""Which disk does a guest of its own boot from? Debian with systemd and an X desktop, on ext4.

Built once with mmdebstrap into `.cache/guest/`, then only read: every guest writes to an overlay of its
own. Our package is not on it. Run as a module to fill the cache ahead of the tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.guest import kernel
from tests.support.guest.roots import HERE, Root

SUITE = "bookworm"
SIZE_MB = 3072
NODE = "root"  # what QEMU calls the disk
FILES = HERE / "disk_files"
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "dbus-user-session", "libpam-systemd", "kmod", "procps"),
    *("iproute2", "xserver-xorg-core", "xserver-xorg-input-libinput", "xinit", "xauth", "openbox"),
    *("x11-xserver-utils", "xclip", "xdotool", "sway", "wl-clipboard", "python3", "apt"),
    # What our package depends on: there is no network in the guest.
    *("python3-xlib", "python3-pyudev", "python3-dbus-next", "python3-cffi-backend"),
)
# Where each file of ours goes; units are enabled by the links.
PLACES = {
    HERE / "executor.py": "usr/lib/guest/executor.py",
    HERE / "xorg.conf": "etc/X11/guest-xorg.conf",
    FILES / "desktop.sh": "usr/lib/guest/desktop.sh",
    FILES / "guest-executor.service": "etc/systemd/system/guest-executor.service",
    FILES / "guest-desktop.service": "etc/systemd/system/guest-desktop.service",
    FILES / "guest-desktop.target": "etc/systemd/user/guest-desktop.target",
}
LINKS = {
    "etc/systemd/system/multi-user.target.wants/guest-executor.service": "../guest-executor.service",
    "etc/systemd/system/multi-user.target.wants/guest-desktop.service": "../guest-desktop.service",
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
    # Slow, and nothing to test, in a machine that lives for minutes.
    **{
        f"etc/systemd/system/{unit}": "/dev/null"
        for unit in (
            *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
            *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"),
            *("serial-getty@ttyS0.service", "systemd-timesyncd.service"),
        )
    },
}


def disk_root(overlay: Path) -> Root:
    """Boot from the disk; what the guest writes goes to the new file `overlay` and outlives reboots."""
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", build(), overlay], check=True
    )
    return Root(
        kernel.DISK_ROOT_MODULES,
        (
            "guest.root=/dev/vda guest.init=/lib/systemd/systemd",
            "systemd.show_status=0 systemd.firstboot=off",
        ),
        (
            *("-blockdev", f"qcow2,node-name={NODE},file.driver=file,file.filename={overlay}"),
            *("-device", f"virtio-blk-pci,drive={NODE}"),
        ),
    )


def build(cache: Path = kernel.CACHE) -> Path:
    """The image, made again only if something in it has changed."""
    with kernel.one_at_a_time(cache, "disk"):
        return _build(cache, kernel.prepare(cache))


def _build(cache: Path, unpacked: kernel.Kernel) -> Path:
    contents = [path.read_bytes() for path in (*sorted(PLACES), Path(__file__))]
    recipe = hashlib.sha256(b"".join([*contents, unpacked.release.encode()])).hexdigest()[:12]
    image = cache / f"{SUITE}-{recipe}.ext4"
    if not image.exists():
        if os.geteuid() != 0:
            raise RuntimeError("building the guest's disk needs root: its files belong to root")
        for stale in cache.glob(f"{SUITE}-*.ext4"):
            stale.unlink()
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            tree = Path(scratch) / "root"
            _install(tree)
            _add_modules(tree, unpacked)
            _add_files(tree)
            _format(tree, Path(scratch) / "image")
            (Path(scratch) / "image").rename(image)
    return image


def _install(tree: Path) -> None:
    excluded = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/icons/*")
    _run(
        *("mmdebstrap", "--quiet", "--variant=apt", "--mode=root"),
        *(f"--dpkgopt=path-exclude={path}" for path in excluded),
        f"--include={','.join(PACKAGES)}",
        '--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash guest',
        *(SUITE, str(tree)),
    )


def _add_modules(tree: Path, unpacked: kernel.Kernel) -> None:
    """The modules the tests need, where udev and modprobe look for them."""
    target = tree / "usr/lib/modules" / unpacked.release / "kernel"
    shutil.copytree(unpacked.modules, target)
    _run("chroot", str(tree), "depmod", unpacked.release)


def _add_files(tree: Path) -> None:
    for source, place in PLACES.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tree / place)
    for place, target in LINKS.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).unlink(missing_ok=True)
        (tree / place).symlink_to(target)
    # Nothing here needs longer to stop; the journal tells about the boot before, too.
    (tree / "etc/systemd/system.conf.d").mkdir()
    (tree / "etc/systemd/system.conf.d/guest.conf").write_text(
        "[Manager]\nDefaultTimeoutStopSec=10s\n"
    )
    (tree / "var/log/journal").mkdir(exist_ok=True)
    (tree / "etc/hostname").write_text("guest\n")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 0\n")
    (tree / "etc/machine-id").write_text(hashlib.md5(b"guest").hexdigest() + "\n")


def _format(tree: Path, image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(SIZE_MB << 20)
    _run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(tree), str(image))


def _run(*argv: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PATH": path})
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
