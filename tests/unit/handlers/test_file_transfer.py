# SPDX-License-Identifier: MIT
"""Does a file arrive whole or not at all, and is the client told which? With real directories."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.unit.handlers.file_rig import Rig, SlowStore
from vdagent.backends.base import Buffer, FileStore, Note
from vdagent.backends.files import PartialFile
from vdagent.errors import SystemFault
from vdagent.handlers import file_transfer
from vdagent.handlers.file_transfer import HIGH
from vdagent.handlers.policy import MAX_TRANSFERS
from vdagent.protocol import messages as m
from vdagent.protocol.constants import FileXferResult as Result
from vdagent.protocol.udscs import FileXferDisable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / "in").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


@pytest.mark.parametrize("id_", [0, 1, 0xFFFFFFFF])
async def test_the_whole_way(home: Path, id_: int) -> None:
    rig = Rig(home / "in")
    await rig.start(id_, "a.txt", 5)
    rig.data(id_, b"abc")
    await until(lambda: b"abc" in rig.files.values())
    [partial] = rig.files
    assert partial.startswith(".vdagent-")  # nobody opens half a file
    rig.data(id_, b"de")
    assert await rig.answer(id_) == Result.SUCCESS
    assert rig.files == {"a.txt": b"abcde"}
    mask = os.umask(0)
    os.umask(mask)
    assert (home / "in/a.txt").stat().st_mode & 0o777 == 0o644 & ~mask


async def test_many_at_once_interleaved(home: Path) -> None:
    rig = Rig(home / "in")
    contents = {id_: random.Random(id_).randbytes(5000) for id_ in range(MAX_TRANSFERS)}
    for id_, content in contents.items():
        rig.announce(id_, f"{id_}.bin", len(content))
    for id_ in contents:
        assert await rig.answer(id_) == Result.CAN_SEND_DATA
    rig.announce(999, "one more", 1)
    assert await rig.answer(999) == Result.ERROR
    for start in range(0, 5000, 700):
        for id_, content in contents.items():
            rig.data(id_, content[start : start + 700])
    for id_ in contents:
        assert await rig.answer(id_) == Result.SUCCESS
    assert rig.files == {f"{id_}.bin": content for id_, content in contents.items()}


async def test_an_empty_file(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "empty", 0)
    rig.data(1, b"")
    assert await rig.answer(1) == Result.SUCCESS
    assert rig.files == {"empty": b""}


async def test_empty_data_in_between_changes_nothing(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 2)
    for data in (b"", b"x", b"", b"y"):
        rig.data(1, data)
    assert await rig.answer(1) == Result.SUCCESS
    assert rig.files == {"a": b"xy"}


async def test_a_file_larger_than_32_bits_count(home: Path) -> None:
    store = SlowStore()
    store.go.set()
    rig = Rig(home, store)
    size = (4 << 30) + 5
    await rig.start(1, "large", size)
    piece = memoryview(bytearray(HIGH))
    for _ in range(size // HIGH):
        rig.handler.data(m.FileXferData(1, piece))
        await asyncio.sleep(0)
    assert rig.sent == []
    rig.data(1, b"12345")
    assert await rig.answer(1) == Result.SUCCESS
    assert store.written == size


async def test_the_largest_size_there_is(home: Path) -> None:
    rig = Rig(home / "in")
    rig.announce(2, "huge", (1 << 64) - 1)
    assert await rig.answer(2) == Result.NOT_ENOUGH_SPACE
    assert rig.files == {}


def _room(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_frsize * status.f_bavail


async def test_too_large_for_the_disk_is_told_with_the_room_there_is(home: Path) -> None:
    rig = Rig(home / "in")
    rig.announce(1, "large", 1 << 60)
    await until(lambda: rig.sent)
    [status] = rig.sent
    assert status.result == Result.NOT_ENOUGH_SPACE
    assert status.free_bytes == pytest.approx(_room(home), rel=0.2)


async def test_room_promised_to_one_file_is_not_promised_to_another(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "most", _room(home) * 3 // 4)
    rig.announce(2, "half", _room(home) // 2)
    assert await rig.answer(2) == Result.NOT_ENOUGH_SPACE


async def test_what_does_not_fit_takes_no_room_from_what_comes_along(home: Path) -> None:
    rig = Rig(home / "in")
    rig.announce(1, "small before", 10)
    rig.announce(2, "far too large", 1 << 60)
    rig.announce(3, "most", _room(home) * 3 // 4)
    rig.announce(4, "too large too", 1 << 59)
    rig.announce(5, "half", _room(home) // 2)
    rig.announce(6, "small", 10)
    answers = [await rig.answer(id_) for id_ in range(1, 7)]
    fits, does_not = Result.CAN_SEND_DATA, Result.NOT_ENOUGH_SPACE
    assert answers == [fits, does_not, fits, does_not, does_not, fits]


@pytest.mark.parametrize("name", ["../x", "/x", "..", "", "a/b"])
async def test_a_name_that_leads_elsewhere(home: Path, name: str) -> None:
    rig = Rig(home / "in")
    rig.announce(1, name, 1)
    assert await rig.answer(1) == Result.ERROR
    assert [p.name for p in home.rglob("*")] == ["in"]


async def test_equal_names(home: Path) -> None:
    rig = Rig(home / "in")
    (home / "in/a.tar.gz").write_bytes(b"was there")
    (home / "in/a.tar (1).gz").symlink_to("/nonexistent")  # is not followed, nor replaced
    for id_ in range(2):
        await rig.start(id_, "a.tar.gz", 1)
    for id_ in (1, 0):
        rig.data(id_, b"%d" % id_)
        assert await rig.answer(id_) == Result.SUCCESS
    (home / "in/a.tar (1).gz").unlink()
    assert rig.files == {
        "a.tar.gz": b"was there",
        "a.tar (2).gz": b"1",
        "a.tar (3).gz": b"0",
    }


async def test_more_than_announced(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 3)
    rig.data(1, b"ab")
    rig.data(1, b"cd")
    assert await rig.answer(1) == Result.ERROR
    rig.data(1, b"late")
    await rig.empty()
    assert rig.sent == []


async def test_the_client_cancels(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 3)
    rig.data(1, b"ab")
    rig.handler.status(m.FileXferStatus(1, Result.CAN_SEND_DATA))  # says nothing
    rig.handler.status(m.FileXferStatus(1, Result.CANCELLED))
    rig.handler.status(m.FileXferStatus(2, Result.CANCELLED))
    await rig.empty()
    assert rig.sent == []
    await rig.start(1, "a", 1)  # the id is free again
    rig.data(1, b"x")
    assert await rig.answer(1) == Result.SUCCESS
    assert rig.files == {"a": b"x"}


async def test_a_cancel_before_the_file_is_there(home: Path) -> None:
    rig = Rig(home / "in")
    rig.announce(1, "a", 3)
    await asyncio.sleep(0)  # its creation is on its way in the disk's thread
    rig.handler.status(m.FileXferStatus(1, Result.CANCELLED))
    await rig.handler.close()
    assert rig.files == {}


@pytest.mark.parametrize("lost", ["client", "daemon"])
async def test_client_or_daemon_gone(home: Path, lost: str) -> None:
    rig = Rig(home / "in")
    for id_ in range(3):
        await rig.start(id_, f"{id_}", 3)
        rig.data(id_, b"ab")
    if lost == "client":
        rig.handler.client_disconnected(m.ClientDisconnected())
    else:
        rig.handler.disconnected()
    await rig.empty()
    assert rig.sent == []


async def test_the_session_ends(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 3)
    rig.data(1, b"ab")
    await rig.handler.close()
    assert rig.files == {}
    assert [(s.id, s.result) for s in rig.sent] == [(1, Result.CANCELLED)]


async def test_the_session_ends_while_the_disk_hangs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, ends = threading.Event(), threading.Event()

    def hang(file: PartialFile, buffers: Sequence[Buffer]) -> None:
        reached.set()
        ends.wait(30)

    monkeypatch.setattr(PartialFile, "write", hang)
    rig = Rig(home / "in")
    await rig.start(1, "a", 3)
    rig.data(1, b"abc")
    await until(reached.is_set)
    assert file_transfer.CLOSE_S < 0.9  # and no longer than that:
    async with asyncio.timeout(20):
        await rig.handler.close()
    ends.set()
    assert [(s.id, s.result) for s in rig.sent] == [(1, Result.CANCELLED)]


async def test_disabled_until_connected_anew(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 3)
    rig.handler.disable(FileXferDisable())
    assert await rig.answer(1) == Result.DISABLED
    await rig.empty()
    rig.handler.client_disconnected()
    rig.announce(2, "b", 1)
    assert await rig.answer(2) == Result.DISABLED
    rig.handler.disconnected()
    rig.handler.connected()
    await rig.start(3, "c", 1)
    await rig.handler.close()


async def test_an_id_announced_twice_goes_on(home: Path) -> None:
    rig = Rig(home / "in")
    await rig.start(1, "a", 1)
    rig.announce(1, "b", 1)
    rig.data(1, b"x")
    assert await rig.answer(1) == Result.SUCCESS
    assert rig.files == {"a": b"x"}


async def test_no_directory_at_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_bytes(b"")
    monkeypatch.setenv("HOME", str(home / "file"))
    rig = Rig(home / "file" / "in")
    rig.announce(1, "a", 1)
    assert await rig.answer(1) == Result.ERROR
    await until(lambda: rig.notes.shown)
    assert "a: disk:" in rig.notes.shown[-1].body


async def test_a_slow_disk_holds_up_no_more_than_it_must(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_transfer, "TRICKLE_S", 0.05)
    store = SlowStore()
    rig = Rig(home, store)
    await rig.start(1, "a", 4 * HIGH)
    piece = bytes(HIGH // 4)
    for _ in range(4):
        rig.data(1, piece)
    assert rig.paused == []
    rig.data(1, piece)
    assert rig.paused == [True]
    await until(lambda: rig.paused == [True, False])  # the daemon sees that we are alive
    rig.data(1, piece)
    assert rig.paused == [True, False, True]
    store.go.set()
    await until(lambda: store.written == 6 * len(piece))
    assert rig.paused[-1] is False
    for _ in range(10):
        rig.data(1, piece)
    assert await rig.answer(1) == Result.SUCCESS
    assert rig.paused[-1] is False


async def test_a_disk_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_transfer, "DISK_S", 0.05)
    store = SlowStore()
    rig = Rig(home, store)
    await rig.start(1, "a", 10)
    rig.data(1, b"x")
    assert await rig.answer(1) == Result.ERROR
    assert store.discarded


async def test_a_client_that_forgets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_transfer, "CLIENT_S", 0.05)
    rig = Rig(home / "in")
    await rig.start(1, "a", 10)
    assert await rig.answer(1) == Result.ERROR
    await rig.empty()


async def test_the_user_is_told_once_per_drop(home: Path) -> None:
    rig = Rig(home / "in")
    for id_ in (1, 2):
        await rig.start(id_, f"{id_}.txt", 1, f"file-xfer-nr={id_}", "file-xfer-total=2")
    rig.data(1, b"x")
    assert await rig.answer(1) == Result.SUCCESS
    rig.data(2, b"xx")
    assert await rig.answer(2) == Result.ERROR
    [note] = rig.notes.shown
    assert note == Note("1.txt received", f"In {home}/in\n2.txt: it is longer than announced")


async def test_progress_can_be_cancelled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vdagent.handlers.file_progress.FIRST_NOTE_S", 0.01)
    monkeypatch.setattr("vdagent.handlers.file_progress.NEXT_NOTE_S", 0.01)
    rig = Rig(home / "in")
    await rig.start(1, "a", 10_000_000)
    rig.data(1, bytes(5_000_000))
    await until(lambda: Note("Receiving a", "5.0 of 10 MB", 50) in rig.notes.shown)
    count = len(rig.notes.shown)
    assert rig.notes.action is not None
    rig.notes.action.call()
    assert await rig.answer(1) == Result.CANCELLED
    await rig.empty()
    assert rig.notes.closed
    assert len(rig.notes.shown) == count


@pytest.mark.parametrize("error", [SystemFault("disk: it is on fire"), ValueError("a bug")])
async def test_whatever_the_store_raises_the_id_is_free_again(home: Path, error: Exception) -> None:
    class Broken(SlowStore):
        async def write(self, buffers: Sequence[Buffer]) -> None:
            raise error

    rig = Rig(home, store := Broken())
    for _ in range(2):
        await rig.start(1, "a", 10)
        rig.data(1, b"x")
        assert await rig.answer(1) == Result.ERROR
        assert store.discarded
        store.discarded = False


async def test_a_store_that_cannot_be_made_ends_the_file(home: Path) -> None:
    def none() -> FileStore:
        raise RuntimeError("a bug")

    rig = Rig(home)
    rig.handler._make_store = none
    for _ in range(2):
        rig.announce(1, "a", 10)
        assert await rig.answer(1) == Result.ERROR
