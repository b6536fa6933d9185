# SPDX-License-Identifier: MIT
"""Does any cut of the host's stream give the same messages, and does a broken one end the connection?"""

from __future__ import annotations

import tracemalloc

import pytest

from tests.support import wire
from tests.support.wire import CLIENT, SERVER, Port, chunk, header, message, u32
from vdagent.protocol.constants import MAX_FILE_DATA, MAX_SMALL
from vdagent.protocol.events import Broken, MouseStates, Skipped
from vdagent.protocol.host_connection import Event, HostConnection
from vdagent.protocol.messages import (
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardPart,
    ClipboardRequest,
    MaxClipboard,
    MouseState,
)


def feed(connection: HostConnection, *pieces: bytes) -> list[Event]:
    """The events of `pieces`, one read each; parts as one bytes object each."""
    events: list[Event] = []
    for piece in pieces:
        events += flat(connection.receive_data(memoryview(piece)))
    return events


def flat(events: list[Event]) -> list[Event]:
    """The same events with the parts' views turned into what they show now."""
    return [
        ClipboardPart([memoryview(b"".join(e.views))]) if isinstance(e, ClipboardPart) else e
        for e in events
    ]


def full_chunks(data: bytes) -> list[bytes]:
    """A Clipboard message as its chunks."""
    stream, size = wire.clipboard(data), wire.MAX_CHUNK + 8
    return [stream[i : i + size] for i in range(0, len(stream), size)]


@pytest.fixture
def host() -> HostConnection:
    """A connection whose client can do what spice-gtk can."""
    connection = HostConnection()
    feed(connection, wire.announce(False))
    connection.data_to_send()
    return connection


def test_a_header_may_come_byte_by_byte(host: HostConnection) -> None:
    data = b"".join(chunk(CLIENT, bytes([b])) for b in header(14, 4) + u32(77))
    assert feed(host, data) == [MaxClipboard(77)]
    assert feed(host, *(bytes([b]) for b in data)) == [MaxClipboard(77)]


def test_zero_length_chunks_mean_nothing(host: HostConnection) -> None:
    empty = chunk(CLIENT, b"") + chunk(SERVER, b"") + chunk(0, b"")
    half = header(14, 4) + u32(5)[:2]
    data = empty + chunk(CLIENT, half) + empty + chunk(CLIENT, u32(5)[2:]) + empty
    assert feed(host, data) == [MaxClipboard(5)]


def test_ports_are_streams_of_their_own(host: HostConnection) -> None:
    request = header(8, 8) + u32(0, 1)
    mouse = wire.mouse(5, 6)
    limit = header(14, 4) + u32(9)
    data = (
        chunk(CLIENT, request[:7])
        + mouse
        + chunk(0, limit[:21])
        + chunk(CLIENT, request[7:22])
        + chunk(SERVER, header(13, 0))[:-1]
    )
    tail = chunk(SERVER, header(13, 0))[-1:]
    events = feed(host, data, tail)
    # The client's half message went with the client.
    assert events == [MouseStates([(5, 6, 0, 0)]), ClientDisconnected()]
    assert feed(host, wire.request(2)[:0] + chunk(0, limit[21:])) == [MaxClipboard(9)]


def test_interleaved_messages_both_arrive(host: HostConnection) -> None:
    request = header(8, 8) + u32(0, 1)
    mouse = header(1, 13) + wire.mouse(5, 6, 2, 3)[28:]
    data = b"".join(
        chunk(port, bytes([byte]))
        for pair in zip(request + bytes(5), mouse, strict=True)
        for port, byte in zip((CLIENT, SERVER), pair, strict=True)
    )
    # The padding starts another message of the client, which stays half.
    assert feed(host, data) == [ClipboardRequest(0, 1), MouseState(5, 6, 2, 3)]


def test_pointer_messages_of_one_read_come_together(host: HostConnection) -> None:
    data = wire.mouse(1, 2) + wire.mouse(3, 4, 2, 1) + wire.request(1) + wire.mouse(5, 6)
    assert feed(host, data) == [
        MouseStates([(1, 2, 0, 0), (3, 4, 2, 1)]),
        ClipboardRequest(0, 1),
        MouseStates([(5, 6, 0, 0)]),
    ]


def test_pointer_messages_before_a_break_still_count(host: HostConnection) -> None:
    events = feed(host, wire.mouse(1, 2) + chunk(7, bytes(40)))
    assert events[0] == MouseStates([(1, 2, 0, 0)])
    assert isinstance(events[1], Broken)


@pytest.mark.parametrize(("port", "size"), [(CLIENT, 2048), (SERVER, 2048), (0, 2048)])
def test_the_largest_chunk(host: HostConnection, port: int, size: int) -> None:
    body = bytes(2 * size - 20)
    events = feed(host, message(99, body, port, cut=size))
    assert [type(e) for e in events] == [Skipped]


@pytest.mark.parametrize(
    "data",
    [
        u32(CLIENT, 2049),
        u32(CLIENT, 0xFFFFFFFF),
        u32(3, 20),
        u32(0xFFFFFFFF, 20),
        chunk(CLIENT, header(14, 4) + u32(5) + b"x"),
        chunk(CLIENT, header(14, 4) + u32(5) + header(14, 4) + u32(6)),
        chunk(SERVER, header(13, 0) + b"x"),
        chunk(CLIENT, header(99, 1) + b"xy"),
    ],
    ids=["2049", "4GiB", "port 3", "port 4G", "tail", "two messages", "tail of none", "unknown"],
)
def test_a_broken_stream_is_reported_once_and_last(host: HostConnection, data: bytes) -> None:
    events = feed(host, data)
    assert [type(e) for e in events].count(Broken) == 1
    assert isinstance(events[-1], Broken)
    assert events[-1].reason.startswith("host: ")


def test_a_tail_is_noticed_although_the_chunk_is_not_there_yet(host: HostConnection) -> None:
    events = feed(host, u32(CLIENT, 30) + header(14, 4) + u32(5))
    assert events[0] == MaxClipboard(5)
    assert isinstance(events[1], Broken)


@pytest.mark.parametrize("type_", [0, 17, 1000, 0xFFFFFFFF])
def test_unknown_types_are_skipped(host: HostConnection, type_: int) -> None:
    events = feed(host, message(type_, bytes(5000)), message(14, u32(5)))
    assert isinstance(events[0], Skipped)
    assert events[1:] == [MaxClipboard(5)]


def test_another_protocol_is_skipped(host: HostConnection) -> None:
    body = header(14, 4, protocol=2) + u32(1)
    events = feed(host, chunk(CLIENT, body) + message(14, u32(5)))
    assert isinstance(events[0], Skipped)
    assert events[1:] == [MaxClipboard(5)]


@pytest.mark.parametrize("type_", sorted(Port))
def test_a_wrong_size_is_skipped(host: HostConnection, type_: int) -> None:
    size = 5 if type_ in (Port.GRAB, Port.CLIPBOARD) else 1
    events = feed(host, message(type_, bytes(size), SERVER) + message(14, u32(5)))
    assert [type(e) for e in events] == [Skipped, MaxClipboard]


@pytest.mark.parametrize("type_", [*sorted(Port), 0, 17])
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x10000009, MAX_FILE_DATA + 1])
def test_a_claim_of_gigabytes_allocates_nothing(
    host: HostConnection, type_: int, size: int
) -> None:
    tracemalloc.start()
    try:
        events = feed(host, chunk(CLIENT, header(type_, size) + bytes(2028)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
    if type_ == Port.CLIPBOARD and size <= 256 << 20:
        assert isinstance(events[0], ClipboardBegin)
    elif type_ == Port.CLIPBOARD and size > (256 << 20) + 8:
        # Whoever pastes it gets nothing, and at once.
        assert [type(e) for e in events] == [Skipped, Clipboard]
        assert events[1] == Clipboard(0, 0, b"")
    else:
        assert isinstance(events[0], Skipped)
    # What follows of the body, up to the next message, is still the body.
    assert all(isinstance(e, ClipboardPart) for e in feed(host, chunk(CLIENT, bytes(2048))))


@pytest.mark.parametrize(
    ("type_", "size"), [(Port.FILE_DATA, MAX_FILE_DATA), (Port.FILE_START, MAX_SMALL)]
)
def test_the_largest_messages(host: HostConnection, type_: int, size: int) -> None:
    events = feed(host, message(type_, bytes(size)))
    assert len(events) == 1
    assert not isinstance(events[0], Skipped)


def test_an_unfinished_message_is_none(host: HostConnection) -> None:
    data = message(14, u32(5))
    for end in range(len(data)):
        fresh = HostConnection()
        assert feed(fresh, data[:end]) == []
        assert feed(fresh, data[end:]) == [MaxClipboard(5)]


def test_clipboards_up_to_256_kib_come_whole(host: HostConnection) -> None:
    data = bytes(range(256)) * 1024
    assert feed(host, wire.clipboard(data[8:])) == [Clipboard(0, 1, data[8:])]


@pytest.mark.parametrize("cut", [2048, 2047, 21, 31])
def test_larger_ones_come_in_parts(host: HostConnection, cut: int) -> None:
    data = bytes(range(256)) * 1024 + b"the last"
    stream = message(Port.CLIPBOARD, u32(1, wire.PNG) + data, cut=cut)
    for size in (len(stream), 5000):
        events = feed(host, *(stream[i : i + size] for i in range(0, len(stream), size)))
        assert events[0] == ClipboardBegin(1, wire.PNG, len(data))
        assert events[-1] == ClipboardEnd()
        parts = [e for e in events if isinstance(e, ClipboardPart)]
        assert len(parts) == len(events) - 2
        assert b"".join(b"".join(p.views) for p in parts) == data


@pytest.mark.parametrize(
    "between",
    [wire.mouse(5, 6), chunk(SERVER, b""), chunk(0, bytes(20))],
    ids=["pointer", "empty", "unknown"],
)
def test_something_comes_between_the_full_chunks(host: HostConnection, between: bytes) -> None:
    data = bytes(range(251)) * 100
    pieces = full_chunks(data)
    for place in range(len(pieces) + 1):
        events = feed(host, b"".join([*pieces[:place], between, *pieces[place:]]))
        assert [e for e in events if isinstance(e, Clipboard)] == [Clipboard(0, 1, data)], place
        pointer = [e for e in events if isinstance(e, MouseStates)]
        assert pointer == [MouseStates([(5, 6, 0, 0)])] * (between == wire.mouse(5, 6))


def test_a_bad_chunk_between_the_full_ones_is_noticed(host: HostConnection) -> None:
    pieces = full_chunks(bytes(30_000))
    events = feed(host, b"".join([*pieces[:7], u32(CLIENT, 2049), *pieces[7:]]))
    assert [type(e) for e in events] == [Broken]


@pytest.mark.parametrize("end", [28, 29, 35, 36, 37, 500, 2056, 2084, 2085, 4000])
def test_a_smaller_one_that_comes_slowly_need_not_be_waited_for(
    host: HostConnection, end: int
) -> None:
    data = bytes(range(256)) * 16
    stream = wire.clipboard(data, wire.PNG, 1)
    assert feed(host, stream[:end]) == []
    assert host.collecting
    events = flat(host.pass_in_parts())
    assert flat(host.pass_in_parts()) == []
    events += feed(host, stream[end:], wire.clipboard(b"another"))
    assert events[0] == ClipboardBegin(1, wire.PNG, len(data))
    assert events[-2:] == [ClipboardEnd(), Clipboard(0, wire.TEXT, b"another")]
    parts = [e for e in events[1:-2] if isinstance(e, ClipboardPart)]
    assert b"".join(b"".join(p.views) for p in parts) == data
    assert len(parts) == len(events) - 3


def test_nothing_else_is_given_out_before_its_end(host: HostConnection) -> None:
    for half in (wire.clipboard(b""), wire.grab(0, 1), message(10, u32(7) + bytes(90))):
        feed(host, half[:-1])
        assert host.pass_in_parts() == []
        assert len(feed(host, half[-1:])) == 1
    feed(host, wire.clipboard(b"text")[:-1], message(13, b"", SERVER))
    assert host.pass_in_parts() == []


def test_parts_are_for_the_clients_stream_only(host: HostConnection) -> None:
    """Two large messages at once would be one another's content."""
    big = header(4, 8 + (1 << 19)) + u32(0, 1)
    events = feed(host, chunk(CLIENT, big + b"c") + chunk(SERVER, big + b"s") + chunk(0, big))
    assert [type(e) for e in events] == [ClipboardBegin, ClipboardPart, Skipped, Skipped]


def test_the_client_may_leave_in_the_middle_of_a_large_one(host: HostConnection) -> None:
    big = header(4, 8 + (1 << 19)) + u32(0, 1)
    events = feed(host, chunk(CLIENT, big + b"cc"), message(13, b"", SERVER), wire.announce(False))
    assert [type(e) for e in events[:3]] == [ClipboardBegin, ClipboardPart, ClientDisconnected]
    assert len(events) == 4
