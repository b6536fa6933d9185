# SPDX-License-Identifier: MIT
"""Who owns GNOME's clipboard, and how do we read and own it?

Mutter keeps a copy of whatever is copied (its src/core/meta-clipboard-manager.c): while a new owner
is being set it reads one type of it, and when the owner goes it owns the clipboard itself, with that
type alone. So the last transfer asked of us before our SetSelection is answered is not a paste, and
gets nothing: the viewer is asked when somebody pastes. And a new owner right after none, with nothing
but one of the former owner's types, is the former owner still.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence

from ...errors import DesktopError
from .. import mime, pipes
from ..base import Buffer, Claim, ClipboardListener, Format, Patience, Selection
from ..dbus import Bus, BusError
from .reader import Reader
from .service import Service
from .session import NAME, ClipboardSession

MAX_PASTES = 256
COPY_S = 0.2  # between "nobody owns it" and Mutter's copy lies nothing but the bus
CLOSE_S = 1.0
NOTHING = "application/x-vdagent-nothing"  # a type that Mutter keeps no copy of
NOBODY: tuple[str, ...] = ()
KEPT = ("text/plain", "image/")  # what the types that it keeps begin with

log = logging.getLogger("mutter")


class _GuestOwner:
    """The program that owns the clipboard, and which MIME type to read per format."""

    def __init__(self, mime_types: Sequence[str]) -> None:
        self.types = mime.choose(mime_types)
        self.secret = mime.SECRET_HINT in mime_types  # until it says otherwise
        self.query: asyncio.Task[None] | None = None  # is it really?


class MutterClipboard:
    """CLIPBOARD as a `base.Clipboard`, in whichever session of Mutter's is open."""

    name = NAME
    selections = frozenset((Selection.CLIPBOARD,))

    def __init__(
        self, address: str, listener: ClipboardListener, patience: Patience, claim: Claim
    ) -> None:
        self.on_lost: Callable[[str], None] = lambda reason: None
        self._listener = listener
        self._patience = patience
        self._service = Service(address, self, claim)
        self._session: ClipboardSession | None = None
        self._guest: _GuestOwner | None = None
        self._present: tuple[str, ...] | None = None  # the types of the owner, while binding
        self._seen = NOBODY  # the types of the owner, ours too, that was told last
        self._vacancy: asyncio.TimerHandle | None = None
        self._reader = Reader()
        self._wanted: tuple[Format, ...] | None = None  # the viewer's offer
        self._changed = False  # since Mutter was told
        self._owns = False
        self._overtaken = False  # owners told now were there before us
        self._early: list[tuple[str, int]] | None = None  # transfers asked while owning
        self._settling: asyncio.Task[None] | None = None
        self._pastes: set[asyncio.Task[None]] = set()
        self._telling = False

    async def open(self) -> None:
        """Look for Mutter on the session bus. Raises DesktopError if it is not there."""
        await self._service.open()

    def deliver(self) -> None:
        """Tell of owners from now on, beginning with the present one."""
        self._telling = True
        if self._guest is not None:
            self._tell(self._guest)

    # Mutter comes and goes.

    async def bind(self, bus: Bus) -> None:
        self._present = NOBODY
        session = await ClipboardSession.open(bus, self)
        present, self._present = self._present, None
        self._session = session
        if not present:
            self._forget()
        elif present != self._seen and not _is_copy(present, self._seen):
            self._meet(present)
        # else: what is there was there before; the viewer's offer, if any, is newer
        if self._wanted is not None:
            self._settle()

    def unbind(self, gone: bool) -> None:
        self._session = self._present = None
        self._owns = self._overtaken = False
        self._early = None
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if gone:
            self._forget()

    def lost(self, reason: str) -> None:
        self.on_lost(reason)

    def on_closed(self) -> None:
        self._service.end("Mutter has closed our clipboard session, perhaps for a lock screen")

    # Guest programs own.

    def on_owner(self, mime_types: Sequence[str], ours: bool) -> None:
        if self._session is None:
            if self._present is not None:
                self._present = tuple(mime_types)
        elif ours:
            self._overtaken, self._owns = False, True
            self._seen = tuple(mime_types)
        elif self._overtaken:
            pass
        elif not mime_types:
            self._owns = False
            self._filled()
            self._vacancy = asyncio.get_running_loop().call_later(COPY_S, self._forget)
        elif self._filled() and _is_copy(mime_types, self._seen):
            self._keep(mime_types)
        else:
            self._meet(mime_types)

    def _filled(self) -> bool:
        """Whether the clipboard had been without an owner until now."""
        if self._vacancy is None:
            return False
        self._vacancy.cancel()
        self._vacancy = None
        return True

    def _meet(self, mime_types: Sequence[str]) -> None:
        """A program has copied."""
        self._drop_guest()
        self._wanted = None
        self._owns = False
        self._seen = tuple(mime_types)
        guest = self._guest = _GuestOwner(mime_types)
        if guest.secret:
            guest.query = asyncio.create_task(self._ask_hint(guest))
        else:
            self._tell(guest)

    async def _ask_hint(self, guest: _GuestOwner) -> None:
        """Whether it is what a password manager hides; one that does not answer has reason to."""
        try:
            hint = await self._receive(guest, mime.SECRET_HINT, mime.HINT_PATIENCE)
        except DesktopError:
            hint = bytearray(mime.SECRET)
        guest.secret = hint.strip() == mime.SECRET
        guest.query = None
        self._tell(guest)

    def _keep(self, mime_types: Sequence[str]) -> None:
        """The program has gone, and Mutter goes on with its copy."""
        guest = self._guest
        if guest is None:
            return  # of ours
        before, untold = tuple(guest.types), guest.query is not None
        if guest.query is not None:
            guest.query.cancel()
            guest.query = None
        # A secret is one still, though Mutter did not keep the hint.
        guest.types = mime.choose(mime_types)
        if untold or tuple(guest.types) != before:
            self._tell(guest)

    def _tell(self, guest: _GuestOwner) -> None:
        if self._telling and guest.query is None:
            formats = tuple(guest.types)
            self._listener.on_owner_changed(Selection.CLIPBOARD, formats, guest.secret)

    def _forget(self) -> None:
        """Nobody owns the clipboard."""
        self._seen = NOBODY
        if self._drop_guest() and self._telling:
            self._listener.on_owner_changed(Selection.CLIPBOARD, ())

    def _drop_guest(self) -> bool:
        self._filled()
        guest, self._guest = self._guest, None
        if guest is not None and guest.query is not None:
            guest.query.cancel()
        return guest is not None

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        guest = self._guest if selection is Selection.CLIPBOARD else None
        if guest is not None and guest.query is not None:
            await asyncio.wait([guest.query])
        if guest is None or self._guest is not guest:
            raise DesktopError(f"no guest program owns {selection.name}")
        if fmt not in guest.types:
            raise DesktopError(f"the owner of {selection.name} has no {fmt.value}")
        mime_type = guest.types[fmt]
        return mime.decode(mime_type, await self._receive(guest, mime_type, self._patience))

    async def _receive(self, guest: _GuestOwner, mime_type: str, patience: Patience) -> bytearray:
        async def request() -> int:
            if self._session is None or self._guest is not guest:
                raise DesktopError("the clipboard has changed meanwhile")
            return await self._session.read(mime_type)

        return await self._reader.read(guest, request, patience)

    # We own.

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        if selection is Selection.CLIPBOARD:
            self._drop_guest()
            self._wanted = tuple(formats)
            self._settle()

    def release(self, selection: Selection) -> None:
        if selection is Selection.CLIPBOARD and self._wanted is not None:
            self._wanted = None
            self._settle()

    def _settle(self) -> None:
        """Have Mutter know what the viewer offers; one call at a time, only the last offer counts."""
        self._changed = True
        if self._session is not None and (self._settling is None or self._settling.done()):
            self._settling = asyncio.create_task(self._tell_mutter(self._session))

    async def _tell_mutter(self, session: ClipboardSession) -> None:
        while self._changed:
            self._changed = False
            try:
                if self._wanted is not None:
                    await self._own(session, mime.offered_types(self._wanted))
                elif self._owns:
                    # By itself this would leave Mutter's copy.
                    await self._own(session, [NOTHING])
                    await session.disown()
            except BusError as error:
                log.warning("clipboard: the viewer's offer is not passed on: %s", error)

    async def _own(self, session: ClipboardSession, mime_types: Sequence[str]) -> None:
        self._overtaken = True
        early = self._early = []
        try:
            await session.own(mime_types, self._owned)
        finally:
            self._overtaken = False
            self._owned()
        if early and early[-1][0].startswith(KEPT):
            await self._paste(session, None, early.pop()[1])  # for Mutter's copy
        for mime_type, serial in early:
            self._serve(session, mime_type, serial)

    def _owned(self) -> None:
        self._early = None

    def on_transfer(self, mime_type: str, serial: int) -> None:
        if self._early is not None:
            self._early.append((mime_type, serial))
        elif self._session is not None:
            self._serve(self._session, mime_type, serial)

    def _serve(self, session: ClipboardSession, mime_type: str, serial: int) -> None:
        if len(self._pastes) >= MAX_PASTES:
            return  # Mutter gives it up after 15 s
        fmt = mime.format_of(mime_type)
        if fmt not in (self._wanted or ()):
            fmt = None
        task = asyncio.create_task(self._paste(session, fmt, serial))
        self._pastes.add(task)
        task.add_done_callback(self._pastes.discard)

    async def _paste(self, session: ClipboardSession, fmt: Format | None, serial: int) -> None:
        """Hand over the viewer's content, or nothing.

        The pipe is taken first: after that a paste survives the next offer, and Mutter's 15 s.
        """
        try:
            fd = await session.write(serial)
            data: Buffer = b""
            if fmt is not None:
                try:
                    data = await self._listener.paste(Selection.CLIPBOARD, fmt)
                except BaseException:
                    os.close(fd)
                    raise
            # A cut-off paste is worse than a late one, so the longer time counts at every step.
            await pipes.send(fd, data, self._patience.first_s)
            await session.written(serial, True)
        except BusError as error:
            log.debug("clipboard: a paste has ended by itself: %s", error)
        except DesktopError as error:
            log.info("clipboard: a paste was given up: %s", error)
            await self._fail(session, serial)

    async def _fail(self, session: ClipboardSession, serial: int) -> None:
        try:
            await session.written(serial, False)
        except BusError as error:
            log.debug("clipboard: %s", error)

    async def close(self) -> None:
        self._telling = False
        self._drop_guest()
        self.release(Selection.CLIPBOARD)
        if self._settling is not None:
            await asyncio.wait([self._settling], timeout=CLOSE_S)
        await self._service.close()
        for task in self._pastes:
            task.cancel()
        if self._pastes:
            await asyncio.wait(self._pastes)


def _is_copy(mime_types: Sequence[str], former: Sequence[str]) -> bool:
    """Whether Mutter may own these types now as what it kept of the former owner's."""
    return len(mime_types) == 1 and mime_types[0] in former
