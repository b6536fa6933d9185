# SPDX-License-Identifier: MIT
"""What is agreed between this guest, the host and its client, and what may be said when?

One instance per connection of the port: capabilities, grab serials and the clipboard limit belong to
a client and go with it. Feed it the host's bytes, act on the events, write what it has to send.
"""

from __future__ import annotations

from ..errors import FramingError, ProtocolError
from .capabilities import NO_CAPABILITIES, OURS, Capabilities
from .chunks import ChunkReader, Mouse, headers
from .constants import (
    MAX_CLIPBOARD,
    MAX_FILE_DATA,
    MAX_SMALL,
    WHOLE_CLIPBOARD,
    Capability,
    ChunkPort,
    MessageType,
)
from .events import Broken, MouseStates, Skipped
from .framing import Body, Plan, skip
from .messages import (
    MESSAGES,
    AnnounceCapabilities,
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    MaxClipboard,
    Message,
)
from .parts import PartsIn, PartsOut

_LIMITS = {
    MessageType.CLIPBOARD: MAX_CLIPBOARD,
    MessageType.FILE_XFER_DATA: MAX_FILE_DATA,
}
_SERIALS = 1 << 32


Event = Message | MouseStates | ClipboardBegin | ClipboardPart | ClipboardEnd | Skipped | Broken


class HostConnection(PartsIn, PartsOut):
    """The agent's side of the port, sans-IO."""

    def __init__(self, ours: Capabilities = OURS) -> None:
        PartsIn.__init__(self)
        PartsOut.__init__(self)
        self.ours = ours
        self.client = NO_CAPABILITIES
        self.client_connected = False
        self.announced = False
        self.max_clipboard = -1
        self._serials: dict[int, int] = {}
        self._reader = ChunkReader(self)
        self._begin_caps = NO_CAPABILITIES

    # -- what the host says ----------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no message of the host is half received."""
        return self._reader.idle

    def receive_data(self, data: memoryview) -> list[Event]:
        """Take bytes from the host; what they mean, in order.

        Content may be views of `data`: use or copy it before that is filled again.
        """
        self._events = []
        try:
            self._reader.feed(data)
        except FramingError as error:
            self._events.append(Broken(error.message))
        return self._events

    def _stop_collecting(self) -> None:
        self._reader.stop_collecting(self._head_size())

    def _head_size(self) -> int:
        return len(Clipboard(0, 0, b"").head(self._begin_caps))

    def mouse(self, states: list[Mouse]) -> None:
        self._events.append(MouseStates(states))

    def plan(self, port: int, type_: int, size: int) -> Plan:
        cls = MESSAGES.get(type_)  # type: ignore[call-overload]  # any u32 may come
        if cls is None:
            self._events.append(Skipped(f"unknown message type {type_}, {size} bytes"))
            return skip(size)
        limit = _LIMITS.get(type_, MAX_SMALL)  # type: ignore[call-overload]
        if type_ == MessageType.CLIPBOARD and size > WHOLE_CLIPBOARD:
            if port != ChunkPort.CLIENT_PORT:  # two at once would become one another's content
                self._events.append(Skipped(f"CLIPBOARD: {size} bytes on port {port}"))
                return skip(size)
            self._begin_caps = self.client
            return Plan(size, self._head_size())
        if size > limit:
            self._events.append(Skipped(f"{cls.TYPE.name}: {size} bytes, at most {limit}"))
            return skip(size)
        if type_ == MessageType.CLIPBOARD and port == ChunkPort.CLIENT_PORT:
            self._begin_caps = self.client
            self.collecting = size > self._head_size()
        return Plan(size, size)

    def begin(self, type_: int, size: int, collected: bytearray) -> None:
        head = Clipboard.decode(collected, self._begin_caps)
        size -= len(collected)
        self._begin_parts("CLIPBOARD", head.selection, head.type, size)

    def whole(self, port: int, type_: int, body: Body) -> None:
        cls = MESSAGES[MessageType(type_)]
        if cls is Clipboard and port == ChunkPort.CLIENT_PORT:
            self.collecting = False
        try:
            self._handle(cls.decode(memoryview(body), self.client))
        except ProtocolError as error:
            self._events.append(Skipped(error.message))

    def _handle(self, msg: Message) -> None:
        if isinstance(msg, AnnounceCapabilities):
            return self._on_announce(msg)
        if isinstance(msg, ClipboardGrab) and not self._in_turn(msg):
            self._events.append(Skipped(f"CLIPBOARD_GRAB with stale serial {msg.serial}"))
            return
        if isinstance(msg, ClientDisconnected):
            self._reader.reset_client()
            self.collecting = False
            self._forget_client()
        elif isinstance(msg, MaxClipboard):
            self.max_clipboard = msg.max
        self._events.append(msg)

    def _on_announce(self, msg: AnnounceCapabilities) -> None:
        if msg.request:
            self._forget_client()
        self.client = msg.capabilities
        self.client_connected = True
        self._events.append(msg)
        if msg.request and not (self.is_qemu and self.announced):
            self.send(AnnounceCapabilities(False, self.ours))
            self.announced = True

    def _forget_client(self) -> None:
        self.client = NO_CAPABILITIES
        self.client_connected = False
        self.max_clipboard = -1
        self._serials.clear()

    def _in_turn(self, grab: ClipboardGrab) -> bool:
        """Whether a client's grab is not older than ours. Equal: its turn; one less: both grabbed
        at once, and the client wins; others are stale (spice-gtk and the C daemon agree)."""
        if grab.serial is None:
            return True
        expected = self._serials.get(grab.selection, 0)
        if grab.serial == expected:
            self._serials[grab.selection] = (expected + 1) % _SERIALS
            return True
        return grab.serial == (expected - 1) % _SERIALS

    @property
    def is_qemu(self) -> bool:
        """Whether the host is QEMU's own qemu-vdagent: it knows neither monitors nor replies.

        From QEMU 10 a second ANNOUNCE on one connection makes it close the port.
        """
        return not (
            self.client.has(Capability.MONITORS_CONFIG) or self.client.has(Capability.REPLY)
        )

    # -- what we say -----------------------------------------------------------------------------

    def announce(self) -> None:
        """Say what we can do and ask for the client's capabilities: our first word on a port."""
        self.announced = True
        self.send(AnnounceCapabilities(True, self.ours))

    def grab(self, selection: int, types: tuple[int, ...]) -> None:
        """Offer `types` to the client, with the serial it expects."""
        serial = self._serials.get(selection, 0)
        self._serials[selection] = (serial + 1) % _SERIALS
        self.send(ClipboardGrab(selection, types, serial))

    def send(self, msg: Message) -> None:
        """Queue one message; behind the rest of a Clipboard message that is on its way in parts."""
        if self._left_out:
            self._defer(msg)
        elif isinstance(msg, Clipboard):
            head = msg.head(self.client)
            self._out.append(headers(msg.TYPE, len(head) + len(msg.data)) + head)
            self._out.append(msg.data)
        else:
            body = msg.encode(self.client)
            self._out.append(headers(msg.TYPE, len(body)) + body)

    def send_begin(self, begin: ClipboardBegin) -> None:
        """Start a Clipboard message whose `size` bytes follow by `send_part`."""
        head = Clipboard(begin.selection, begin.type, b"").head(self.client)
        self._out.append(headers(MessageType.CLIPBOARD, len(head) + begin.size) + head)
        self._left_out = begin.size
