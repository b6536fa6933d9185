# SPDX-License-Identifier: MIT
"""What does a copy or a paste on either side mean for the other one? (session)

Per selection either the guest, the client, or nobody owns it. Content moves only when somebody pastes,
and only where the policy lets it: what that keeps back is remembered, for the policy may change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from ..backends.base import Buffer, Clipboard, Format, Patience, Selection
from ..errors import DesktopError
from ..protocol import messages as m
from ..protocol.constants import ClipboardType
from ..protocol.udscs import Message
from . import file_list
from .formats import format_of, formats_of, type_of, types_of
from .pastes import Pastes
from .policy import ClipboardPolicy

log = logging.getLogger("clipboard")

# A viewer asks for one thing at a time; more than these at once is a flood.
MAX_READS = 64
# An owner that hands over a byte now and then keeps its place no longer than that; the daemon gives up
# sooner.
READ_S = 60.0
# A daemon that is not ours passes nothing on before it has all of a message.
FOREIGN_DAEMON_FIRST_S = 30.0


class Owner(Enum):
    """Who has a selection, as far as both sides know."""

    NONE = "none"
    GUEST = "guest"
    CLIENT = "client"


class _GuestOffer(NamedTuple):
    """What a guest application copied."""

    formats: tuple[Format, ...]
    secret: bool


class ClipboardHandler:
    """Joins the desktop's selections with the daemon's messages; implements ClipboardListener."""

    def __init__(
        self, send: Callable[[Message], None], find_mount: file_list.FindMount = lambda: None
    ) -> None:
        self._send = send
        self._find_mount = find_mount  # of the viewer's files
        self._backend: Clipboard | None = None
        self._policy = ClipboardPolicy()
        self._first_s = Patience().first_s
        # And what the owner has, passed on or not.
        self._owner = dict.fromkeys(Selection, Owner.NONE)
        self._guest: dict[Selection, _GuestOffer] = {}
        self._client: dict[Selection, tuple[int, ...]] = {}
        self._connected = False
        self._is_foreign = False  # the daemon
        self._pastes = Pastes(lambda sel, type_: send(m.ClipboardRequest(sel, type_)))
        self._reads: set[asyncio.Task[None]] = set()

    def attach(self, backend: Clipboard) -> None:
        """The desktop is there."""
        self._backend = backend

    def set_policy(self, policy: ClipboardPolicy) -> None:
        """What may pass from now on; what is offered already is offered or withdrawn accordingly."""
        before = {s: (self._entering(s), self._leaving(s)) for s in Selection}
        self._policy = policy
        self._set_patience(self._first_s)
        for selection, (entering, leaving) in before.items():
            if selection in self._client:  # it copied last
                if self._entering(selection) != entering:
                    self._pastes.cancel(selection)
                    self._offer_to_guest(selection)
            elif self._leaving(selection) != leaving:
                self._offer_to_client(selection)

    # -- the daemon comes and goes ---------------------------------------------------------------

    def connected(self) -> None:
        """A daemon is there: tell it what the guest has."""
        self._connected, self._is_foreign = True, False
        self._set_patience(Patience().first_s)
        self._offer_everything()

    def _offer_everything(self) -> None:
        for selection in self._guest:
            if types := self._leaving(selection):
                self._send(m.ClipboardGrab(selection, types))

    def daemon_is_foreign(self) -> None:
        """The daemon is not ours: it needs longer to the first byte, and remembers no offers."""
        self._is_foreign = True
        self._set_patience(FOREIGN_DAEMON_FIRST_S)

    def disconnected(self) -> None:
        """The daemon has gone, and the client's offers with it."""
        self._connected = False
        self.client_disconnected()
        for task in self._reads:
            task.cancel()

    def client_disconnected(self, msg: m.ClientDisconnected | None = None) -> None:
        """The client's offers end. What the guest owns stays; our daemon offers it to the next one.

        The C daemon says this also when a client comes without another having left.
        """
        self._pastes.cancel()
        self._client.clear()
        for selection in Selection:
            self._drop_client_offer(selection)
        if msg is not None:
            self.client_came()

    def client_came(self) -> None:
        """There may be another client. A foreign daemon has forgotten what the guest has."""
        if self._is_foreign:
            self._offer_everything()

    def _set_patience(self, first_s: float) -> None:
        self._first_s = first_s
        self._pastes.patience = Patience(first_s=first_s, max_bytes=self._policy.max_bytes)

    # -- from the client -------------------------------------------------------------------------

    def grab(self, msg: m.ClipboardGrab) -> None:
        """The client copied: offer it to the guest's applications."""
        selection = _selection(msg.selection)
        if selection is not None:
            self._client[selection] = msg.types
            self._pastes.copied(selection)
            if self._owner[selection] is Owner.GUEST:  # not for the client any more
                self._owner[selection] = Owner.NONE
            self._offer_to_guest(selection)

    def _offer_to_guest(self, selection: Selection) -> None:
        formats = file_list.offerable(formats_of(self._entering(selection)), self._find_mount())
        if not formats or self._backend is None:
            # Nothing we could paste: what the client offered before is gone all the same.
            return self._drop_client_offer(selection)
        self._owner[selection] = Owner.CLIENT
        self._guest.pop(selection, None)
        self._backend.offer(selection, formats)

    def _entering(self, selection: Selection) -> tuple[int, ...]:
        """The types of the client's copy that the guest may have."""
        return self._policy.entering(selection, self._client.get(selection, ()))

    def release(self, msg: m.ClipboardRelease) -> None:
        """The client has nothing any more."""
        if (selection := _selection(msg.selection)) is not None:
            self._client.pop(selection, None)
            self._pastes.cancel(selection)
            self._drop_client_offer(selection)

    def request(self, msg: m.ClipboardRequest) -> None:
        """The client pastes: read it from the guest, and answer whatever happens."""
        selection, fmt = _selection(msg.selection), format_of(msg.type)
        if selection is None or fmt is None or not self._is_offered(selection, msg.type):
            self._send(m.Clipboard(msg.selection, msg.type, b""))
        elif len(self._reads) >= MAX_READS:
            log.warning("clipboard: %d reads at once, one more is refused", MAX_READS)
            self._send(m.Clipboard(msg.selection, msg.type, b""))
        else:
            task = asyncio.ensure_future(self._read(selection, fmt, msg.type))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    def _is_offered(self, selection: Selection, type_: int) -> bool:
        return self._owner[selection] is Owner.GUEST and type_ in self._leaving(selection)

    async def _read(self, selection: Selection, fmt: Format, type_: int) -> None:
        data: Buffer = b""
        try:
            if self._backend is not None:
                async with asyncio.timeout(READ_S):
                    data = await self._backend.read(selection, fmt)
            if not self._may_leave(selection, type_, len(data)):
                log.info("clipboard: %d bytes stay in the guest, as configured", len(data))
                data = b""
        except DesktopError as error:
            log.info("clipboard: nothing to paste for the viewer: %s", error)
        except TimeoutError:
            log.info("clipboard: nothing to paste for the viewer within %.0f s", READ_S)
        finally:  # after a fault of our own, too: the viewer would wait for ever
            if self._connected:
                self._send(m.Clipboard(selection, type_, data))

    def _may_leave(self, selection: Selection, type_: int, size: int) -> bool:
        """Asked when the content is there: owner and policy may have changed meanwhile."""
        return (
            size <= self._policy.max_bytes
            and bool(self._policy.leaving(selection, (type_,)))
            and not self._is_hidden(selection)
        )

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

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None:
        """A guest application copied, or the owner has gone (no formats)."""
        self._client.pop(selection, None)
        self._guest.pop(selection, None)
        if formats:
            self._guest[selection] = _GuestOffer(tuple(formats), secret)
        if self._is_hidden(selection):
            log.info("clipboard: a password manager's secret stays in the guest")
        self._offer_to_client(selection)

    def _offer_to_client(self, selection: Selection) -> None:
        before, self._owner[selection] = self._owner[selection], Owner.NONE
        if types := self._leaving(selection):
            self._owner[selection] = Owner.GUEST
            self._tell(m.ClipboardGrab(selection, types))
        elif before is not Owner.NONE:
            # Also when the client owned it: its offer has just been replaced by something we cannot
            # pass on, and ours would be stale.
            self._tell(m.ClipboardRelease(selection))

    def _leaving(self, selection: Selection) -> tuple[int, ...]:
        """The types of the guest's copy that the client may have."""
        offer = self._guest.get(selection)
        if offer is None or self._is_hidden(selection):
            return ()
        return self._policy.leaving(selection, types_of(offer.formats))

    def _is_hidden(self, selection: Selection) -> bool:
        """Whether the guest's copy is a password manager's secret, and to be kept as one."""
        offer = self._guest.get(selection)
        return offer is not None and offer.secret and not self._policy.secrets

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        """A guest application pastes what the client offered."""
        if fmt in file_list.FORMATS:
            return await self._paste_files(selection, fmt)
        type_ = type_of(fmt)
        if not self._connected or self._owner[selection] is not Owner.CLIENT or type_ is None:
            return b""
        data = await self._pastes.fetch(selection, type_)
        if len(data) > self._policy.max_bytes:
            log.info("clipboard: %d bytes of the viewer are not let in, as configured", len(data))
            return b""
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
