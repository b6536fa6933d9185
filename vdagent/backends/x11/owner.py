# SPDX-License-Identifier: MIT
"""How do we own a selection for the viewer and answer the programs that paste?

Data is asked of the listener only when a program wants it, once per request, any number at a time.
Ownership is claimed with the server's own time, and requests from before it are refused (ICCCM 2.1,
2.2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from Xlib import X, Xatom
from Xlib.protocol import event, request

from ...errors import DesktopError
from ..base import Buffer, Format, Patience, Selection
from . import targets
from .connection import XConnection
from .incr import IncrSender

MAX_REQUESTS = 256  # answers under way at once
MAX_PAIRS = 64  # in one MULTIPLE

log = logging.getLogger(__name__)

Paste = Callable[[Selection, Format], Awaitable[Buffer]]


class _Offer:
    """What we offer in one selection; `time` is since when we own it, None until we do."""

    def __init__(self, formats: Sequence[Format], time: int | None) -> None:
        self.formats = tuple(formats)
        self.time = time
        self.claiming = True

    def covers(self, time: int) -> bool:
        """Whether a request made at `time` is meant for us."""
        return self.time is not None and (time == X.CurrentTime or not is_before(time, self.time))


class SelectionOwner:
    """Owns selections, each named by its atom in `selections`, and serves what they offer."""

    def __init__(
        self, x: XConnection, selections: dict[int, Selection], paste: Paste, patience: Patience
    ) -> None:
        self._x = x
        self._selections = selections
        self._paste = paste
        self._offers: dict[int, _Offer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # A requestor that is dropped shows its user a cut-off paste, so it gets the longer time
        # at every step.
        self._sender = IncrSender(x, patience.first_s)
        self._targets = {x.atom(name): name for name in targets.all_names()}
        x.subscribe(X.SelectionRequest, event.SelectionRequest, self._on_request)
        x.subscribe(X.SelectionClear, event.SelectionClear, self._on_clear)

    def offer(self, selection: int, formats: Sequence[Format]) -> None:
        """Own `selection`, which takes a round trip to the server for its time."""
        former = self._offers.get(selection)
        offer = _Offer(formats, former.time if former is not None else None)
        self._offers[selection] = offer
        self._spawn(self._claim(selection, offer))

    def release(self, selection: int) -> None:
        """Stop owning `selection`; a program that has taken it meanwhile keeps it."""
        offer = self._offers.pop(selection, None)
        if offer is not None and offer.time is not None:
            self._set_owner(selection, X.NONE, offer.time)

    async def close(self) -> None:
        """Stop serving; requests under way are refused."""
        for selection in list(self._offers):
            self.release(selection)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._sender.close()

    # Owning.

    async def _claim(self, selection: int, offer: _Offer) -> None:
        time = await self._x.server_time()
        if self._offers.get(selection) is not offer:
            return
        offer.time = time
        offer.claiming = False
        self._set_owner(selection, self._x.window, time)
        answer = await self._x.ask(request.GetSelectionOwner, selection=selection)
        if answer.owner != self._x.window and self._offers.get(selection) is offer:
            del self._offers[selection]  # a guest program was later than us, by the server's clock

    def _set_owner(self, selection: int, window: int, time: int) -> None:
        self._x.send(request.SetSelectionOwner, window=window, selection=selection, time=time)

    def _on_clear(self, e: Any) -> None:
        offer = self._offers.get(e.atom)
        if offer is None or offer.time is None or is_before(e.time, offer.time):
            return
        if offer.claiming:
            offer.time = None  # a newer offer is on its way to take the selection back
        else:
            del self._offers[e.atom]

    # Serving.

    def _on_request(self, e: Any) -> None:
        offer = self._offers.get(e.selection)
        if offer is not None and len(self._tasks) < MAX_REQUESTS and offer.covers(e.time):
            self._spawn(self._serve(e, offer))
        else:
            self._answer(e, X.NONE)

    async def _serve(self, e: Any, offer: _Offer) -> None:
        prop = e.property or e.target  # clients from before ICCCM name no property (2.2)
        done = False
        try:
            if e.target != self._x.atom("MULTIPLE"):
                done = await self._convert(e, offer, e.target, prop)
            elif e.property:
                done = await self._convert_all(e, offer)
        finally:
            self._answer(e, prop if done else X.NONE)

    async def _convert(self, e: Any, offer: _Offer, target: int, prop: int) -> bool:
        """Put `target`'s data into the requestor's property; False if we do not have it."""
        name = self._targets.get(target, "")
        fmt = targets.format_of(name)
        if target == self._x.atom("TARGETS"):
            names = ["TARGETS", "MULTIPLE", "TIMESTAMP", *targets.offered_names(offer.formats)]
            self._x.put(e.requestor, prop, Xatom.ATOM, 32, [self._x.atom(n) for n in names])
        elif target == self._x.atom("TIMESTAMP"):
            self._x.put(e.requestor, prop, Xatom.INTEGER, 32, [offer.time or 0])
        elif fmt in offer.formats and fmt is not None:
            data = await self._paste(self._selections[e.selection], fmt)
            if not len(data) and fmt is not Format.TEXT:
                return False  # no text is a text, no picture is none
            kind, data = targets.encode(name, data)
            return self._sender.put(e.requestor, prop, self._x.atom(kind), data)
        else:
            return False
        return True

    async def _convert_all(self, e: Any, offer: _Offer) -> bool:
        """MULTIPLE: a list of (target, property); those we cannot serve get property None."""
        pairs = await self._x.ask(
            request.GetProperty,
            delete=0,
            window=e.requestor,
            property=e.property,
            type=X.AnyPropertyType,
            long_offset=0,
            long_length=2 * MAX_PAIRS,
        )
        if not pairs.value or pairs.value[0] != 32:
            return False
        numbers = list(pairs.value[1])
        wanted = list(zip(numbers[::2], numbers[1::2], strict=False))
        done = await asyncio.gather(
            *(self._convert_one_of(e, offer, target, prop) for target, prop in wanted)
        )
        answer = [
            number
            for (target, prop), ok in zip(wanted, done, strict=True)
            for number in (target, prop if ok else X.NONE)
        ]
        self._x.put(e.requestor, e.property, self._x.atom("ATOM_PAIR"), 32, answer)
        return True

    async def _convert_one_of(self, e: Any, offer: _Offer, target: int, prop: int) -> bool:
        if not prop or target == self._x.atom("MULTIPLE"):
            return False
        return await self._convert(e, offer, target, prop)

    def _answer(self, e: Any, prop: int) -> None:
        notice = event.SelectionNotify(
            time=e.time,
            requestor=e.requestor,
            selection=e.selection,
            target=e.target,
            property=prop,
        )
        self._x.send(
            request.SendEvent,
            propagate=False,
            destination=e.requestor,
            event_mask=X.NoEventMask,
            event=notice,
        )

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (e := task.exception()) is not None:
            if not isinstance(e, DesktopError):
                raise e
            log.debug("a selection request was not served: %s", e)


def is_before(time: int, other: int) -> bool:
    """Whether one server time lies before another; they wrap around every 49.7 days."""
    return time != other and (other - time) & 0xFFFFFFFF < 0x80000000
