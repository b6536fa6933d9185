# SPDX-License-Identifier: MIT
"""Who owns the X11 selections, and what can be had from them?

XFixes tells of every change of owner. A new owner is asked for its TARGETS, once more if it is silent,
and the listener hears of it when it has answered; only the newest owner's answer counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from Xlib import X
from Xlib.ext import xfixes
from Xlib.protocol import request

from ...errors import DesktopError
from .. import mime
from ..base import (
    Buffer,
    ClipboardListener,
    Format,
    Patience,
    Selection,
)
from . import targets
from .connection import XConnection
from .owner import SelectionOwner
from .requestor import Converted, OwnerSilent, SelectionRequestor

# How often a new owner is asked, and how long it has to begin its answer: xclip 0.13 drops what it is
# asked while somebody, say a clipboard manager, takes a large copy from it.
TARGETS_S = (1.0, 2.0)
# A program that is busy with what it copied says what it has only then: in the meantime it has nothing.
BUSY_S = 120.0
SETTLE_S = sum(TARGETS_S) + 1.0
PROGRESS_S = 3.0
MAX_TARGETS = 256
XFIXES_EVENTS = 7  # owner set, owner's window destroyed, owner's connection closed

log = logging.getLogger(__name__)


class _GuestOwner:
    """A guest program that owns a selection: since when, and which target to read per format."""

    def __init__(self, time: int) -> None:
        self.time = time
        self.targets: dict[Format, int] = {}
        self.secret = False
        self.query: asyncio.Task[None] | None = None
        self.turn = asyncio.Lock()
        self.silent_at = 0.0  # when it last let a read time out


class X11Clipboard:
    """The X11 selections as a `base.Clipboard`."""

    selections = frozenset((Selection.CLIPBOARD, Selection.PRIMARY))

    def __init__(self, x: XConnection, listener: ClipboardListener, patience: Patience) -> None:
        self._x = x.share()
        self._listener = listener
        self._patience = patience
        self._atom_of = {s: x.atom(s.name) for s in self.selections}
        self._selection_of = {atom: s for s, atom in self._atom_of.items()}
        self._guests: dict[Selection, _GuestOwner] = {}
        self._closed = False
        self._requestor = SelectionRequestor(x)
        self._owner = SelectionOwner(x, self._selection_of, listener.paste, patience)

    @classmethod
    async def open(
        cls, x: XConnection, listener: ClipboardListener, patience: Patience
    ) -> X11Clipboard:
        """Start to watch; present owners are reported soon after this returns."""
        own = ["TARGETS", "MULTIPLE", "TIMESTAMP", "ATOM_PAIR", "INCR", "VDAGENT_SELECTION"]
        await x.atoms([*own, *(s.name for s in Selection), *targets.all_names()])
        clipboard = cls(x, listener, patience)
        await clipboard._watch()
        return clipboard

    async def _watch(self) -> None:
        extension = await self._x.extension("XFIXES")
        if extension is None:
            log.warning("the X server has no XFIXES: what guest programs copy is not seen")
            return
        # Every other request of the extension is a BadRequest before this one.
        await self._x.ask(
            xfixes.QueryVersion, opcode=extension.opcode, major_version=4, minor_version=0
        )
        self._x.subscribe(extension.first_event, xfixes.SelectionNotify, self._on_owner)
        for atom in self._selection_of:
            self._x.send(
                xfixes.SelectSelectionInput,
                opcode=extension.opcode,
                window=self._x.window,
                selection=atom,
                mask=XFIXES_EVENTS,
            )
        for selection, atom in self._atom_of.items():
            present = await self._x.ask(request.GetSelectionOwner, selection=atom)
            if present.owner not in (X.NONE, self._x.window) and selection not in self._guests:
                self._new_guest(selection, X.CurrentTime)

    # Owners.

    def _on_owner(self, e: Any) -> None:
        selection = self._selection_of.get(e.selection)
        if selection is None or self._closed:
            return
        former = self._guests.pop(selection, None)
        if former is not None and former.query is not None:
            former.query.cancel()
        if e.owner not in (X.NONE, self._x.window):
            self._new_guest(selection, e.selection_timestamp)
        elif e.owner == X.NONE and former is not None:
            self._listener.on_owner_changed(selection, ())

    def _new_guest(self, selection: Selection, time: int) -> None:
        guest = self._guests[selection] = _GuestOwner(time)
        guest.query = asyncio.get_running_loop().create_task(self._meet(selection, guest))

    async def _meet(self, selection: Selection, guest: _GuestOwner) -> None:
        """Ask a new owner what it has, and report it."""
        atoms: list[int] = []
        try:
            try:
                atoms = await self._targets(selection, guest, *TARGETS_S)
            except OwnerSilent:
                self._listener.on_owner_changed(selection, ())
                atoms = await self._targets(selection, guest, BUSY_S)
            names = await self._x.atom_names(atoms)
        except DesktopError as e:
            log.debug("%s: no targets: %s", selection.name, e)
            names = []
        atom_of = dict(zip(names, atoms, strict=False))
        guest.targets = {fmt: atom_of[name] for fmt, name in targets.choose(names).items()}
        guest.secret = await self._is_secret(selection, guest, atom_of)
        guest.query = None
        self._listener.on_owner_changed(selection, tuple(guest.targets), guest.secret)

    async def _targets(
        self, selection: Selection, guest: _GuestOwner, *patience_s: float
    ) -> list[int]:
        """The targets of an owner that is asked until it begins to answer, each time that long."""
        *again_s, last_s = patience_s
        for first_s in again_s:
            with suppress(OwnerSilent):
                return await self._ask(selection, guest, first_s)
        return await self._ask(selection, guest, last_s)

    async def _ask(self, selection: Selection, guest: _GuestOwner, first_s: float) -> list[int]:
        answer = await self._requestor.convert(
            self._atom_of[selection],
            self._x.atom("TARGETS"),
            guest.time,
            Patience(first_s, PROGRESS_S, max_bytes=1 << 20),
        )
        if answer.format != 32:
            return []
        whole = len(answer.data) // 4 * 4  # increments before the last may be of bytes
        return list(memoryview(answer.data)[:whole].cast("I"))[:MAX_TARGETS]

    async def _is_secret(
        self, selection: Selection, guest: _GuestOwner, atom_of: dict[str, int]
    ) -> bool:
        """Whether it is what a password manager hides; one that does not answer has reason to."""
        if mime.SECRET_HINT not in atom_of:
            return False
        try:
            answer = await self._requestor.convert(
                self._atom_of[selection], atom_of[mime.SECRET_HINT], guest.time, mime.HINT_PATIENCE
            )
        except DesktopError:
            return True
        return bytes(answer.data).strip() == mime.SECRET

    # base.Clipboard.

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        self._owner.offer(self._atom_of[selection], formats)

    def release(self, selection: Selection) -> None:
        self._owner.release(self._atom_of[selection])

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        loop, first_s = asyncio.get_running_loop(), self._patience.first_s
        began = loop.time()
        guest = await self._settled_guest(selection, first_s)
        if guest is None:
            raise DesktopError(f"no guest program owns {selection.name}")
        if fmt not in guest.targets:
            raise DesktopError(f"the owner of {selection.name} has no {fmt.value}")
        target = guest.targets[fmt]
        left_s = max(0.0, first_s - (loop.time() - began))
        answer = await self._convert(selection, guest, target, left_s)
        if answer.format != 8 and answer.data:
            raise DesktopError(f"the owner of {selection.name} answered with no bytes")
        # A new owner may have answered in place of this one: the listener hears first what that is.
        await self._settled_guest(selection, SETTLE_S)
        (name,) = await self._x.atom_names([target])
        return targets.decode(name, answer.data)

    async def _convert(
        self, selection: Selection, guest: _GuestOwner, target: int, first_s: float
    ) -> Converted:
        """One conversion at a time: xclip 0.13 drops the requests it gets during a transfer.

        Reads that waited for one that timed out fail with it, so that no wait adds up.
        """
        loop, patience = asyncio.get_running_loop(), self._patience._replace(first_s=first_s)
        began = loop.time()
        async with guest.turn:
            if guest.silent_at > began:
                raise OwnerSilent
            try:
                return await self._requestor.convert(
                    self._atom_of[selection], target, guest.time, patience
                )
            except OwnerSilent:
                guest.silent_at = loop.time()
                raise

    async def _settled_guest(self, selection: Selection, wait_s: float) -> _GuestOwner | None:
        """The owner, after it has said what it has if it has only just taken the selection."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while (guest := self._guests.get(selection)) is not None and guest.query is not None:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise OwnerSilent  # not even what it has
            await asyncio.wait([guest.query], timeout=left)
        return guest

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        queries = [guest.query for guest in self._guests.values() if guest.query is not None]
        for query in queries:
            query.cancel()
        if queries:
            await asyncio.wait(queries)
        self._guests.clear()
        await self._owner.close()
        self._x.leave()
