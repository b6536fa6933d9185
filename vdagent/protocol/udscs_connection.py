# SPDX-License-Identifier: MIT
"""What may be said when on one connection between daemon and session agent? Either end's half."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .messages import Buffer, ClipboardBegin, ClipboardPart, FileXferStatus, kept
from .udscs import (
    Message,
    UdscsReader,
    decode_from_agent,
    decode_from_daemon,
    encode,
    encode_agent_status,
)

# Messages that wait behind a Clipboard message in parts; see host_connection.MAX_DEFERRED.
MAX_DEFERRED = 1024


class UdscsConnection:
    """Both directions of one connection, sans-IO."""

    def __init__(
        self, decode: Callable[..., Any], encode_status: Callable[[FileXferStatus], list[Buffer]]
    ) -> None:
        self._reader = UdscsReader(decode)
        self._encode_status = encode_status
        self._out: list[Buffer] = []
        self._left_out = 0  # bytes of an outgoing Clipboard message still to come
        self._deferred: list[Message] = []

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

    @property
    def sending_parts(self) -> bool:
        """Whether an outgoing Clipboard message is not complete yet."""
        return self._left_out > 0

    def send(self, msg: Message) -> None:
        """Queue a message; behind a Clipboard message that is on its way in parts."""
        if isinstance(msg, ClipboardPart):
            self._send_part(msg)
        elif self._left_out:
            if len(self._deferred) < MAX_DEFERRED:
                self._deferred.append(kept(msg))
        elif isinstance(msg, FileXferStatus):
            self._out += self._encode_status(msg)
        else:
            self._out += encode(msg)
            if isinstance(msg, ClipboardBegin):
                self._left_out = msg.size

    def _send_part(self, part: ClipboardPart) -> None:
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
