# SPDX-License-Identifier: MIT
"""Do received files stay in their directory, replace nothing, and leave no half behind?"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_for
from tests.support.tools import small_file_system
from vdagent.backends import downloads
from vdagent.backends.base import NoSpace
from vdagent.backends.downloads import Downloads, directories, open_in_file_manager
from vdagent.backends.files import PartialFile, copies, free_bytes, open_directory, remove_leftovers
from vdagent.errors import SystemFault

TMPFS_SIZE = 1 << 20


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = open_directory(str(tmp_path / "in"))
    yield fd
    os.close(fd)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    with small_file_system(path, TMPFS_SIZE):
        yield path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


# -- one file ------------------------------------------------------------------------------------


def test_unseen_until_it_is_whole(tmp_path: Path, directory: int) -> None:
    file = PartialFile(directory)
    file.write([b"abc", memoryview(b"def")])
    [hidden] = os.listdir(directory)
    assert hidden.startswith(".")
    assert file.publish("a") == "a"
    file.discard()  # too late to remove anything
    assert {p.name: p.read_bytes() for p in (tmp_path / "in").iterdir()} == {"a": b"abcdef"}


def test_more_buffers_than_one_call_takes(tmp_path: Path, directory: int) -> None:
    file = PartialFile(directory)
    parts = [b"%04d" % n for n in range(3000)]
    file.write(parts)
    file.publish("a")
    assert (tmp_path / "in/a").read_bytes() == b"".join(parts)


def test_a_discarded_file_leaves_nothing(directory: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    file = PartialFile(directory)
    file.write([b"abc"])
    file.discard()
    file.discard()
    assert os.listdir(directory) == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda p: p.symlink_to("../out")])
def test_what_is_there_stays(tmp_path: Path, directory: int, make: Callable[[Path], None]) -> None:
    make(tmp_path / "in/a.txt")
    file = PartialFile(directory)
    file.write([b"new"])
    assert file.publish("a.txt") == "a (1).txt"
    assert not (tmp_path / "out").exists()


def test_a_directory_that_was_moved_is_followed(tmp_path: Path, directory: int) -> None:
    file = PartialFile(directory)
    (tmp_path / "in").rename(tmp_path / "moved")
    (tmp_path / "in").symlink_to("/")
    file.publish("a")
    assert os.listdir(tmp_path / "moved") == ["a"]


def test_without_links(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and some FUSE file systems."""

    def no_links(*args: object, **options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for content, name in ((b"1", "a"), (b"2", "a (1)")):
        file = PartialFile(directory)
        file.write([content])
        assert file.publish("a") == name
    found = {p.name: p.read_bytes() for p in (tmp_path / "in").iterdir()}
    assert found == {"a": b"1", "a (1)": b"2"}


def test_a_directory_that_is_removed_meanwhile(tmp_path: Path, directory: int) -> None:
    file = PartialFile(directory)
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    (tmp_path / "in").rmdir()
    with pytest.raises(SystemFault):
        file.publish("a")


def test_names_of_copies() -> None:
    def first(name: str) -> list[str]:
        names = copies(name)
        return [next(names), next(names)]

    assert first("a.txt") == ["a.txt", "a (1).txt"]
    assert first("x.tar.gz") == ["x.tar.gz", "x.tar (1).gz"]
    assert first(".profile") == [".profile", ".profile (1)"]
    assert first("a.") == ["a.", "a (1)."]


@pytest.mark.parametrize("name", ["x" * 300, "ü" * 200 + ".pdf", "a." + "b" * 300, "你" * 85])
def test_names_too_long_are_cut(directory: int, name: str) -> None:
    for _ in range(2):
        file = PartialFile(directory)
        assert len(file.publish(name).encode()) <= 255
    assert len(os.listdir(directory)) == 2


def test_names_do_not_depend_on_the_locale(tmp_path: Path) -> None:
    program = (
        "import sys; from vdagent.backends.files import *\n"
        "PartialFile(open_directory(sys.argv[1])).publish('Gr\\u00fc\\u00dfe \\u4f60')"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", program, tmp_path / "in"], env=env, check=True)
    assert os.listdir(tmp_path / "in") == ["Grüße 你"]


# -- the disk ------------------------------------------------------------------------------------


def test_free_space_is_counted_in_fragments(small: Path, tmp_path: Path) -> None:
    """f_bsize is what the file system likes to write, no unit: 0.22 of the C peer counts in it."""
    fd = open_directory(str(small))
    try:
        assert free_bytes(fd) == TMPFS_SIZE
        (small / "a").write_bytes(bytes(100_000))
        assert free_bytes(fd) == TMPFS_SIZE - 25 * 4096
    finally:
        os.close(fd)


def test_a_full_disk(small: Path) -> None:
    fd = open_directory(str(small))
    file = PartialFile(fd)
    with pytest.raises(NoSpace) as caught:
        file.write([bytes(1 << 16)] * 17)
    assert caught.value.free_bytes == TMPFS_SIZE  # without the half that was written
    assert os.listdir(fd) == []
    file.discard()
    os.close(fd)


async def test_a_file_that_does_not_fit(small: Path) -> None:
    store = Downloads(str(small), False, _no_icons)
    await store.create(TMPFS_SIZE - 4096, 0)
    with pytest.raises(NoSpace) as caught:
        await store.create(2048, TMPFS_SIZE - 1024)
    assert caught.value.free_bytes == 1024
    await store.close()


def test_what_a_killed_agent_left(tmp_path: Path, directory: int) -> None:
    def leftover(name: str, age_s: float = 3600) -> Path:
        path = tmp_path / "in" / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age_s,) * 2)
        return path

    old = leftover(".vdagent-0123456789abcdef.part")
    fresh = leftover(".vdagent-0123456789abcde0.part", 1)
    locked = leftover(".vdagent-0123456789abcde1.part")
    other = leftover(".vdagent-mine.part")
    link = tmp_path / "in/.vdagent-0123456789abcde2.part"
    link.symlink_to(other)
    os.mkfifo(tmp_path / "in/.vdagent-0123456789abcde3.part")
    with locked.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_leftovers(directory)
    assert not old.exists()
    assert fresh.exists() and locked.exists() and other.exists() and link.is_symlink()


# -- directories ---------------------------------------------------------------------------------


def user_dirs(home: Path, text: str) -> None:
    (home / ".config").mkdir()
    (home / ".config/user-dirs.dirs").write_text(text)


@pytest.mark.parametrize(
    ("text", "download", "desktop"),
    [
        ("", None, "Desktop"),
        ('XDG_DOWNLOAD_DIR="$HOME/Empfangen"\n', "Empfangen", "Desktop"),
        ('#x\n  XDG_DESKTOP_DIR = "$HOME/My \\"Desk\\""\n', None, 'My "Desk"'),
        ('XDG_DOWNLOAD_DIR="$HOME/"\nXDG_DESKTOP_DIR="$HOME"\n', None, None),  # switched off
        ('XDG_DOWNLOAD_DIR="$HOME/$(touch x)/`id`"\n', "$(touch x)/`id`", "Desktop"),
        ('XDG_DOWNLOAD_DIR="relative"\nXDG_DESKTOP_DIR=$HOME/x\n', None, "Desktop"),
        ('XDG_DOWNLOAD_DIR="$HOME/a"\nXDG_DOWNLOAD_DIR="$HOME/b"\n', "b", "Desktop"),
        ('XDG_DOWNLOAD_DIR="$HOMEx/y"\n', None, "Desktop"),
    ],
)
def test_user_dirs(home: Path, text: str, download: str | None, desktop: str | None) -> None:
    user_dirs(home, text)
    for save_dir, name in (("xdg-download", download), ("xdg-desktop", desktop)):
        assert directories(save_dir)[0] == str(home / (name or "Downloads"))
        assert directories(save_dir)[-1] == str(home / "Downloads")


def test_absolute_user_dirs_and_another_config_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "etc").mkdir()
    (home / "etc/user-dirs.dirs").write_text('XDG_DOWNLOAD_DIR="/srv/in"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "etc"))
    assert directories("xdg-download") == ["/srv/in", str(home / "Downloads")]


def test_a_path(home: Path) -> None:
    assert directories("/x/y")[0] == "/x/y"
    assert directories("~/in")[0] == str(home / "in")
    assert directories("in")[0] == str(home / "in")


async def _no_icons() -> bool:
    return False


async def _icons() -> bool:
    return True


@pytest.mark.parametrize(("icons", "place"), [(_icons, "Desktop"), (_no_icons, "Downloads")])
async def test_the_default_directory_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, icons: Callable[[], Awaitable[bool]], place: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(downloads, "open_in_file_manager", opened.append)
    store = Downloads(None, None, icons)
    file = await store.create(1, 0)
    await file.write([b"x"])
    path = await file.finish("a")
    assert path == str(home / place / "a")
    store.show(path)
    assert opened == ([] if icons is _icons else [str(home / place)])
    await store.close()


async def test_another_directory_where_the_wanted_one_cannot_be_used(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "file").touch()
    store = Downloads(str(home / "file"), False, _no_icons)
    for name in "ab":
        file = await store.create(1, 0)
        assert await file.finish(name) == str(home / "Downloads" / name)
    await store.close()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"disk: cannot use {home}/file: ")
    assert caplog.messages[0].endswith(f"; files go to {home}/Downloads")


def test_the_directory_is_opened_without_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2017-15108."""
    opener = tmp_path / "bin/xdg-open"
    opener.parent.mkdir()
    opener.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" > {tmp_path}/arguments.new\n'
        f"mv {tmp_path}/arguments.new {tmp_path}/arguments\n"
    )
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", str(opener.parent), prepend=":")
    evil = f"/x; touch {tmp_path}/evil; `touch {tmp_path}/evil` $(touch {tmp_path}/evil)"
    open_in_file_manager(evil)
    arguments = tmp_path / "arguments"
    wait_for(arguments.exists, 10, "xdg-open")
    assert arguments.read_text() == f"1\n{evil}\n"
    assert not (tmp_path / "evil").exists()
    wait_for(lambda: not _zombies(), 10, "end of xdg-open")


def _zombies() -> bool:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return any("xdg-open" in Path(f"/proc/{pid}/stat").read_text() for pid in children)


def test_no_file_manager_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    open_in_file_manager("/")
