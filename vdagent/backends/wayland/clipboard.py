# SPDX-License-Identifier: MIT
"""Who owns the selections of a Wayland desktop, and how do we read and own them?

Needs no window and no focus. The newest copy on any seat counts; what the viewer offers is offered
on every seat. A compositor that comes back gets the viewer's offers again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from pywayland.protocol.ext_data_control_v1 import ExtDataControlManagerV1
from pywayland.protocol.wayland import WlSeat
from pywayland.protocol_core.interface import Interface

from ...errors import DesktopError, reason
from .. import mime, pipes
from ..base import Buffer, ClipboardListener, Format, Patience, Selection
from .connection import Global, WaylandConnection
from .generated.wlr_data_control_unstable_v1 import ZwlrDataControlManagerV1
from .seat import Offer, SeatSelections

MARKER = "application/x-vdagent-offer;id="
MAX_PASTES = 256
MAX_LATE = 16
PRIMARY_SINCE = 2  # version of zwlr_data_control_manager_v1

log = logging.getLogger("wayland")


def data_control(connection: WaylandConnection) -> type[Interface] | None:
    """The protocol for selections that this compositor has, the better one if it has both."""
    for interface in (ExtDataControlManagerV1, ZwlrDataControlManagerV1):
        if connection.find(interface):
            return interface
    return None


class _GuestOwner:
    """The program that owns a selection, and which MIME type to read per format."""

    def __init__(self, seat: SeatSelections, offer: Offer) -> None:
        self.seat = seat
        self.offer = offer
        self.types = mime.choose(offer.mime_types)
        self.secret = False
        self.query: asyncio.Task[None] | None = None  # is it a secret?


class WaylandClipboard:
    """The selections as a `base.Clipboard`, on whichever connection is bound."""

    selections: frozenset[Selection] = frozenset()

    def __init__(self, listener: ClipboardListener, patience: Patience) -> None:
        self._listener = listener
        self._patience = patience
        self._connection: WaylandConnection | None = None
        self._manager: Any = None
        self._seats: dict[int, SeatSelections] = {}
        self._guests: dict[Selection, _GuestOwner] = {}
        self._offered: dict[Selection, tuple[Format, ...]] = {}
        self._markers: dict[Selection, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()  # answers that nobody waits for any more
        self._telling = False

    # The compositor comes and goes.

    async def bind(self, connection: WaylandConnection) -> None:
        """Serve the compositor behind `connection`, which has data-control."""
        interface = data_control(connection)
        assert interface is not None
        (manager, *_) = connection.find(interface)
        self._connection = connection
        self._manager = connection.bind(manager.number, interface)
        both = interface is ExtDataControlManagerV1 or manager.version >= PRIMARY_SINCE
        self.selections = frozenset(Selection if both else (Selection.CLIPBOARD,))
        for seat in connection.find(WlSeat):
            self._add_seat(seat)
        connection.on_global.append(self._add_seat)
        connection.on_global_removed.append(self._remove_seat)
        await connection.roundtrip()

    def deliver(self) -> None:
        """Tell of owners from now on, beginning with the present ones."""
        self._telling = True
        for selection, guest in self._guests.items():
            if guest.query is None:
                self._tell(selection, guest)

    def unbind(self) -> None:
        """The compositor has gone, and its programs with it."""
        self._connection = None
        self._seats.clear()
        for selection in list(self._guests):
            self._forget(selection)
        self._telling = False

    def _add_seat(self, new: Global) -> None:
        if new.interface != WlSeat.name or self._connection is None:
            return
        wl_seat = self._connection.bind(new.number, WlSeat, 1)
        seat = SeatSelections(self._connection, self._manager, wl_seat, self)
        self._seats[new.number] = seat
        for selection, formats in self._offered.items():
            self._claim(seat, selection, formats)
        self._connection.flush()

    def _remove_seat(self, old: Global) -> None:
        if (seat := self._seats.get(old.number)) is not None:
            self.on_seat_gone(seat)

    def on_seat_gone(self, seat: SeatSelections) -> None:
        for number, known in list(self._seats.items()):
            if known is seat:
                del self._seats[number]
                seat.close()
        for selection, guest in list(self._guests.items()):
            if guest.seat is seat:
                self._forget(selection)

    # Guest programs own.

    def on_selection(self, seat: SeatSelections, selection: Selection, offer: Offer | None) -> None:
        marker = self._markers.get(selection)
        if offer is None:
            if (guest := self._guests.get(selection)) is not None and guest.seat is seat:
                self._forget(selection)
        elif marker is None or marker not in offer.mime_types:
            self._meet(selection, _GuestOwner(seat, offer))
        # else: ours, or a clipboard manager's copy of what is ours

    def _meet(self, selection: Selection, guest: _GuestOwner) -> None:
        self._drop_guest(selection)
        self._markers.pop(selection, None)
        self._offered.pop(selection, None)
        for seat in self._seats.values():
            if seat is not guest.seat:
                seat.release(selection)
        self._guests[selection] = guest
        if mime.SECRET_HINT in guest.offer.mime_types:
            guest.query = self._spawn(self._ask_hint(selection, guest))
        else:
            self._tell(selection, guest)

    async def _ask_hint(self, selection: Selection, guest: _GuestOwner) -> None:
        """Whether it is what a password manager hides; one that does not answer has reason to."""
        try:
            hint = await self._receive(guest.offer.request(mime.SECRET_HINT), mime.HINT_PATIENCE)
        except (DesktopError, OSError):
            hint = bytearray(mime.SECRET)
        guest.secret = hint.strip() == mime.SECRET
        guest.query = None
        self._tell(selection, guest)

    def _tell(self, selection: Selection, guest: _GuestOwner) -> None:
        if self._telling:
            self._listener.on_owner_changed(selection, tuple(guest.types), guest.secret)

    def _forget(self, selection: Selection) -> None:
        if self._drop_guest(selection) and self._telling:
            self._listener.on_owner_changed(selection, ())

    def _drop_guest(self, selection: Selection) -> bool:
        guest = self._guests.pop(selection, None)
        if guest is not None and guest.query is not None:
            guest.query.cancel()
        return guest is not None

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        guest = self._guests.get(selection)
        if guest is not None and guest.query is not None:
            await asyncio.wait([guest.query])
            guest = self._guests.get(selection)
        if guest is None:
            raise DesktopError(f"no guest program owns {selection.name}")
        if fmt not in guest.types or guest.query is not None:
            raise DesktopError(f"the owner of {selection.name} has no {fmt.value}")
        mime_type = guest.types[fmt]
        try:
            pipe = guest.offer.request(mime_type)
        except OSError as error:
            raise DesktopError(f"no pipe to read {selection.name}: {reason(error)}") from error
        return mime.decode(mime_type, await self._receive(pipe, self._patience))

    async def _receive(self, pipe: int, patience: Patience) -> bytearray:
        """What comes out of `pipe`, which is kept open for an owner that is late.

        wl-copy, when it has its text from the command line, dies of a pipe that nobody reads, and takes
        along what the user has copied.
        """
        late = os.dup(pipe)
        try:
            data = await pipes.receive(pipe, patience)
        except DesktopError:
            if len(self._late) >= MAX_LATE:
                os.close(late)
            else:
                task = self._spawn(pipes.discard(late))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            raise
        except BaseException:
            os.close(late)
            raise
        os.close(late)
        return data

    # We own.

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        self._drop_guest(selection)
        self._offered[selection] = tuple(formats)
        self._markers[selection] = MARKER + secrets.token_hex(8)
        for seat in self._seats.values():
            self._claim(seat, selection, formats)

    def _claim(self, seat: SeatSelections, selection: Selection, formats: Sequence[Format]) -> None:
        if selection in self.selections:
            send = partial(self._on_send, selection, frozenset(formats))
            seat.claim(selection, mime.offered_types(formats), self._markers[selection], send)

    def release(self, selection: Selection) -> None:
        self._offered.pop(selection, None)
        for seat in self._seats.values():
            seat.release(selection)

    def on_cancelled(self, seat: SeatSelections, selection: Selection, marker: str) -> None:
        if self._markers.get(selection) == marker:
            self._offered.pop(selection, None)

    def _on_send(
        self, selection: Selection, formats: frozenset[Format], mime_type: str, fd: int
    ) -> None:
        fmt = mime.format_of(mime_type)
        if len(self._tasks) >= MAX_PASTES:
            os.close(fd)
        elif mime_type.startswith(MARKER):
            # Not nothing: clipboard managers that copy what is ours leave out what is empty.
            self._spawn(self._send(fd, mime_type.encode()))
        elif fmt is None or fmt not in formats:
            os.close(fd)
        else:
            self._spawn(self._paste(selection, fmt, fd))

    async def _paste(self, selection: Selection, fmt: Format, fd: int) -> None:
        try:
            data = await self._listener.paste(selection, fmt)
        except BaseException:
            os.close(fd)
            raise
        await self._send(fd, data)

    async def _send(self, fd: int, data: Buffer) -> None:
        try:
            # A cut-off paste is worse than a late one, so the longer time counts at every step.
            await pipes.send(fd, data, self._patience.first_s)
        except DesktopError as error:
            log.info("clipboard: a paste was given up: %s", error)

    # Life.

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("clipboard: %s", error, exc_info=error)

    async def close(self) -> None:
        self._telling = False
        self._offered.clear()
        for seat in self._seats.values():
            seat.close()
        self.unbind()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
