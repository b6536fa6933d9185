# SPDX-License-Identifier: MIT
"""Are files refused that the settings do not let in, and how often is the user told?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.unit.handlers.file_rig import Rig, SlowStore
from vdagent.backends.base import Note
from vdagent.handlers.file_transfer import REFUSALS_SAID, SWITCHED_OFF
from vdagent.handlers.policy import FilePolicy
from vdagent.protocol import messages as m
from vdagent.protocol.constants import FileXferResult as Result

LONE = ("file-xfer-nr=1", "file-xfer-total=1")


async def receive(rig: Rig, id_: int, name: str = "a") -> None:
    await rig.start(id_, name, 1, *LONE)
    rig.data(id_, b"x")
    assert await rig.answer(id_) == Result.SUCCESS


async def test_switched_off_and_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.start(1, "a", 10)
    rig.handler.set_policy(FilePolicy(enabled=False))
    rig.announce(2, "b", 10)
    assert (await rig.answer(1), await rig.answer(2)) == (Result.DISABLED, Result.DISABLED)
    await rig.empty()
    rig.handler.set_policy(FilePolicy())
    await receive(rig, 3)
    assert rig.files == {"a": b"x"}


async def test_sizes(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.handler.set_policy(FilePolicy(max_bytes=1_000_000))
    await rig.start(1, "a", 1_000_000)
    rig.announce(2, "b", 1_000_001)
    assert await rig.answer(2) == Result.ERROR
    rig.handler.set_policy(FilePolicy(max_bytes=0))
    rig.announce(3, "c", 1)
    assert await rig.answer(3) == Result.ERROR


async def test_files_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.handler.set_policy(FilePolicy(transfers=1))
    await rig.start(1, "a", 10)
    rig.announce(2, "b", 10)
    assert await rig.answer(2) == Result.ERROR
    rig.handler.status(m.FileXferStatus(1, Result.CANCELLED))
    await rig.start(2, "b", 10)


async def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.handler.set_policy(FilePolicy(enabled=False))
    rig.announce(1, "a.iso", 10)
    assert rig.notes.shown == [Note("File not received", f"a.iso: {SWITCHED_OFF}")]
    assert rig.notes.action is None


async def test_the_result_opens_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    opened: list[str] = []
    monkeypatch.setattr("vdagent.backends.downloads.open_in_file_manager", opened.append)
    await receive(rig, 1, "a.txt")
    assert rig.notes.shown == [Note("a.txt received", f"In {rig.directory}")]
    assert rig.notes.action is not None and rig.notes.action.key == "open"
    assert opened == []
    rig.notes.action.call()
    assert opened == [str(rig.directory)]


@pytest.mark.virtual_time
async def test_a_flood_is_told_in_two_notes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SlowStore()
    store.go.set()
    rig = Rig(tmp_path, store)
    rig.handler.set_policy(FilePolicy(max_bytes=5))
    for id_ in range(200):
        rig.announce(id_, f"{id_}", 1_000_000, *LONE)
    assert [note.summary for note in rig.notes.shown] == ["File not received"]
    assert len(caplog.records) == REFUSALS_SAID
    await receive(rig, 2000)
    await until(lambda: len(rig.notes.shown) == 2)
    why = "it has 1.0 MB, the settings allow 5 bytes"
    first = "\n".join(f"{id_}: {why}" for id_ in (1, 2, 3))
    assert rig.notes.shown[1] == Note("a received", f"In /in\n{first}\nand 196 more")
    assert rig.handler._progress._timer is None


async def test_no_notes_where_they_are_not_wanted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.handler.set_policy(FilePolicy(notify=False))
    await receive(rig, 1)
    rig.handler.set_policy(FilePolicy(enabled=False, notify=False))
    rig.announce(2, "b", 10)
    assert rig.notes.shown == []
