# SPDX-License-Identifier: MIT
"""What may be said when on one connection between daemon and session agent? Either end's half."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .messages import Buffer, ClipboardBegin, ClipboardPart, FileXferStatus
from .parts import PartsOut
from .udscs import (
    Decode,
    Message,
    UdscsReader,
    decode_from_agent,
    decode_from_daemon,
    encode,
    encode_agent_status,
)


class UdscsConnection(PartsOut):
    """Both directions of one connection, sans-IO."""

    def __init__(
        self, decode: Decode, encode_status: Callable[[FileXferStatus], list[Buffer]]
    ) -> None:
        super().__init__()
        self._reader = UdscsReader(decode)
        self._encode_status = encode_status

    @classmethod
    def for_daemon(cls) -> UdscsConnection:
        """The daemon's end."""
        return cls(decode_from_agent, encode)

    @classmethod
    def for_agent(cls) -> UdscsConnection:
        """The session agent's end."""
        return cls(decode_from_daemon, encode_agent_status)

    @property
    def idle(self) -> bool:
        """Whether no message of the peer is half received."""
        return self._reader.idle

    def receive_data(self, data: memoryview) -> list[Any]:
        """Take bytes; the messages in them. Raises FramingError if the peer has to go."""
        return self._reader.receive_data(data)

    def pass_in_parts(self) -> list[Any]:
        """Wait no longer for the end of a Clipboard message that is half received."""
        return self._reader.pass_in_parts()

    def send(self, msg: Message) -> None:
        """Queue a message; behind a Clipboard message that is on its way in parts."""
        if isinstance(msg, ClipboardPart):
            self.send_part(msg)
        elif self._left_out:
            self._defer(msg)
        elif isinstance(msg, FileXferStatus):
            self._out += self._encode_status(msg)
        else:
            self._out += encode(msg)
            if isinstance(msg, ClipboardBegin):
                self._left_out = msg.size
