# SPDX-License-Identifier: MIT
"""The host, seen from the daemon: the port, and what is agreed on its present connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from .protocol.capabilities import NO_CAPABILITIES, Capabilities
from .protocol.host_connection import Event, HostConnection
from .protocol.messages import ClipboardBegin, ClipboardPart, Message
from .transport.virtio_port import VirtioPort

if TYPE_CHECKING:
    from .tap import Tap

log = logging.getLogger("host")

# Sessions are not read while 1 MiB waits for the host, but each that comes may say a little first: so
# much gets there only where somebody comes in a loop and the host reads nothing.
MOST_QUEUED = 16 * 1024 * 1024
# A Clipboard message that takes longer is passed on as it comes: whoever pastes waits for its first byte.
SLOW_S = 0.5


class HostLink:
    """Implements handlers.host.Host over the virtio port."""

    def __init__(
        self,
        path: str,
        on_events: Callable[[list[Event]], None],
        on_open: Callable[[], None],
        on_lost: Callable[[], None],
        on_drained: Callable[[], None],
    ) -> None:
        self._on_events, self._on_open, self._on_lost = on_events, on_open, on_lost
        self._connection: HostConnection | None = None
        self.port = VirtioPort(path, self._opened, self._received, self._lost, on_drained)
        self.is_wanted = False
        self._collecting = False
        self.tap: Tap | None = None  # an onlooker's
        self._slow: asyncio.TimerHandle | None = None

    # -- opening and closing ---------------------------------------------------------------------

    def open(self) -> None:
        """Have the port open from now on."""
        self.is_wanted = True
        self.port.open()

    def close(self) -> None:
        """Close the port; the host and its viewer see the agent go."""
        self.is_wanted = False
        if self.tap is not None and self.is_open:
            self.tap.closed("")
        self._connection = None
        self.port.close()

    def reopen(self, reason: str) -> None:
        """Make a new connection: this one is out of step."""
        self.port.reopen(reason)

    def _opened(self) -> None:
        self._connection = HostConnection()
        if self.tap is not None:
            self.tap.opened()
        self._on_open()

    def _lost(self, reason: str) -> None:
        self._connection = None
        if self.tap is not None:
            self.tap.closed(reason)
        self._on_lost()

    # -- the connection --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def client(self) -> Capabilities:
        return self._connection.client if self._connection else NO_CAPABILITIES

    @property
    def client_connected(self) -> bool:
        """Whether a viewer has announced itself."""
        return self._connection is not None and self._connection.client_connected

    @property
    def is_qemu(self) -> bool:
        """Whether the host is QEMU's own qemu-vdagent; known once it has announced itself."""
        return self._connection is not None and self._connection.is_qemu

    @property
    def max_clipboard(self) -> int:
        return self._connection.max_clipboard if self._connection else -1

    @property
    def sending_parts(self) -> bool:
        return self._connection is not None and self._connection.sending_parts

    @property
    def queued(self) -> int:
        """Bytes the host has not taken yet."""
        link = self.port.link
        return link.queued if link is not None else 0

    def pause(self, paused: bool) -> None:
        """Whether to leave the host's bytes where they are."""
        self.port.pause(paused)

    def _received(self, data: memoryview) -> None:
        if self._connection is not None:
            if self.tap is not None:
                self.tap.received(data, self._connection.idle)
            self._on_events(self._connection.receive_data(data))
            self._flush()
            if self._slow is None and self._connection is not None and self._connection.collecting:
                self._slow = asyncio.get_running_loop().call_later(SLOW_S, self._pass_in_parts)

    def _pass_in_parts(self) -> None:
        self._slow = None
        if self._connection is not None and (events := self._connection.pass_in_parts()):
            self._on_events(events)
            self._flush()

    def announce(self) -> None:
        if self._connection is not None:
            self._connection.announce()
            self._flush()

    def send(self, msg: Message) -> None:
        if self._connection is not None:
            log.debug("→ host %s", msg)
            self._connection.send(msg)
            self._flush()

    def grab(self, selection: int, types: tuple[int, ...]) -> None:
        if self._connection is not None:
            self._connection.grab(selection, types)
            self._flush()

    def send_begin(self, begin: ClipboardBegin) -> None:
        if self._connection is not None:
            self._connection.send_begin(begin)
            self._flush()

    def send_part(self, part: ClipboardPart) -> None:
        if self._connection is not None:
            self._connection.send_part(part)
            self._flush()

    def collect(self) -> None:
        """Write nothing until `flush`, so that many messages are one write."""
        self._collecting = True

    def flush(self) -> None:
        """Write what was collected. Content may be views of what was read: not later than that holds."""
        self._collecting = False
        self._flush()

    def _flush(self) -> None:
        if self._collecting:
            return
        if self._connection is not None and (data := self._connection.data_to_send()):
            if self.tap is not None:
                self.tap.sent(data, not self._connection.sending_parts)
            self.port.write(data)
            if self.queued > MOST_QUEUED:
                # From the loop: a handler is in the middle of sending.
                asyncio.get_running_loop().call_soon(self._drop_queue)

    def _drop_queue(self) -> None:
        if self.queued > MOST_QUEUED:
            self.port.reopen(f"{MOST_QUEUED >> 20} MiB wait for a host that does not read")
