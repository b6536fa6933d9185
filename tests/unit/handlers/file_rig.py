# SPDX-License-Identifier: MIT
"""What stands around the transfers of files in their tests: a directory, a disk that waits, notes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.waiting import until
from tests.unit.handlers.test_key_file import key_file
from vdagent.backends.base import Action, Buffer, FileStore, IncomingFile, Note
from vdagent.backends.downloads import Downloads
from vdagent.handlers.file_transfer import FileTransferHandler
from vdagent.protocol import messages as m
from vdagent.protocol.constants import FileXferResult as Result


class FakeNotes:
    """Implements base.Notes."""

    def __init__(self) -> None:
        self.shown: list[Note] = []
        self.action: Action | None = None
        self.closed = False

    def show(self, note: Note, action: Action | None = None) -> None:
        self.shown.append(note)
        self.action = action

    def close(self) -> None:
        self.closed = True


class SlowStore:
    """Implements base.FileStore and IncomingFile: a disk that stands still until it is told."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.written = 0
        self.discarded = False

    async def create(self, size: int, promised: int) -> IncomingFile:
        return self

    async def write(self, buffers: Sequence[Buffer]) -> None:
        await self.go.wait()
        self.written += sum(map(len, buffers))

    async def finish(self, name: str) -> str:
        return f"/in/{name}"

    def discard(self) -> None:
        self.discarded = True

    def show(self, path: str) -> None: ...

    def open(self, path: str) -> None: ...

    async def close(self) -> None: ...


class Rig:
    """The handler with a real directory, or another store."""

    def __init__(self, directory: Path, store: FileStore | None = None) -> None:
        self.directory = directory
        self.sent: list[Any] = []  # statuses are all that it says
        self.paused: list[bool] = []
        self.notes = FakeNotes()
        self.store = store or Downloads(str(directory), False, _no_icons)
        self.handler = FileTransferHandler(
            self.sent.append,
            lambda: self.store,
            lambda: self.notes,
            self.paused.append,
        )

    def announce(self, id_: int, name: str, size: int, *more: str) -> None:
        self.handler.start(m.FileXferStart(id_, key_file(name, size, *more)))

    async def start(self, id_: int, name: str, size: int, *more: str) -> None:
        self.announce(id_, name, size, *more)
        assert await self.answer(id_) == Result.CAN_SEND_DATA

    async def answer(self, id_: int) -> int:
        """The next status of a transfer; forgets it."""
        await until(lambda: any(s.id == id_ for s in self.sent))
        status = next(s for s in self.sent if s.id == id_)
        self.sent.remove(status)
        result: int = status.result
        return result

    def data(self, id_: int, data: bytes) -> None:
        self.handler.data(m.FileXferData(id_, memoryview(bytearray(data))))

    @property
    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in self.directory.iterdir()}

    async def empty(self) -> None:
        await until(lambda: not list(self.directory.iterdir()))


async def _no_icons() -> bool:
    return False
