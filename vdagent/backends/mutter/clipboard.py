# SPDX-License-Identifier: MIT
"""Who owns GNOME's clipboard, and how do we read and own it?

Mutter keeps a copy of what is copied: it reads one type of it at once, and owns the clipboard with
that when the owner goes (src/core/meta-clipboard-manager.c). So a new owner directly after none, with
nothing but one of the former owner's types, is the former owner still.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine, Sequence
from typing import Any

from ...errors import DesktopError
from .. import mime, pipes
from ..base import Buffer, ClipboardListener, Format, Patience, Selection
from ..dbus import Bus
from .service import Service
from .session import NAME, ClipboardSession

MAX_PASTES = 256
HINT = Patience(first_s=1.0, progress_s=1.0, max_bytes=64)
# Between "nobody owns it" and Mutter's copy lies nothing but the bus.
COPY_S = 0.2
# A type of which Mutter keeps no copy.
NOTHING = "application/x-vdagent-nothing"

log = logging.getLogger("mutter")


class _GuestOwner:
    """The program that owns the clipboard, and which MIME type to read per format."""

    def __init__(self, mime_types: Sequence[str]) -> None:
        self.mime_types = mime_types
        self.types = mime.choose(mime_types)
        self.query: asyncio.Task[None] | None = None  # is it a secret?
        self.going: asyncio.TimerHandle | None = None  # nobody owns it, or is it Mutter's copy?


class MutterClipboard:
    """CLIPBOARD as a `base.Clipboard`, in whichever session of Mutter's is open."""

    name = NAME
    selections = frozenset((Selection.CLIPBOARD,))

    def __init__(self, address: str, listener: ClipboardListener, patience: Patience) -> None:
        self._listener = listener
        self._patience = patience
        self._service = Service(address, self)
        self._session: ClipboardSession | None = None
        self._guest: _GuestOwner | None = None
        self._reading = asyncio.Lock()
        self._silent_at = 0.0  # when the owner last let a read time out
        self._wanted: tuple[Format, ...] | None = None  # what the viewer offers
        self._owned: tuple[Format, ...] | None = None  # what Mutter was told last
        self._settling: asyncio.Task[None] | None = None
        self._overtaken = False  # what is told now happened before we owned it
        self._early: list[tuple[str, int]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = False
        self.on_lost = lambda reason: None

    async def open(self) -> None:
        """Look for Mutter on the session bus. Raises DesktopError if it is not there."""
        await self._service.open()

    def deliver(self) -> None:
        """Tell of owners from now on, beginning with the present one."""
        self._telling = True
        if self._guest is not None and self._guest.query is None:
            self._tell(self._guest)

    # Mutter comes and goes.

    async def bind(self, bus: Bus) -> None:
        self._session = await ClipboardSession.open(bus, self)
        # What is owned now, if not by us, was copied after we were shut out.
        if self._guest is not None:
            self._wanted = None
        self._settle()

    def unbind(self) -> None:
        self._session = None
        self._owned = None
        self._overtaken = False
        self._early = None
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._forget()

    def lost(self, reason: str) -> None:
        self.on_lost(reason)

    def on_closed(self) -> None:
        self._service.end("Mutter has closed our clipboard session, as it does for a lock screen")

    # Guest programs own.

    def on_owner(self, mime_types: Sequence[str], ours: bool) -> None:
        former = self._guest
        if ours:
            self._overtaken = False
        elif self._overtaken or NOTHING in mime_types:
            pass
        elif not mime_types:
            self._owned = None
