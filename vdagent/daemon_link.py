# SPDX-License-Identifier: MIT
"""The daemon, seen from the session agent: one connection, made again for ever."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from .errors import FramingError, SessionError
from .protocol import udscs
from .protocol.udscs_connection import UdscsConnection
from .transport.link import Link
from .transport.unix_socket import connect

log = logging.getLogger("session")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0
# A connection that held that long was no failed attempt.
STABLE_S = 1.0


class DaemonLink:
    """Connects to the daemon's socket, with back-off, as often as it takes.

    `connection` is one that was made before; it is the first to be used.
    """

    def __init__(
        self,
        path: str,
        on_connected: Callable[[], None],
        on_messages: Callable[[list[udscs.FromDaemon]], None],
        on_lost: Callable[[], None],
        connection: socket.socket | None = None,
    ) -> None:
        self._path = path
        self._made = connection
        self._on_connected, self._on_messages, self._on_lost = on_connected, on_messages, on_lost
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._udscs = UdscsConnection.for_agent()
        self._retry_s = FIRST_RETRY_S
        self._timer: asyncio.TimerHandle | None = None
        self._complaint = ""
        self._since = 0.0

    def start(self) -> None:
        """Connect, now or as soon as the daemon is there."""
        self._timer = None
        try:
            connection, self._made = self._made or connect(self._path), None
        except SessionError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.warning("%s; trying again until it is", error)
            return self._retry()
        self._complaint = ""
        self._since = self._loop.time()
        self._udscs = UdscsConnection.for_agent()
        self._link = Link(connection.detach(), self._received, self._ended)
        log.info("session: connected to %s", self._path)
        self._on_connected()

    def send(self, msg: udscs.Message) -> None:
        """Queue a message; dropped while there is no connection."""
        if self._link is not None:
            self._udscs.send(msg)
            self._link.write(self._udscs.data_to_send())

    def pause(self, paused: bool) -> None:
        """Whether to leave the daemon's bytes where they are; a new connection is read."""
        if self._link is not None:
            if paused:
                self._link.pause_reading()
            else:
                self._link.resume_reading()

    def close(self) -> None:
        """End the connection and do not come back."""
        if self._made is not None:
            self._made.close()
            self._made = None
        if self._timer is not None:
            self._timer.cancel()
        if self._link is not None:
            self._link.close()
            self._link = None

    def _received(self, data: memoryview) -> None:
        try:
            messages = self._udscs.receive_data(data)
        except FramingError as error:
            return self._ended(error.message)
        # A paste waits for its first byte, and a daemon may have no more of it yet.
        self._on_messages(messages + self._udscs.pass_in_parts())

    def _ended(self, reason: str) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
            log.info("session: the daemon has gone%s", f": {reason}" if reason else "")
            if self._loop.time() - self._since >= STABLE_S:
                self._retry_s = FIRST_RETRY_S
            self._on_lost()
            self._retry()

    def _retry(self) -> None:
        self._timer = self._loop.call_later(self._retry_s, self.start)
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
