# SPDX-License-Identifier: MIT
"""What does an onlooker see of one wire? Its link shows the bytes that pass, and makes lines of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import capture
from .capture import Line
from .protocol.messages import Buffer
from .protocol.trace import Item, Trace


class Tap:
    """Shown all that passes on one wire; `of` says in each line which one that is."""

    def __init__(
        self, tell: Callable[[Line], None], of: Line, peer: str, trace: Trace, *, sends: bool
    ) -> None:
        self._tell, self._of, self._peer = tell, of, peer
        # A trace has to start between two messages, in each direction.
        self._trace, self._reads, self._sends = trace, False, sends

    def opened(self) -> None:
        """The port has a new connection."""
        self._trace, self._reads, self._sends = Trace.of_port(), True, True
        self._tell({**self._of, "event": "opened"})

    def closed(self, reason: str) -> None:
        """The connection has ended."""
        self._tell({**self._of, "event": "closed", "reason": reason})

    def received(self, data: memoryview, idle: bool) -> None:
        """Bytes from the peer; `idle`: they start a message."""
        self._reads = self._reads or idle
        if self._reads:
            self._pass_on(self._peer, self._trace.received(data))

    def sent(self, buffers: Sequence[Buffer], idle: bool) -> None:
        """Bytes to the peer; `idle`: they end one."""
        if self._sends:
            self._pass_on("daemon", self._trace.sent(buffers))
        self._sends = self._sends or idle

    def _pass_on(self, sender: str, items: list[Item]) -> None:
        for item in items:
            self._tell(capture.line({**self._of, "from": sender}, item))
