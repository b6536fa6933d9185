# SPDX-License-Identifier: MIT
"""How does a Clipboard message pass in parts, in and out? The same on both wires."""

from __future__ import annotations

from typing import Any

from .constants import MAX_CLIPBOARD
from .events import Skipped
from .messages import Buffer, Clipboard, ClipboardBegin, ClipboardEnd, ClipboardPart, kept

# Messages that wait behind a Clipboard message in parts. Its session is dropped when it stalls, so
# only a host that floods us meanwhile gets here; it loses replies, not data.
MAX_DEFERRED = 1024


class PartsIn:
    """Collects events; what FrameReader tells of a message that is too large to be held whole."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._swallow = False  # a Clipboard message in parts was refused
        self.collecting = False  # one that is to be passed on whole is half received

    def pass_in_parts(self) -> list[Any]:
        """Wait no longer for the end of the message that is being collected: it comes in parts."""
        self._events = []
        if self.collecting:
            self.collecting = False
            self._stop_collecting()
        return self._events

    def _stop_collecting(self) -> None:
        raise NotImplementedError

    def _begin_parts(self, name: str, selection: int, type_: int, size: int) -> None:
        self._swallow = size > MAX_CLIPBOARD
        if self._swallow:
            self._events.append(Skipped(f"{name}: {size} bytes, at most {MAX_CLIPBOARD}"))
            self._events.append(Clipboard(selection, type_, b""))
        else:
            self._events.append(ClipboardBegin(selection, type_, size))

    def part(self, view: memoryview) -> None:
        if self._swallow:
            return
        last = self._events[-1] if self._events else None
        if isinstance(last, ClipboardPart):
            last.views.append(view)
        else:
            self._events.append(ClipboardPart([view]))

    def end(self) -> None:
        if not self._swallow:
            self._events.append(ClipboardEnd())


class PartsOut:
    """Queues bytes; other messages wait until the last part has gone."""

    def __init__(self) -> None:
        self._out: list[Buffer] = []
        self._left_out = 0  # bytes of an outgoing Clipboard message still to come
        self._deferred: list[Any] = []

    @property
    def sending_parts(self) -> bool:
        """Whether a Clipboard message is on its way in parts; the wire cannot be used otherwise
        until its last byte, and has to be closed if that never comes."""
        return self._left_out > 0

    def send(self, msg: Any) -> None:
        """Queue a message."""
        raise NotImplementedError

    def _defer(self, msg: Any) -> None:
        if len(self._deferred) < MAX_DEFERRED:
            self._deferred.append(kept(msg))

    def send_part(self, part: ClipboardPart) -> None:
        """The next bytes of the Clipboard message."""
        self._out += part.views
        self._left_out -= sum(map(len, part.views))
        if not self._left_out:
            deferred, self._deferred = self._deferred, []
            for msg in deferred:
                self.send(msg)

    def data_to_send(self) -> list[Buffer]:
        """The bytes to write now, in order; they are forgotten here."""
        out, self._out = self._out, []
        return out
