# SPDX-License-Identifier: MIT
"""Does apt change one agent for the other and back, on every supported Debian, with nothing left over?

`make test-apt` runs this. It fetches whole Debian systems (kept in .cache/apt-test), so `make test` does
not. The systems are trees without an init: that the daemon starts by itself is for tests/guest to show.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import TREE, run
from tests.support import lab_guest
from tests.support.lab_guest import Guest
from tests.support.tools import require, require_root

SUITES = ("bookworm", "trixie", "testing")
PEER = "/srv/spice-vdagent.deb"
OURS = "/srv/vdagent.deb"
# What the two packages depend on; the tests themselves fetch nothing.
PRESENT = (
    "python3,python3-cffi-backend,python3-dbus-next,python3-pyudev,python3-xlib,libpulse0,udev,"
    "systemd,libwayland-client0,libwayland-server0,ca-certificates,spice-vdagent,init-system-helpers"
)
# Runs a program in the tree, which sees this machine's processes, devices and temporary files.
ENTER = (
    'for d in tmp dev proc; do mount --rbind "/$d" "$0/$d"; done;'
    ' cd /; exec chroot "$0" /usr/bin/env "$@"'
)
# Changes with every installation, or belongs to the whole system.
NOT_COMPARED = re.compile(
    r"/(tmp|dev|proc|sys|run|srv)/|/var/(lib/(dpkg|apt|ucf|systemd)|cache|log|backups)/|__pycache__"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$|/etc/ld\.so\.cache$"
    r"|/etc/mailcap$|/usr/share/(glib-2\.0|mime|icons|applications)/|\.cache$"
)


def base(suite: str) -> Path:
    """A Debian system as an archive, made once."""
    require_root("for chroot")
    require("mmdebstrap")
    archive = TREE / ".cache/apt-test" / f"{suite}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        partial = archive.with_name(f"partial-{archive.name}")
        fetch = 'cd "$1/srv" && chroot "$1" sh -c "cd /srv && apt-get download spice-vdagent"'
        rename = f'mv "$1"/srv/spice-vdagent_*.deb "$1{PEER}"'
        run(
            *("mmdebstrap", "--variant=apt", f"--include={PRESENT}"),
            *("--aptopt=Acquire::Check-Valid-Until false", "--dpkgopt=no-debsig"),
            *(f"--customize-hook={fetch}", f"--customize-hook={rename}"),
            *(suite, partial),
        )
        partial.replace(archive)
    return archive


class System:
    """A Debian tree."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *argv: str) -> tuple[str, ...]:
        return ("unshare", "--mount", "sh", "-euc", ENTER, str(self.root), *argv)

    def run(self, *argv: str) -> str:
        return run(*self.command("DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *argv))

    def apt(self, *argv: str) -> str:
        return self.run("apt-get", "-y", "-q", "--no-install-recommends", *argv)

    def status(self, package: str) -> str:
        done = subprocess.run(
            self.command("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package),
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def files(self) -> set[str]:
        names = run("find", self.root, "-xdev", "-not", "-type", "d", "-printf", "/%P\n")
        return {name for name in names.splitlines() if not NOT_COMPARED.search(name)}

    def files_of(self, package: str) -> set[str]:
        return set(self.run("dpkg", "-L", package).splitlines())


@pytest.fixture(params=SUITES)
def system(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    root = tmp_path_factory.mktemp(request.param) / "root"
    root.mkdir()
    run("tar", "--numeric-owner", "-xf", base(request.param), "-C", root)
    shutil.copy(deb, f"{root}{OURS}")
    yield System(root)
    shutil.rmtree(root)


def works(system: System, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text both ways between a real viewer and an X desktop, by the agent that is installed."""
    require("qemu-system-x86_64", "Xvfb", "xclip", "xrandr")
    monkeypatch.setattr(lab_guest, "DAEMON", system.command("/usr/sbin/spice-vdagentd"))
    monkeypatch.setattr(lab_guest, "SESSION", system.command("/usr/bin/spice-vdagent"))
    directory.mkdir()
    with Guest(directory) as guest:
        guest.start()
        guest.viewer.do("offer", text="from the viewer")
        guest.offered("UTF8_STRING")
        assert guest.desktop.paste("UTF8_STRING") == b"from the viewer"
        since = guest.copy(b"from the guest")
        guest.viewer.do("request")
        assert guest.viewer.wait("guest-data", since=since)["text"] == "from the guest"


def test_over_spice_vdagent_and_back(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = system.files()
    assert system.status("spice-vdagent") == "ii"

    system.apt("install", OURS)
    assert (system.status("vdagent"), system.status("spice-vdagent")) == ("ii", "rc")
    assert not system.run("dpkg", "-V", "vdagent") and not system.run("dpkg", "--audit")
    added = system.files() - before - system.files_of("vdagent")
    assert added == {"/etc/systemd/user/graphical-session.target.wants/vdagent.service"}
    works(system, tmp_path / "ours", monkeypatch)
    assert "vdagent" in system.run("/usr/bin/spice-vdagent", "--version")

    system.apt("install", PEER)
    assert (system.status("vdagent"), system.status("spice-vdagent")) == ("rc", "ii")
    assert not system.run("dpkg", "-V", "spice-vdagent") and not system.run("dpkg", "--audit")
    works(system, tmp_path / "theirs", monkeypatch)

    # What is left is what Debian keeps of any removed package: settings, until it is purged.
    left = system.files() - before
    assert left == added | {"/etc/xdg/autostart/vdagent.desktop"}
    system.apt("purge", "vdagent")
    assert system.files() == before
    assert "vdagent" in system.run("getent", "passwd", "vdagent")  # like every system user


def test_alone(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C agent ever there, and every module can be imported by this system's Python."""
    system.apt("purge", "spice-vdagent")
    before = system.files()
    system.apt("install", OURS)
    modules = Path(f"{system.root}/usr/lib/vdagent/vdagent")
    names = [
        ".".join(("vdagent", *path.relative_to(modules).with_suffix("").parts))
        for path in modules.rglob("*.py")
        if path.stem not in ("__main__", "__init__") and "lab" not in path.parts
    ]
    code = "import importlib, sys; sys.path.insert(0, '/usr/lib/vdagent')\n"
    code += f"for name in {names!r}: importlib.import_module(name)\n"
    system.run("python3", "-IBW", "error::SyntaxWarning", "-c", code)
    works(system, tmp_path / "ours", monkeypatch)
    system.apt("purge", "vdagent")
    assert system.files() == before
