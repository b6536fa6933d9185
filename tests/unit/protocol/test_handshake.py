# SPDX-License-Identifier: MIT
"""Is every agreement made as the hosts expect it: capabilities, serials, the client's going?"""

from __future__ import annotations

import struct

import pytest

from tests.support import wire
from tests.support.wire import Port, u32
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.events import Skipped
from vdagent.protocol.host_connection import HostConnection
from vdagent.protocol.messages import (
    AnnounceCapabilities,
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
    FileXferStatus,
    Reply,
)

ANNOUNCE_1 = bytes.fromhex(
    "01000000 1c000000  01000000 06000000 0000000000000000 08000000  01000000 e7cd0300"
)
ANNOUNCE_0 = ANNOUNCE_1[:28] + bytes(4) + ANNOUNCE_1[32:]
QEMU_CAPS = 1 << 5 | 1 << 6 | 1 << 17  # qemu-vdagent: by demand, selection, serial


def sent(connection: HostConnection) -> bytes:
    return b"".join(connection.data_to_send())


def feed(connection: HostConnection, data: bytes) -> list[object]:
    return list(connection.receive_data(memoryview(data)))


@pytest.fixture
def host() -> HostConnection:
    """A connection whose client can do what spice-gtk can, after the handshake."""
    connection = HostConnection()
    connection.announce()
    feed(connection, wire.announce(True))
    sent(connection)
    return connection


def test_the_first_word() -> None:
    host = HostConnection()
    host.announce()
    assert sent(host) == ANNOUNCE_1


def test_a_request_is_answered_and_an_answer_is_not() -> None:
    host = HostConnection()
    feed(host, wire.announce(True))
    assert sent(host) == ANNOUNCE_0
    feed(host, wire.announce(False))
    assert sent(host) == b""
    assert host.client.bits == wire.VIEWER_CAPS
    assert host.client_connected


def test_an_answer_only_replaces_the_capabilities(host: HostConnection) -> None:
    host.grab(0, (1,))
    feed(host, wire.message(Port.MAX_CLIPBOARD, u32(7)))
    feed(host, wire.announce(False, 1 << 5))
    assert host.client.bits == 1 << 5
    assert host.max_clipboard == 7
    assert host._serials == {0: 1}


def test_qemus_own_client_gets_exactly_one_announce() -> None:
    host = HostConnection()
    host.announce()
    feed(host, wire.announce(True, QEMU_CAPS))
    feed(host, wire.announce(True, QEMU_CAPS))
    assert sent(host) == ANNOUNCE_1


def test_qemus_own_client_that_speaks_first_is_answered_once() -> None:
    host = HostConnection()
    feed(host, wire.announce(True, QEMU_CAPS))
    feed(host, wire.announce(True, QEMU_CAPS))
    assert sent(host) == ANNOUNCE_0


def test_capabilities_of_any_length() -> None:
    host = HostConnection()
    feed(host, wire.message(Port.ANNOUNCE, u32(0)))
    assert host.client == Capabilities(0)
    feed(host, wire.message(Port.ANNOUNCE, u32(0, 0, 0, 1)))
    assert host.client == Capabilities(1 << 64)


def test_a_client_that_goes_takes_its_agreements_along(host: HostConnection) -> None:
    host.grab(0, (1,))
    feed(host, wire.message(Port.MAX_CLIPBOARD, u32(7)))
    events = feed(host, wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER))
    assert events == [ClientDisconnected()]
    assert not host.client_connected
    assert host.client.bits == 0
    assert host.max_clipboard == -1
    feed(host, wire.announce(True))
    sent(host)
    host.grab(0, (1,))
    assert sent(host)[28:] == u32(0, 0, 1)


def test_the_clients_half_message_goes_with_it(host: HostConnection) -> None:
    half = wire.message(Port.REQUEST, u32(0, 1))[:-4]
    half = u32(1, len(half) - 8) + half[8:]
    feed(host, half + wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER))
    assert [type(e) for e in feed(host, wire.announce(True))] == [AnnounceCapabilities]


def grabs(connection: HostConnection, *serials: int, selection: int = 0) -> list[bool]:
    """Which client grabs with these serials are taken."""
    taken = []
    for serial in serials:
        (event,) = feed(connection, wire.grab(serial, wire.TEXT, selection=selection))
        assert isinstance(event, ClipboardGrab | Skipped)
        taken.append(isinstance(event, ClipboardGrab))
    return taken


def test_serials_count_both_sides_grabs(host: HostConnection) -> None:
    assert grabs(host, 0, 1) == [True, True]
    host.grab(0, (1, 2))
    assert sent(host)[28:] == u32(0, 2, 1, 2)
    assert grabs(host, 3, 5) == [True, False]


def test_both_grab_at_once_and_the_client_wins(host: HostConnection) -> None:
    host.grab(0, (1,))
    assert grabs(host, 0) == [True]
    host.grab(0, (1,))
    assert sent(host)[-4 - 8 :] == u32(0, 1, 1)


def test_a_stale_serial_is_skipped(host: HostConnection) -> None:
    for _ in range(3):
        host.grab(0, (1,))
    assert grabs(host, 1, 4, 0xFFFFFFFF) == [False, False, False]


def test_serials_wrap(host: HostConnection) -> None:
    assert grabs(host, 0xFFFFFFFF) == [True]  # one less than 0
    host._serials[0] = 0xFFFFFFFF
    assert grabs(host, 0xFFFFFFFF, 0) == [True, True]
    host._serials[1] = 0xFFFFFFFF
    host.grab(1, (1,))
    host.grab(1, (1,))
    assert sent(host)[28:40] == u32(1, 0xFFFFFFFF, 1)
    assert grabs(host, 1, selection=1) == [True]


def test_each_selection_has_its_serial(host: HostConnection) -> None:
    assert grabs(host, 0, 1) == [True, True]
    assert grabs(host, 0, selection=1) == [True]


def test_without_serials_every_grab_is_taken() -> None:
    host = HostConnection()
    feed(host, wire.announce(False, 1 << 5 | 1 << 6))
    grab = wire.message(Port.GRAB, u32(0, 1))
    assert feed(host, grab + grab) == [ClipboardGrab(0, (1,))] * 2


def test_before_any_announce_bodies_have_no_optional_parts() -> None:
    host = HostConnection()
    events = feed(host, wire.message(Port.GRAB, u32(1, 2)) + wire.message(Port.RELEASE))
    assert events == [ClipboardGrab(0, (1, 2)), ClipboardRelease(0)]
    host.grab(0, (1,))
    assert sent(host)[28:] == u32(1)


def messages_in(data: bytes) -> list[bytes]:
    """What spice-server's filter demands: one whole message per chunk, nothing else."""
    found = []
    while data:
        port, size = struct.unpack_from("<II", data)
        assert port == 1
        protocol, type_, opaque, body = struct.unpack_from("<IIQI", data, 8)
        assert (protocol, opaque, size) == (1, 0, 20 + body)
        assert len(data) >= 8 + size
        found.append(u32(type_) + data[28 : 8 + size])
        data = data[8 + size :]
    return found


def test_each_message_is_one_chunk(host: HostConnection) -> None:
    big = bytes(300_000)
    host.send(Reply(2, 1))
    host.send(Clipboard(0, 1, big))
    host.send(FileXferStatus(3, 0))
    host.send_begin(ClipboardBegin(1, 2, len(big)))
    host.send_part(ClipboardPart([memoryview(big)]))
    found = messages_in(sent(host))
    assert found == [
        u32(3, 2, 1),
        u32(4, 0, 1) + big,
        u32(11, 3, 0),
        u32(4, 1, 2) + big,
    ]


def test_every_write_starts_with_a_whole_header(host: HostConnection) -> None:
    host.send(ClipboardRequest(0, 1))
    host.send(Clipboard(0, 1, b"text"))
    first, head, body = host.data_to_send()
    assert (len(first), len(head), bytes(body)) == (8 + 20 + 8, 8 + 20 + 8, b"text")


def test_others_wait_behind_a_message_in_parts(host: HostConnection) -> None:
    host.send_begin(ClipboardBegin(0, 1, 6))
    assert host.sending_parts
    host.send(Reply(2, 1))
    host.grab(1, (1,))
    host.send_part(ClipboardPart([memoryview(b"abc")]))
    host.send(Clipboard(0, 2, b""))
    host.send_part(ClipboardPart([memoryview(b"d"), memoryview(b"ef")]))
    assert bool(host.sending_parts) is False
    assert messages_in(sent(host)) == [
        u32(4, 0, 1) + b"abcdef",
        u32(3, 2, 1),
        u32(7, 1, 0, 1),
        u32(4, 0, 2),
    ]


def test_what_waits_is_bounded(host: HostConnection) -> None:
    host.send_begin(ClipboardBegin(0, 1, 1))
    for _ in range(5000):
        host.send(Reply(2, 1))
    host.send_part(ClipboardPart([memoryview(b"x")]))
    assert 100 < len(messages_in(sent(host))) < 2000


@pytest.mark.parametrize("caps", [1 << 5, 1 << 5 | 1 << 6])
def test_an_empty_message_does_not_jam_the_port(caps: int) -> None:
    host = HostConnection()
    feed(host, wire.announce(False, caps))
    host.send(ClipboardRelease(0))
    host.grab(0, ())
    host.send(Reply(2, 1))
    selection = u32(0) if caps & 1 << 6 else b""
    assert messages_in(sent(host)) == [u32(9) + selection, u32(7) + selection, u32(3, 2, 1)]
