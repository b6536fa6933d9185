# SPDX-License-Identifier: MIT
"""Do files that are dropped on a real viewer arrive in the guest, and is it told when they cannot?"""

from __future__ import annotations

import hashlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import not_with_the_c_daemon, not_with_the_c_peer, not_with_the_c_session
from tests.support.lab_guest import Guest
from tests.support.processes import stop, wait_for
from tests.support.tools import small_file_system

LARGE = 200_000_000
TMPFS_SIZE = 1 << 20


class Drop:
    """A guest with a download directory, and files to be dropped on its viewer."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.viewer = guest.viewer
        self.source = guest.directory / "host"
        self.target = guest.directory / "Downloads"
        self.source.mkdir()
        self.target.mkdir()
        (guest.directory / "user-dirs.dirs").write_text('XDG_DOWNLOAD_DIR="$HOME/Downloads"\n')

    def start(self) -> None:
        self.guest.daemon()
        self.session = self.guest.session()
        self.viewer.connect(self.guest.lab.uri)
        self.viewer.wait_announced()

    def file(self, name: str, size: int) -> str:
        """A file on the host, of random bytes."""
        path = self.source / name
        noise = random.Random(name).randbytes(min(size, 1 << 20))
        with path.open("wb") as file:
            for start in range(0, size, len(noise) or 1):
                file.write(noise[: size - start])
        return str(path)

    def send(self, *paths: str, names: list[str] | None = None) -> int:
        return self.viewer.do("send_files", paths=list(paths), names=names)

    def finished(self, name: str, since: int, timeout_s: float = 30) -> str | None:
        """How the transfer of `name` ended: None, or the error that the viewer shows."""
        event = self.viewer.wait("transfer-finished", timeout_s, lambda e: e["name"] == name, since)
        error: str | None = event["error"]
        return error

    def send_large(self) -> int:
        """Drop the large file, and wait until it is on its way."""
        since = self.send(self.file("large", LARGE))
        self.viewer.wait("transfer-progress", 20, lambda e: e["progress"] > 0, since)
        return since

    @property
    def arrived(self) -> list[str]:
        """Names in the target, hidden ones too."""
        return sorted(path.name for path in self.target.iterdir())


@pytest.fixture
def drop(guest: Guest) -> Drop:
    return Drop(guest)


@pytest.fixture
def small(drop: Drop) -> Iterator[Drop]:
    """The download directory is a file system of 1 MiB."""
    with small_file_system(drop.target, TMPFS_SIZE):
        yield drop


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_three_at_once_one_of_them_large(drop: Drop, record_property: Any) -> None:
    drop.start()
    sizes = {"large.iso": LARGE, "Grüße.txt": 70_000, "empty": 0}
    sources = {name: drop.file(name, size) for name, size in sizes.items()}
    began = time.monotonic()
    since = drop.send(*sources.values())
    for name in sources:
        assert drop.finished(name, since, 120) is None
    seconds = time.monotonic() - began
    record_property("MB/s", round(LARGE / 1e6 / seconds, 1))
    print(f"{LARGE / 1e6 / seconds:.0f} MB/s")
    assert drop.arrived == sorted(sources)
    for name, source in sources.items():
        assert sha256(drop.target / name) == sha256(source)


@not_with_the_c_session  # only where a distribution has patched it
@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "..", "a/../../escaped"])
def test_a_name_that_leads_out_of_the_directory(drop: Drop, name: str) -> None:
    """CVE-2026-57966."""
    drop.start()
    since = drop.send(drop.file("harmless", 1000), names=[name])
    assert drop.finished(name, since)
    assert drop.arrived == []
    found = list(drop.guest.directory.rglob("harmless")) + list(Path("/tmp").glob("escaped*"))
    assert found + list(drop.guest.directory.rglob("escaped*")) == [drop.source / "harmless"]
    since = drop.send(drop.file("after", 1000))  # and the next one arrives
    assert drop.finished("after", since) is None


@not_with_the_c_daemon  # announces no details
def test_a_full_disk(small: Drop) -> None:
    small.start()
    (small.target / "there").write_bytes(bytes(TMPFS_SIZE // 2))
    since = small.send(small.file("large", TMPFS_SIZE))
    error = small.finished("large", since)
    assert error is not None and "524.3" in error  # kB that are free
    assert small.arrived == ["there"]


@not_with_the_c_peer  # neither details nor a figure
def test_a_disk_that_fills_up_meanwhile(small: Drop) -> None:
    small.start()
    remount = ["mount", "-o", f"remount,size={LARGE * 2}", str(small.target)]
    subprocess.run(remount, check=True)
    since = small.send_large()
    (small.target / "other").write_bytes(bytes(4096))
    remount[2] = f"remount,size={LARGE // 2}"
    subprocess.run(remount, check=True)
    error = small.finished("large", since)
    assert error is not None and "free" in error
    assert small.arrived == ["other"]


def test_the_viewer_cancels(drop: Drop) -> None:
    drop.start()
    since = drop.send_large()
    drop.viewer.do("cancel_files")
    assert drop.finished("large", since)
    drop.viewer.do("offer", text="x")  # makes spice-gtk send what it has to say
    wait_for(lambda: not drop.arrived, 10, "end of the partial file")


def test_the_viewer_leaves(drop: Drop) -> None:
    drop.start()
    drop.send_large()
    drop.viewer.do("disconnect")
    wait_for(lambda: not drop.arrived, 10, "end of the partial file")


def test_the_session_ends(drop: Drop) -> None:
    drop.start()
    since = drop.send_large()
    stop(drop.session)
    assert drop.finished("large", since)
    wait_for(lambda: not drop.arrived, 10, "end of the partial file")


def test_the_clipboard_works_meanwhile(drop: Drop) -> None:
    drop.start()
    since = drop.send_large()
    drop.viewer.do("offer", text="meanwhile")
    drop.guest.offered("UTF8_STRING")
    assert drop.guest.desktop.paste("UTF8_STRING") == b"meanwhile"
    assert drop.finished("large", since, 120) is None
