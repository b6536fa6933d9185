# SPDX-License-Identifier: MIT
"""What do both wires make of any bytes? Events or our own errors, the same ones however they are cut."""

from __future__ import annotations

from typing import Any

from tests.support import wire
from vdagent.errors import FramingError, ProtocolError
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.chunks import headers
from vdagent.protocol.events import Broken, MouseStates
from vdagent.protocol.framing import FrameReader
from vdagent.protocol.host_connection import HostConnection
from vdagent.protocol.messages import MESSAGES, ClipboardPart, MouseState
from vdagent.protocol.udscs import HEADER, UdscsReader, decode_from_agent, decode_from_daemon
from vdagent.protocol.virtio_console import Event, GuestDriver

MARK = MouseState(4242, 2424, 0, 7)
MARK_BYTES = wire.mouse(MARK.x, MARK.y, MARK.buttons, MARK.display_id)
HELD = 4 << 20  # more than that no stream may hold: MAX_FILE_DATA


class Finding(AssertionError):
    """An invariant does not hold."""


def check(holds: object, what: str) -> None:
    """Raises Finding."""
    if not holds:
        raise Finding(what)


def flat(events: list[Any], into: list[Any]) -> None:
    """Append events however they were batched: states and bytes of parts run one by one."""
    for event in events:
        if isinstance(event, MouseStates):
            into += [MouseState(*state) for state in event.states]
        elif isinstance(event, ClipboardPart):
            data = b"".join(event.views)
            if into and isinstance(into[-1], bytes):
                into[-1] += data
            else:
                into.append(data)
        else:
            into.append(event)


def pieces(data: bytes, step: int) -> list[memoryview]:
    """`data` in pieces of `step` bytes."""
    view = memoryview(data)
    return [view[i : i + step] for i in range(0, len(view), step)]


def _host(parts: list[memoryview], caps: int) -> tuple[list[Any], HostConnection]:
    connection, events = HostConnection(), []  # type: tuple[HostConnection, list[Any]]
    connection.client = Capabilities(caps)
    for part in parts:
        flat(connection.receive_data(part), events)
        if events and isinstance(events[-1], Broken):
            break
    streams = connection._reader._streams
    check(sum(len(s._body) + len(s._cut_header) for s in streams) <= 3 * HELD, "memory")
    return events, connection


def chunk_stream(data: bytes) -> None:
    """Any bytes at the port, cut in two ways: the same events."""
    caps, step, data = int.from_bytes(data[:3], "little"), 1 + (data[3:4] or b"\0")[0], data[4:]
    whole, _ = _host([memoryview(data)], caps)
    cut, connection = _host(pieces(data, step), caps)
    check(whole == cut, f"cut at every {step} bytes: {cut}\nwhole: {whole}")
    connection.data_to_send()


def port_messages(data: bytes) -> None:
    """Whole messages with any type and body, then a pointer message, which has to be understood."""
    caps, data = int.from_bytes(data[:3], "little"), data[3:]
    stream = bytearray()
    while len(data) > 2:
        type_, size, port = data[0] % 20, data[1], data[2] % 3
        body, data = data[3 : 3 + size], data[3 + size :]
        stream += headers(type_, len(body), port) + body
    events, connection = _host([memoryview(bytes(stream) + MARK_BYTES)], caps)
    check(events and events[-1] == MARK, f"out of step: {events}")
    check(not any(isinstance(e, Broken) for e in events), "broken by whole messages")
    connection.data_to_send()


_BY_NUMBER = {int(type_): cls for type_, cls in MESSAGES.items()}


def decoders(data: bytes) -> None:
    """Every decoder of the port: the message says the same when it is sent again."""
    caps, body = Capabilities(int.from_bytes(data[:3], "little") | 1 << 14), memoryview(data)[4:]
    cls = _BY_NUMBER.get((data[3:4] or b"\0")[0] % 17)
    if cls is None:
        return
    try:
        msg = cls.decode(body, caps)
    except ProtocolError as error:
        check(not isinstance(error, FramingError), "a message may not break the stream")
    else:
        said = bytes(msg.encode(caps))
        check(bytes(cls.decode(said, caps).encode(caps)) == said, f"{msg} changes on its way")
        repr(msg)


def _udscs(decode: Any, parts: list[memoryview]) -> list[Any]:
    reader, events = UdscsReader(decode), []  # type: tuple[UdscsReader, list[Any]]
    try:
        for part in parts:
            flat(reader.receive_data(part), events)
    except FramingError as error:
        return [*events, error.message] if len(parts) != 1 else [error.message]
    frames: FrameReader = reader._frames
    check(len(frames._body) <= HELD, "memory")
    return events


def _udscs_both_ways(decode: Any, data: bytes) -> None:
    step, data = 1 + (data[:1] or b"\0")[0], data[1:]
    whole, cut = _udscs(decode, [memoryview(data)]), _udscs(decode, pieces(data, step))
    if whole and isinstance(whole[-1], str):
        # What came before the error in one read goes with the connection.
        check(cut[-1:] == whole[-1:], f"{cut} / {whole}")
    else:
        check(whole == cut, f"cut at every {step} bytes: {cut}\nwhole: {whole}")


def udscs_of_agent(data: bytes) -> None:
    """Any bytes from a session agent."""
    _udscs_both_ways(decode_from_agent, data)


def udscs_of_daemon(data: bytes) -> None:
    """Any bytes from a daemon."""
    _udscs_both_ways(decode_from_daemon, data)


def udscs_frames(data: bytes) -> None:
    """Whole frames of any type and body, to both ends: a daemon's are never a reason to hang up."""
    decode = decode_from_agent if data[:1] < b"\x80" else decode_from_daemon
    data = data[1:]
    reader = UdscsReader(decode)
    while len(data) > 3:
        type_, size, args, rest = data[0] % 16, data[1], data[2:4], data[4:]
        body, data = rest[:size], rest[size:]
        frame = HEADER.pack(type_, args[0] * 0x1010101, args[1] * 0x1000193, len(body)) + body
        try:
            events = reader.receive_data(memoryview(frame))
        except FramingError:
            check(decode is decode_from_agent, "hung up on the daemon")
            return
        check(len(events) == 1 and reader.idle, f"{events} of one frame")


_DRIVER_EVENTS = Event.__args__


def virtio_control(data: bytes) -> None:
    """Any control messages of a virtio-serial device."""
    driver = GuestDriver((data[:1] or b"\1")[0])
    data = data[1:]
    while data:
        size, message = data[0] % 40, data[1 : 1 + data[0] % 40]
        data = data[1 + size :]
        for event in driver.receive(message):
            check(isinstance(event, _DRIVER_EVENTS), f"{event}")
        check(len(driver.ports) <= driver.max_ports, "ports without end")
        check(len(driver.data_to_send()) <= 2, "answers without end")
