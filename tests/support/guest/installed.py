# SPDX-License-Identifier: MIT
"""How does our package get into a guest that has systemd, and what is that guest like afterwards?"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.guest.disk import disk_root
from tests.support.guest.machine import Guest
from tests.support.guest.roots import PROJECT

USER = "guest"
DOWNLOADS = f"/home/{USER}/Downloads"
PROGRAMS = (
    "qemu-system-x86_64",
    "qemu-img",
    "mmdebstrap",
    "mke2fs",
    "busybox",
    "dpkg-buildpackage",
)
INSTALL_TIMEOUT_S = 180.0


def build_deb(into: Path) -> Path:
    """The package of this tree; built only if it was not built before."""
    build = ("/usr/bin/python3", PROJECT / "packaging" / "build.py", "deb", into)
    made = subprocess.run(build, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"the package cannot be built: {made.stderr.strip()[-2000:]}")
    return Path(made.stdout.splitlines()[-1])


def boot(overlay: Path, sleeps: bool = False, password: str | None = None) -> Guest:
    """The systemd guest, without our package; what it writes goes to the new file `overlay`."""
    return Guest(disk_root(overlay), sleeps=sleeps, password=password)


def install(guest: Guest, deb: Path) -> str:
    """Install the package with apt; what apt said."""
    path = f"/var/tmp/{deb.name}"
    guest.put(path, deb.read_bytes())
    # No network here: everything it depends on is on the disk.
    return guest.output(
        f"DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall {path}",
        timeout_s=INSTALL_TIMEOUT_S,
    )


def as_user(command: str, user: str = USER) -> str:
    """`command` as that user, who can reach the service manager of their own."""
    return f'runuser -u {user} -- env XDG_RUNTIME_DIR="/run/user/$(id -u {user})" {command}'
