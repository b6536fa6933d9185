# SPDX-License-Identifier: MIT
"""One session agent's connection, seen from the daemon: its link, its half of udscs, its state."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .backends.base import Login
from .errors import FramingError
from .protocol.messages import ClipboardPart, FileXferData
from .protocol.udscs import GuestResolution, Message
from .protocol.udscs_connection import UdscsConnection
from .session_facts import SessionFacts
from .transport.link import Link
from .transport.peers import Peer

if TYPE_CHECKING:
    from .control import Caller
    from .tap import Tap

log = logging.getLogger("session")

# A slow session slows the port down once this much waits for it, and is dropped if it then takes
# nothing at all for STALL_S: slow is not hung.
FULL = 16 * 1024 * 1024
# Less of files: what is copied meanwhile waits behind them, for as long as a slow disk takes.
FULL_OF_FILES = 1024 * 1024
STALL_S = 5.0


class AgentLink:
    """Implements handlers.sessions.Agent over a UNIX socket.

    Nothing is read from it before `admit`; what it says meanwhile waits in the socket.
    """

    def __init__(
        self,
        connection: socket.socket,
        peer: Peer,
        on_messages: Callable[[AgentLink, list[Any]], None],
        on_gone: Callable[[AgentLink], None],
        on_drained: Callable[[], None],
        on_full: Callable[[AgentLink], None] = lambda link: None,
    ) -> None:
        self.peer = peer
        self.login: Login | None = None
        self.desktop: GuestResolution | None = None
        self.offers: dict[int, tuple[int, ...]] = {}
        self.facts = SessionFacts()
        self.control: Caller | None = None  # its connection to the control socket
        self.tap: Tap | None = None  # an onlooker's
        self._on_messages, self._on_gone = on_messages, on_gone
        self._on_drained, self._on_full = on_drained, on_full
        self._udscs = UdscsConnection.for_daemon()
        self._stalled_at = -1  # bytes sent when the queue was found full
        self._gone = False
        self._admitted = self._paused = self._held = False
        self._loop = asyncio.get_running_loop()
        self.link = Link(connection.detach(), self._received, self._ended, self._drained)
        self.link.pause_reading()
        self.link.room = FULL

    def __str__(self) -> str:
        return f"session agent (pid {self.peer.pid}, uid {self.peer.uid})"

    @property
    def pointer_scales(self) -> Mapping[int, float]:
        """Of its displays; 1 for those that are not in it."""
        return self.facts.pointer_scales

    @property
    def pointer_transforms(self) -> Mapping[int, int]:
        """Of its displays; 0 for those that are not in it."""
        return self.facts.pointer_transforms

    @property
    def is_gone(self) -> bool:
        """Whether its connection has ended."""
        return self._gone

    @property
    def is_full(self) -> bool:
        """Whether so much waits for it that no more should be read for it."""
        return self.link.queued >= self.link.room

    @property
    def is_heard(self) -> bool:
        """Whether what it says is read at present."""
        return self._admitted and not (self._paused or self._held)

    @property
    def sending_parts(self) -> bool:
        """Whether a Clipboard message to it is not complete yet."""
        return self._udscs.sending_parts

    def send(self, msg: Message) -> None:
        """Queue a message; the agent is dropped if it has stopped taking any."""
        if not isinstance(msg, ClipboardPart):
            log.debug("→ session pid %d: %s", self.peer.pid, msg)
        if isinstance(msg, FileXferData):
            self.link.room = FULL_OF_FILES
        self._udscs.send(msg)
        data = self._udscs.data_to_send()
        if self.tap is not None:
            self.tap.sent(data, not self._udscs.sending_parts)
        self.link.write(data)
        if self.is_full:
            self._on_full(self)
            if self._stalled_at < 0:
                self._stalled_at = self.link.sent
                self._loop.call_later(STALL_S, self._check_stall)

    def admit(self) -> None:
        """Let it speak."""
        self._admitted = True
        self.pause(self._paused)

    def hold(self) -> None:
        """Leave the agent's bytes where they are until it has read what waits for it."""
        self._held = True
        self.pause(self._paused)

    def _drained(self) -> None:
        if not self.link.queued:
            self.link.room = FULL
            if self._held:
                self._held = False
                self.pause(self._paused)
        self._on_drained()

    def pause(self, paused: bool) -> None:
        """Whether to leave the agent's bytes where they are."""
        self._paused = paused
        if paused or self._held or not self._admitted:
            self.link.pause_reading()
        else:
            self.link.resume_reading()

    def _check_stall(self) -> None:
        if self.link.closed or not self.is_full:
            self._stalled_at = -1
        elif self.link.sent == self._stalled_at:
            waits = self.link.queued >> 20
            self.drop(f"it took nothing for {STALL_S:.0f} s with {waits} MiB waiting")
        else:
            self._stalled_at = self.link.sent
            self._loop.call_later(STALL_S, self._check_stall)

    def drop(self, reason: str, level: int = logging.WARNING) -> None:
        """End the connection."""
        if not self._gone:
            log.log(level, "session: dropped the %s: %s", self, reason)
            self._finish()

    def close(self) -> None:
        """End the connection without a word; nothing is called any more."""
        self._gone = True
        self.link.close()
        self.peer.close()

    def _received(self, data: memoryview) -> None:
        if self.tap is not None:
            self.tap.received(data, self._udscs.idle)
        try:
            events = self._udscs.receive_data(data)
        except FramingError as error:
            return self.drop(error.message)
        self._on_messages(self, events)

    def _ended(self, reason: str) -> None:
        if not self._gone:
            # Who never reported a screen was never here: connecting in a loop must not fill the log.
            level = logging.INFO if self.desktop else logging.DEBUG
            log.log(level, "session: the %s left%s", self, f": {reason}" if reason else "")
            self._finish()

    def _finish(self) -> None:
        self._gone = True
        if self.tap is not None:
            self.tap.closed("")
        self.link.close()
        self.peer.close()
        # From the loop: a handler may be in the middle of sending to this very agent.
        self._loop.call_soon(self._on_gone, self)
