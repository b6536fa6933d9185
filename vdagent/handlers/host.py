# SPDX-License-Identifier: MIT
"""What do the daemon's handlers need of the host's side?"""

from __future__ import annotations

from typing import Protocol

from ..protocol.capabilities import Capabilities
from ..protocol.messages import ClipboardBegin, ClipboardPart, Message


class Host(Protocol):
    """The connection to the host, as long as there is one; sending to a closed one does nothing."""

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        ...

    @property
    def client(self) -> Capabilities:
        """What the connected client announced."""
        ...

    @property
    def max_clipboard(self) -> int:
        """The most clipboard bytes the client takes, -1 for any number."""
        ...

    @property
    def sending_parts(self) -> bool:
        """Whether a Clipboard message to the host is half sent."""
        ...

    def send(self, msg: Message) -> None: ...

    def grab(self, selection: int, types: tuple[int, ...]) -> None: ...

    def send_begin(self, begin: ClipboardBegin) -> None: ...

    def send_part(self, part: ClipboardPart) -> None: ...

    def reopen(self, reason: str) -> None:
        """Close the port and open it again: a message to the host cannot be completed."""
