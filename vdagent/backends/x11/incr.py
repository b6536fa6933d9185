# SPDX-License-Identifier: MIT
"""How does data that is too large for one request reach the program that pastes?

ICCCM 2.7.2: the property first says INCR; each time the requestor deletes it, the next increment is
put there, and an empty one ends the transfer. One increment is one ChangeProperty: xclip takes a
second one that only appends for the end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from Xlib import X
from Xlib.protocol import event, request

from ..base import Buffer
from .connection import XConnection

# The largest that fits every server's request without BIG-REQUESTS; 64 KiB halves the throughput.
INCREMENT = 262076
REQUEST_HEADER = 24

MAX_TRANSFERS = 256
MAX_PER_WINDOW = 64


class _Transfer:
    def __init__(self, kind: int, data: Buffer, now: float) -> None:
        self.kind = kind
        self.rest = memoryview(data)
        self.last_step = now


class IncrSender:
    """Puts data into properties of other programs' windows, in increments where it has to.

    A requestor that takes nothing for `patience_s`, or whose window is gone, is forgotten.
    """

    def __init__(self, x: XConnection, patience_s: float) -> None:
        self._x = x
        self._patience_s = patience_s
        self._increment = min(INCREMENT, x.max_request - REQUEST_HEADER)
        self._transfers: dict[int, dict[int, _Transfer]] = {}  # by window, by property
        self._timer: asyncio.TimerHandle | None = None
        x.subscribe(X.PropertyNotify, event.PropertyNotify, self._on_property)
        x.subscribe(X.DestroyNotify, event.DestroyNotify, self._on_destroy)

    def put(self, window: int, prop: int, kind: int, data: Buffer) -> bool:
        """Put `data` of type `kind` there, or start to; False if too much is under way already."""
        if len(data) <= self._increment:
            self._x.put(window, prop, kind, 8, bytes(data))
            return True
        of_window = self._transfers.get(window, {})
        total = sum(map(len, self._transfers.values()))
        if total >= MAX_TRANSFERS or len(of_window) >= MAX_PER_WINDOW:
            return False
        if not of_window:
            self._transfers[window] = of_window
            self._watch(window, X.PropertyChangeMask | X.StructureNotifyMask)
        of_window[prop] = _Transfer(kind, data, self._now())
        self._x.put(window, prop, self._x.atom("INCR"), 32, [len(data)])
        if self._timer is None:
            self._set_timer(self._patience_s)
        return True

    def close(self) -> None:
        """Forget every transfer."""
        self._transfers.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_property(self, e: Any) -> None:
        if e.state != X.PropertyDelete:
            return
        transfer = self._transfers.get(e.window, {}).get(e.atom)
        if transfer is None:
            return
        part = transfer.rest[: self._increment]
        transfer.rest = transfer.rest[len(part) :]
        transfer.last_step = self._now()
        self._x.put(e.window, e.atom, transfer.kind, 8, bytes(part))
        if not part:
            self._forget(e.window, e.atom)

    def _on_destroy(self, e: Any) -> None:
        self._transfers.pop(e.window, None)

    def _forget(self, window: int, prop: int) -> None:
        of_window = self._transfers[window]
        del of_window[prop]
        if not of_window:
            del self._transfers[window]
            self._watch(window, X.NoEventMask)

    def _watch(self, window: int, mask: int) -> None:
        self._x.send(request.ChangeWindowAttributes, window=window, attrs={"event_mask": mask})

    # Stalled requestors.

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _set_timer(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._drop_stalled)

    def _drop_stalled(self) -> None:
        self._timer = None
        oldest = self._now() - self._patience_s
        for window, of_window in list(self._transfers.items()):
            for prop, transfer in list(of_window.items()):
                if transfer.last_step <= oldest:
                    self._forget(window, prop)
        steps = [t.last_step for of in self._transfers.values() for t in of.values()]
        if steps:
            self._set_timer(max(0.01, min(steps) - oldest))
