# SPDX-License-Identifier: MIT
"""What does a copy or a paste on either side mean for the other one? (session)

Per selection either the guest, the client, or nobody owns it. Content moves only when somebody pastes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum

from ..backends.base import Buffer, Clipboard, Format, Patience, Selection
from ..errors import DesktopError
from ..protocol import messages as m
from ..protocol.constants import ClipboardType
from ..protocol.udscs import Message
from . import file_list
from .formats import format_of, formats_of, type_of, types_of
from .pastes import Pastes

log = logging.getLogger("clipboard")

# A viewer asks for one thing at a time; more than these at once is a flood.
MAX_READS = 64
# A daemon that is not ours passes nothing on before it has all of a message.
FOREIGN_DAEMON_FIRST_S = 30.0


class Owner(Enum):
    NONE = "none"
    GUEST = "guest"
    CLIENT = "client"


class ClipboardHandler:
    """Joins the desktop's selections with the daemon's messages; implements ClipboardListener."""

    def __init__(
        self, send: Callable[[Message], None], find_mount: file_list.FindMount = lambda: None
    ) -> None:
        self._send = send
        self._find_mount = find_mount  # of the viewer's files
        self._backend: Clipboard | None = None
        self._owner = dict.fromkeys(Selection, Owner.NONE)
        self._guest_formats: dict[Selection, tuple[Format, ...]] = {}
        self._connected = False
        self._pastes = Pastes(lambda sel, type_: send(m.ClipboardRequest(sel, type_)))
        self._reads: set[asyncio.Task[None]] = set()

    def attach(self, backend: Clipboard) -> None:
        """The desktop is there."""
        self._backend = backend

    # -- the daemon comes and goes ---------------------------------------------------------------

    def connected(self) -> None:
        """A daemon is there: tell it what the guest has."""
        self._connected = True
        self._pastes.patience = Patience()
        for selection, formats in self._guest_formats.items():
            self._send(m.ClipboardGrab(selection, types_of(formats)))

    def daemon_is_foreign(self) -> None:
        """The daemon is not ours: it needs longer to the first byte."""
        self._pastes.patience = Patience(first_s=FOREIGN_DAEMON_FIRST_S)

    def disconnected(self) -> None:
        """The daemon has gone, and the client's offers with it."""
        self._connected = False
        self.client_disconnected()
        for task in self._reads:
            task.cancel()

    def client_disconnected(self, msg: m.ClientDisconnected | None = None) -> None:
        """The client's offers end. What the guest owns stays; our daemon offers it to the next one."""
        self._pastes.cancel()
        for selection in Selection:
            self._drop_client_offer(selection)

    # -- from the client -------------------------------------------------------------------------

    def grab(self, msg: m.ClipboardGrab) -> None:
        """The client copied: offer it to the guest's applications."""
        selection = _selection(msg.selection)
        formats = file_list.offerable(formats_of(msg.types), self._find_mount())
        if selection is None or self._backend is None:
            return
        if not formats:
            # Nothing we could paste: what was offered before is gone all the same.
            return self.release(m.ClipboardRelease(selection))
        self._owner[selection] = Owner.CLIENT
        self._guest_formats.pop(selection, None)
        self._backend.offer(selection, formats)

    def release(self, msg: m.ClipboardRelease) -> None:
        """The client has nothing any more."""
        if (selection := _selection(msg.selection)) is not None:
            self._pastes.cancel(selection)
            self._drop_client_offer(selection)

    def request(self, msg: m.ClipboardRequest) -> None:
        """The client pastes: read it from the guest, and answer whatever happens."""
        selection, fmt = _selection(msg.selection), format_of(msg.type)
        if selection is None or fmt is None or fmt not in self._guest_formats.get(selection, ()):
            self._send(m.Clipboard(msg.selection, msg.type, b""))
        elif len(self._reads) >= MAX_READS:
            log.warning("clipboard: %d reads at once, one more is refused", MAX_READS)
            self._send(m.Clipboard(msg.selection, msg.type, b""))
        else:
            task = asyncio.ensure_future(self._read(selection, fmt, msg.type))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _read(self, selection: Selection, fmt: Format, type_: int) -> None:
        data: Buffer = b""
        try:
            if self._backend is not None:
                data = await self._backend.read(selection, fmt)
        except DesktopError as error:
            log.info("clipboard: nothing to paste for the viewer: %s", error)
        finally:  # after a fault of our own, too: the viewer would wait for ever
            if self._connected:
                self._send(m.Clipboard(selection, type_, data))

    def data(self, msg: m.Clipboard) -> None:
        """The client's content, whole."""
        self._pastes.data(msg.selection, msg.type, msg.data)

    def begin(self, msg: m.ClipboardBegin) -> None:
        self._pastes.begin(msg.selection, msg.type, msg.size)

    def part(self, msg: m.ClipboardPart) -> None:
        self._pastes.part(msg.views)

    def end(self, msg: m.ClipboardEnd) -> None:
        self._pastes.end()

    # -- from the desktop ------------------------------------------------------------------------

    def on_owner_changed(self, selection: Selection, formats: Sequence[Format]) -> None:
        """A guest application copied, or the owner has gone (no formats)."""
        types = types_of(formats)
        before, self._owner[selection] = self._owner[selection], Owner.NONE
        self._guest_formats.pop(selection, None)
        if types:
            self._owner[selection] = Owner.GUEST
            self._guest_formats[selection] = tuple(f for f in formats if type_of(f) is not None)
            self._tell(m.ClipboardGrab(selection, types))
        elif before is not Owner.NONE:
            # Also when the client owned it: its offer has just been replaced by something we cannot
            # pass on, and ours would be stale.
            self._tell(m.ClipboardRelease(selection))

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        """A guest application pastes what the client offered."""
        if fmt in file_list.FORMATS:
            return await self._paste_files(selection, fmt)
        type_ = type_of(fmt)
        if not self._connected or self._owner[selection] is not Owner.CLIENT or type_ is None:
            return b""
        data = await self._pastes.fetch(selection, type_)
        if type_ == ClipboardType.UTF8_TEXT and len(data) and data[-1] == 0:
            return memoryview(data)[:-1]  # VNC viewers behind QEMU end their text in a NUL
        return data

    async def _paste_files(self, selection: Selection, fmt: Format) -> Buffer:
        mount = self._find_mount()
        if mount is None or not self._connected or self._owner[selection] is not Owner.CLIENT:
            return b""
        data = await self._pastes.fetch(selection, ClipboardType.FILE_LIST)
        return file_list.encode(fmt, file_list.FileList.decode(bytes(data)), mount)

    def _tell(self, msg: Message) -> None:
        if self._connected:
            self._send(msg)

    def _drop_client_offer(self, selection: Selection) -> None:
        if self._owner[selection] is Owner.CLIENT:
            self._owner[selection] = Owner.NONE
            if self._backend is not None:
                self._backend.release(selection)


def _selection(number: int) -> Selection | None:
    return Selection(number) if number in (Selection.CLIPBOARD, Selection.PRIMARY) else None
