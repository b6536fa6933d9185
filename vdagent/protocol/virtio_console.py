# SPDX-License-Identifier: MIT
"""What do guest driver and virtio-serial device say to each other about ports? (virtio 5.3.6.2)

Every control message is one buffer of a control queue: {u32 port, u16 event, u16 value}, tail.

    event         from    value               tail
    DEVICE_READY  guest   1                   -             port is BAD_PORT: "tell me your ports"
    PORT_ADD      host    -                   -
    PORT_REMOVE   host    -                   -
    PORT_READY    guest   1                   -             answers PORT_ADD; name and state follow
    CONSOLE_PORT  host    1                   -             guest answers PORT_OPEN 1
    RESIZE        host    -                   u16 columns, u16 rows
    PORT_OPEN     both    1 open, 0 closed    -
    PORT_NAME     host    1                   name, a NUL behind it from QEMU

A kernel sends PORT_OPEN when a process opens or closes the port's device node; it is what makes
spice-server tell its viewer "agent connected". The lab has no kernel and sends it itself.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from ..errors import ProtocolError

BAD_PORT: Final = 0xFFFFFFFF

# The specification sets no limit. Ours is what a file name may have, because a kernel and udev
# make the name a node below /dev/virtio-ports.
MAX_NAME: Final = 255

_HEADER: Final = Struct("<IHH")  # port, event, value
_SIZE: Final = Struct("<HH")  # columns, rows


class ControlEvent(IntEnum):
    """The `event` field."""

    DEVICE_READY = 0
    PORT_ADD = 1
    PORT_REMOVE = 2
    PORT_READY = 3
    CONSOLE_PORT = 4
    RESIZE = 5
    PORT_OPEN = 6
    PORT_NAME = 7


class ControlMessage(NamedTuple):
    """One message of a control queue; `event` is an int where we do not know it."""

    port: int
    event: int
    value: int
    tail: bytes = b""

    @classmethod
    def decode(cls, message: bytes) -> ControlMessage:
        """Raises ProtocolError if the header is not complete."""
        if len(message) < _HEADER.size:
            raise ProtocolError(f"control message of {len(message)} bytes, want {_HEADER.size}")
        port, event, value = _HEADER.unpack_from(message)
        return cls(port, event, value, message[_HEADER.size :])

    def encode(self) -> bytes:
        return _HEADER.pack(self.port, self.event, self.value) + self.tail


class PortAdded(NamedTuple):
    """The host offers a port; it may be opened from now on."""

    port: int


class PortRemoved(NamedTuple):
    """The port is gone (unplugged), whatever its state was."""

    port: int


class PortNamed(NamedTuple):
    """The port's name, for example com.redhat.spice.0."""

    port: int
    name: str


class ConsoleChosen(NamedTuple):
    """The host wants this port used as a console; it has been opened."""

    port: int


class PortResized(NamedTuple):
    """The size of a console port's window, in characters."""

    port: int
    columns: int
    rows: int


class HostOpened(NamedTuple):
    """The host listens: what the guest writes is read by somebody."""

    port: int


class HostClosed(NamedTuple):
    """The host hung up; the guest has to close the port and open it again."""

    port: int


class Skipped(NamedTuple):
    """A message that breaks the protocol; nothing has changed."""

    message: bytes
    reason: str


Event = (
    PortAdded
    | PortRemoved
    | PortNamed
    | ConsoleChosen
    | PortResized
    | HostOpened
    | HostClosed
    | Skipped
)


class Port:
    """What both sides have said about one port so far."""

    __slots__ = ("columns", "guest_open", "host_open", "is_console", "name", "number", "rows")

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""
        self.is_console = False
        self.columns = 0
        self.rows = 0
        self.host_open = False
        self.guest_open = False


class GuestDriver:
    """The guest's side of the conversation, without a device: bytes in, events and bytes out.

    Call start() once the queues run. Pass each message of the receiving control queue to
    receive(), and after every call put each message of data_to_send() into the sending one,
    a buffer each. `max_ports` is the device's own limit (max_nr_ports of its configuration).
    """

    def __init__(self, max_ports: int) -> None:
        self.max_ports = max_ports
        self.ports: dict[int, Port] = {}
        self._outgoing: list[bytes] = []

    def start(self) -> None:
        """Ask the device for its ports; forgets what was known of them."""
        self.ports.clear()
        self._send(BAD_PORT, ControlEvent.DEVICE_READY, 1)

    def open_port(self, number: int) -> None:
        """Tell the host that somebody uses the port; the host answers HostOpened if it listens."""
        self._set_guest_open(number, True)

    def close_port(self, number: int) -> None:
        """Tell the host that nobody uses the port any more."""
        self._set_guest_open(number, False)

    def data_to_send(self) -> list[bytes]:
        """Take the messages for the device, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def receive(self, message: bytes) -> list[Event]:
        """What the host's message means; one that breaks the protocol is reported as Skipped."""
        try:
            return self._handle(ControlMessage.decode(message))
        except ProtocolError as error:
            return [Skipped(message, error.message)]

    def _handle(self, message: ControlMessage) -> list[Event]:
        if message.event == ControlEvent.PORT_ADD:
            return self._add(message.port)
        port = self.ports.get(message.port)
        if port is None:
            raise ProtocolError(f"control event {message.event} for port {message.port}, not added")
        match message.event:
            case ControlEvent.PORT_REMOVE:
                del self.ports[port.number]
                return [PortRemoved(port.number)]
            case ControlEvent.CONSOLE_PORT:
                port.is_console = True
                self.open_port(port.number)
                return [ConsoleChosen(port.number)]
            case ControlEvent.RESIZE:
                return self._resize(port, message.tail)
            case ControlEvent.PORT_OPEN:
                port.host_open = bool(message.value)
                return [HostOpened(port.number) if message.value else HostClosed(port.number)]
            case ControlEvent.PORT_NAME:
                port.name = _name(message.tail)
                return [PortNamed(port.number, port.name)]
        raise ProtocolError(f"control event {message.event} is not one a host sends")

    def _add(self, number: int) -> list[Event]:
        if number >= self.max_ports:
            raise ProtocolError(f"port {number} added, but the device has {self.max_ports}")
        # A port that is added twice is only told READY again, as Linux does.
        known = number in self.ports
        if not known:
            self.ports[number] = Port(number)
        self._send(number, ControlEvent.PORT_READY, 1)
        return [] if known else [PortAdded(number)]

    def _resize(self, port: Port, tail: bytes) -> list[Event]:
        if len(tail) < _SIZE.size:
            raise ProtocolError(f"size of port {port.number} in {len(tail)} bytes")
        port.columns, port.rows = _SIZE.unpack_from(tail)
        return [PortResized(port.number, port.columns, port.rows)]

    def _set_guest_open(self, number: int, is_open: bool) -> None:
        port = self.ports.get(number)
        if port is None:
            raise ProtocolError(f"port {number} does not exist")
        port.guest_open = is_open
        self._send(number, ControlEvent.PORT_OPEN, int(is_open))

    def _send(self, port: int, event: ControlEvent, value: int) -> None:
        self._outgoing.append(ControlMessage(port, event, value).encode())


def _name(tail: bytes) -> str:
    """The name in a PORT_NAME tail; raises ProtocolError for one that is no good as a file name."""
    raw = tail.removesuffix(b"\0")
    if not 0 < len(raw) <= MAX_NAME:
        raise ProtocolError(f"port name of {len(raw)} bytes")
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("port name is not UTF-8") from error
    if not name.isprintable() or "/" in name:
        raise ProtocolError("port name has characters that a name cannot have")
    return name
