# SPDX-License-Identifier: MIT
"""How does a file that is dropped on the viewer become a file in the guest? (session)

One task per transfer: create, take data until it is whole, name it, say so. The tasks wait for the
disk, the loop never does. What the disk has not taken yet is bounded: beyond that the daemon is read
no further, apart from a trickle, so that neither side takes a slow disk for a hung session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from ..backends.base import Buffer, FileStore, IncomingFile, NoSpace, Notes
from ..errors import ProtocolError, SystemFault, VdagentError
from ..protocol import messages as m
from ..protocol.constants import FileXferResult
from ..protocol.udscs import FileXferDisable, Message
from .file_progress import FileProgress, size_text
from .key_file import Announcement, read_announcement
from .policy import FilePolicy

log = logging.getLogger("files")

# Bytes that wait for the disk: no more are read beyond HIGH, again below LOW.
HIGH, LOW = 2 * 1024 * 1024, 1024 * 1024
# So often one read is let through while the disk keeps us waiting; our daemon gives up on a session
# that takes nothing for 5 s.
TRICKLE_S = 2.0
# The disk is given this much at a time, as every handing over costs two switches between threads; or
# less after a moment.
BATCH = 1024 * 1024
LINGER_S = 0.05
# A disk that does nothing for that long has failed.
DISK_S = 60.0
# A client that sends nothing for so long has forgotten: spice-gtk tells of a file that its user
# cancelled only along with its next message, whenever that is.
CLIENT_S = 120.0
CLOSE_S = 0.3  # a signal ends the session within a second, whatever the disk does
# So many refused files are worth a line each in the log.
REFUSALS_SAID = 20
SWITCHED_OFF = "files are switched off in the settings"


@dataclass(eq=False)
class _Transfer:
    """One file on its way."""

    id: int
    file: Announcement
    waiting: list[Buffer] = field(default_factory=list)  # for the disk
    received: int = 0
    is_whole: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)  # there is enough to write
    has_room: bool = False  # on the disk, for all of it
    written: int = 0
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def add(self, data: Buffer, later: Callable[..., asyncio.TimerHandle]) -> None:
        """Take in data; what is little is written a little later."""
        if len(data):
            self.waiting.append(data)
            self.received += len(data)
        # An empty file has no other data than an empty message.
        self.is_whole = self.received == self.file.size
        if self.is_whole or self.received - self.written >= BATCH:
            self.ready.set()
        elif self.timer is None:
            self.timer = later(LINGER_S, self.ready.set)

    def take(self) -> list[Buffer]:
        """What has arrived since."""
        buffers, self.waiting = self.waiting, []
        self.ready.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        return buffers


class FileTransferHandler:
    """The session's side of FILE_XFER_*."""

    def __init__(
        self,
        send: Callable[[Message], None],
        make_store: Callable[[], FileStore],
        make_notes: Callable[[], Notes],
        pause: Callable[[bool], None],
    ) -> None:
        self._send, self._make_store, self._pause = send, make_store, pause
        self._loop = asyncio.get_running_loop()
        self._store: FileStore | None = None
        self._policy = FilePolicy()
        self._progress = FileProgress(
            make_notes, self.cancel_all, self._drop_complete, self._open_folder
        )
        self._transfers: dict[int, _Transfer] = {}
        self._creating = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._disabled = False
        self._refusals = 0  # of this connection
        self._queued = 0
        self._trickle: asyncio.TimerHandle | None = None  # set while reading is paused

    # -- from the client -------------------------------------------------------------------------

    def start(self, msg: m.FileXferStart) -> None:
        """A file is announced; the answer follows when there is a place for it."""
        if self._disabled:
            return self._tell(msg.id, FileXferResult.DISABLED)
        if msg.id in self._transfers:
            # An answer would end the transfer that runs.
            return log.warning("files: transfer %d is announced twice", msg.id)
        try:
            file = read_announcement(msg.metadata)
        except ProtocolError as error:
            return self._refuse(msg.id, "a file", error.message)
        if not self._policy.enabled:
            return self._refuse(msg.id, file.name, SWITCHED_OFF, FileXferResult.DISABLED)
        limit = self._policy.max_bytes
        if limit is not None and file.size > limit:
            problem = f"it has {size_text(file.size)}, the settings allow {size_text(limit)}"
            return self._refuse(msg.id, file.name, problem)
        if len(self._transfers) >= self._policy.transfers:
            problem = f"{len(self._transfers)} files are on their way already"
            return self._refuse(msg.id, file.name, problem)
        transfer = self._transfers[msg.id] = _Transfer(msg.id, file)
        self._progress.started(file)
        transfer.task = asyncio.ensure_future(self._receive(transfer))
        self._tasks.add(transfer.task)
        transfer.task.add_done_callback(self._tasks.discard)

    def _refuse(
        self, id_: int, name: str, problem: str, result: FileXferResult = FileXferResult.ERROR
    ) -> None:
        self._refusals += 1
        level = logging.WARNING if self._refusals <= REFUSALS_SAID else logging.DEBUG
        log.log(level, "files: refused %r: %s", name, problem)
        self._tell(id_, result)
        self._progress.refused(name, problem)

    def data(self, msg: m.FileXferData) -> None:
        """The next bytes of a file."""
        transfer = self._transfers.get(msg.id)
        if transfer is None or transfer.is_whole:
            return
        if transfer.received + len(msg.data) > transfer.file.size:
            return self._end(transfer, FileXferResult.ERROR, "it is longer than announced")
        transfer.add(msg.data, self._loop.call_later)
        self._queued += len(msg.data)
        self._regulate()

    def status(self, msg: m.FileXferStatus) -> None:
        """The client gives a transfer up; it needs no answer."""
        transfer = self._transfers.get(msg.id)
        if transfer is not None and msg.result != FileXferResult.CAN_SEND_DATA:
            self._end(transfer, None, "")

    def client_disconnected(self, msg: m.ClientDisconnected | None = None) -> None:
        """The client has gone, and its files with it."""
        self._end_all(None, "the viewer has gone")

    def disable(self, msg: FileXferDisable) -> None:
        """No files for this session, until it is connected anew."""
        self._disabled = True
        self._end_all(FileXferResult.DISABLED, "")

    # -- the session -----------------------------------------------------------------------------

    def set_policy(self, policy: FilePolicy) -> None:
        """Which files may come from now on; those that are on their way end if none may."""
        self._policy = policy
        self._progress.notify = policy.notify
        if not policy.enabled:
            self._end_all(FileXferResult.DISABLED, SWITCHED_OFF)

    def connected(self) -> None:
        """A daemon is there."""
        self._disabled = False
        self._refusals = 0

    def disconnected(self) -> None:
        """The daemon has gone: nobody to tell."""
        self._end_all(None, "the connection to the host has ended")
        self._read_on()

    def cancel_all(self) -> None:
        """The user does not want these files."""
        self._end_all(FileXferResult.CANCELLED, "")

    async def close(self) -> None:
        """The session ends: tell the client, remove what is not whole."""
        self._disabled = True
        self._end_all(FileXferResult.CANCELLED, "")
        self._progress.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        if self._store is not None:
            await self._store.close()

    # -- one transfer ----------------------------------------------------------------------------

    async def _receive(self, transfer: _Transfer) -> None:
        file: IncomingFile | None = None
        try:
            file = await self._create(transfer)
            self._tell(transfer.id, FileXferResult.CAN_SEND_DATA)
            await self._fill(transfer, file)
            async with asyncio.timeout(DISK_S):
                path = await file.finish(transfer.file.name)
        except BaseException as error:
            if file is not None:
                file.discard()
            if not isinstance(error, Exception):
                raise
            self._failed(transfer, error)
        else:
            self._forget(transfer)
            self._tell(transfer.id, FileXferResult.SUCCESS)
            self._progress.saved(path)

    async def _create(self, transfer: _Transfer) -> IncomingFile:
        if self._store is None:
            self._store = self._make_store()
        # One after the other: what is refused takes no room from those announced along with it.
        async with asyncio.timeout(DISK_S), self._creating:
            having = (t for t in self._transfers.values() if t.has_room)
            promised = sum(t.file.size - t.written for t in having)
            file = await self._store.create(transfer.file.size, promised)
            transfer.has_room = True
            return file

    async def _fill(self, transfer: _Transfer, file: IncomingFile) -> None:
        while True:
            await self._wait_for_data(transfer)
            buffers = transfer.take()
            size = sum(map(len, buffers))
            try:
                async with asyncio.timeout(DISK_S):
                    await file.write(buffers)
            finally:
                self._queued -= size
                self._regulate()
            transfer.written += size
            self._progress.advanced(size)
            if transfer.is_whole and not transfer.waiting:
                return

    async def _wait_for_data(self, transfer: _Transfer) -> None:
        try:
            async with asyncio.timeout(CLIENT_S):
                await transfer.ready.wait()
        except TimeoutError:
            raise SystemFault(f"host: no data for {CLIENT_S:.0f} s") from None

    def _failed(self, transfer: _Transfer, error: Exception) -> None:
        if isinstance(error, NoSpace):
            problem = "there is not enough space on the disk"
            self._end(transfer, FileXferResult.NOT_ENOUGH_SPACE, problem, error.free_bytes)
        elif isinstance(error, VdagentError):
            self._end(transfer, FileXferResult.ERROR, error.message)
        elif isinstance(error, TimeoutError):
            self._end(transfer, FileXferResult.ERROR, f"disk: no answer for {DISK_S:.0f} s")
        else:  # a fault of ours ends this file, and neither its id nor the others
            problem = f"a fault of this program, {type(error).__name__}"
            log.debug("files: a fault", exc_info=error)
            self._end(transfer, FileXferResult.ERROR, problem)

    def _end(
        self,
        transfer: _Transfer,
        result: FileXferResult | None,
        problem: str,
        free_bytes: int | None = None,
    ) -> None:
        """End a transfer that is not whole; its task removes the file. None: tell nobody."""
        self._forget(transfer)
        if result is not None:
            self._tell(transfer.id, result, free_bytes)
        if problem:
            log.warning("files: %r was not received: %s", transfer.file.name, problem)
        self._progress.failed(transfer.file, problem)

    def _end_all(self, result: FileXferResult | None, problem: str) -> None:
        for transfer in list(self._transfers.values()):
            self._end(transfer, result, problem)

    def _forget(self, transfer: _Transfer) -> None:
        self._transfers.pop(transfer.id, None)
        if transfer.task is not None and transfer.task is not asyncio.current_task(self._loop):
            transfer.task.cancel()
        self._queued -= sum(map(len, transfer.take()))
        self._regulate()

    def _tell(self, id_: int, result: FileXferResult, free_bytes: int | None = None) -> None:
        self._send(m.FileXferStatus(id_, result, free_bytes))

    def _drop_complete(self, path: str) -> None:
        if self._store is not None:
            self._store.show(path)

    def _open_folder(self, path: str) -> None:
        if self._store is not None:
            self._store.open(path)

    # -- back-pressure ---------------------------------------------------------------------------

    def _regulate(self) -> None:
        if self._queued > HIGH and self._trickle is None:
            self._trickle = self._loop.call_later(TRICKLE_S, self._read_on)
            self._pause(True)
        elif self._queued < LOW:
            self._read_on()

    def _read_on(self) -> None:
        if self._trickle is not None:
            self._trickle.cancel()
            self._trickle = None
            self._pause(False)
