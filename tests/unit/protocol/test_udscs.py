# SPDX-License-Identifier: MIT
"""Has every message of the session socket the C peer's bytes, and does bad input end just one peer?"""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest

from tests.support.wire import Uds, frame, resolution, u32
from vdagent.errors import FramingError
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.constants import UdscsType
from vdagent.protocol.events import Skipped
from vdagent.protocol.messages import (
    AudioVolumeSync,
    ClientDisconnected,
    Clipboard,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardGrab,
    ClipboardPart,
    ClipboardRelease,
    ClipboardRequest,
    FileError,
    FileXferData,
    FileXferStart,
    FileXferStatus,
    GraphicsDevice,
    GraphicsDeviceInfo,
    MonitorConfig,
    MonitorsConfig,
    PhysicalSize,
)
from vdagent.protocol.udscs import FileXferDisable, GuestResolution, Screen, Version
from vdagent.protocol.udscs_connection import UdscsConnection

MONITOR = struct.pack("<IIIii", 768, 1024, 32, 0, 0)
DEVICE = u32(1, 0, 0, 0, 4) + b"pci\0"

# What either end says, and its frame.
BOTH_WAYS = [
    (ClipboardGrab(0, (1, 2)), frame(2, 0, 0, u32(1, 2))),
    (ClipboardGrab(1, ()), frame(2, 1)),
    (ClipboardRequest(1, 2), frame(3, 1, 2)),
    (Clipboard(1, 2, b"data"), frame(4, 1, 2, b"data")),
    (Clipboard(0, 1, b""), frame(4, 0, 1)),
    (ClipboardRelease(1), frame(5, 1)),
]
OF_AGENTS = [
    *BOTH_WAYS,
    (
        GuestResolution(1920, 768, (Screen(1024, 768, 0, 0, 0), Screen(0, 0, -5, 0, 1))),
        frame(0, 1920, 768, struct.pack("=10i", 1024, 768, 0, 0, 0, 0, 0, -5, 0, 1)),
    ),
    (GuestResolution(1, 1, ()), frame(0, 1, 1)),
    (FileXferStatus(7, 3), frame(9, 7, 3)),
    (FileXferStatus(7, 4, 1 << 40), frame(9, 7, 4, struct.pack("=Q", 1 << 40))),
]
OF_DAEMONS = [
    *BOTH_WAYS,
    (
        MonitorsConfig((MonitorConfig(1024, 768),)),
        frame(1, 0, 0, u32(1, 0) + MONITOR),
    ),
    (
        MonitorsConfig((MonitorConfig(1024, 768),), 2, (PhysicalSize(4, 3),)),
        frame(1, 0, 0, u32(1, 2) + MONITOR + bytes.fromhex("0300 0400")),
    ),
    (Version("0.22.1"), frame(6, 0, 0, b"0.22.1\0")),
    (AudioVolumeSync(True, False, (1, 2)), frame(7, 0, 0, bytes.fromhex("01 00 02 0100 0200"))),
    (FileXferStart(9, b"[x]"), frame(8, 0, 0, u32(9) + b"[x]\0")),
    (FileXferStatus(9, 1), frame(9, 0, 0, u32(9, 1))),
    (FileXferData(9, b"abc"), frame(10, 0, 0, u32(9) + struct.pack("<Q", 3) + b"abc")),
    (FileXferDisable(), frame(11)),
    (ClientDisconnected(), frame(12)),
    (
        GraphicsDeviceInfo((GraphicsDevice(0, 0, 0, "pci"),)),
        frame(13, 0, 0, u32(1, 0, 0, 0, 4) + b"pci\0"),
    ),
]


def receive(connection: UdscsConnection, *pieces: bytes) -> list[Any]:
    return [msg for piece in pieces for msg in connection.receive_data(memoryview(piece))]


def sent(connection: UdscsConnection) -> bytes:
    return b"".join(connection.data_to_send())


@pytest.mark.parametrize(("msg", "data"), OF_AGENTS)
def test_what_agents_say(msg: Any, data: bytes) -> None:
    agent, daemon = UdscsConnection.for_agent(), UdscsConnection.for_daemon()
    agent.send(msg)
    assert sent(agent) == data
    assert receive(daemon, data) == [msg]
    assert receive(daemon, *(bytes([b]) for b in data)) == [msg]


@pytest.mark.parametrize(("msg", "data"), OF_DAEMONS)
def test_what_daemons_say(msg: Any, data: bytes) -> None:
    agent, daemon = UdscsConnection.for_agent(), UdscsConnection.for_daemon()
    daemon.send(msg)
    assert sent(daemon) == data
    assert receive(agent, data) == [msg]
    assert receive(agent, *(bytes([b]) for b in data)) == [msg]


def test_all_fourteen_are_here() -> None:
    seen = {struct.unpack_from("=I", data)[0] for _, data in OF_AGENTS + OF_DAEMONS}
    assert seen == set(UdscsType) == set(range(14))


def test_a_clients_status_has_no_detail_for_an_agent() -> None:
    daemon = UdscsConnection.for_daemon()
    daemon.send(FileXferStatus(9, 2, None, FileError(0, 31)))
    assert sent(daemon) == frame(9, 0, 0, u32(9, 2))


def test_not_enough_space_without_the_figure_is_zero_bytes_free() -> None:
    daemon = UdscsConnection.for_daemon()
    assert receive(daemon, frame(9, 7, 4)) == [FileXferStatus(7, 4, 0)]
    assert receive(daemon, frame(9, 7, 4, b"xy")) == [FileXferStatus(7, 4, 0)]


def test_a_stored_config_comes_without_its_promised_sizes() -> None:
    """The C daemon re-sends 8 + 20 n bytes and leaves PHYSICAL_SIZE set."""
    data = frame(1, 0, 0, u32(1, 3) + MONITOR)
    assert receive(UdscsConnection.for_agent(), data) == [
        MonitorsConfig((MonitorConfig(1024, 768),), 1)
    ]


@pytest.mark.parametrize(
    "data",
    [
        frame(0),  # hello of agents of 2010
        frame(14),
        frame(0xFFFFFFFF, 1, 2, b"body"),
        *(frame(t) for t in (1, 6, 7, 8, 10, 11, 12, 13)),
    ],
)
def test_what_agents_do_not_say_is_skipped(data: bytes) -> None:
    daemon = UdscsConnection.for_daemon()
    events = receive(daemon, data + frame(3, 0, 1))
    assert [type(e) for e in events] == [Skipped, ClipboardRequest]


@pytest.mark.parametrize(
    "data",
    [
        frame(1),
        frame(1, 0, 0, u32(0x33333334, 0) + bytes(16)),
        frame(7),
        frame(7, 0, 0, bytes.fromhex("01 00 ff 0000")),
        frame(8),
        frame(9, 7, 3),  # what agents say
        frame(10),
        frame(10, 0, 0, u32(9) + struct.pack("<Q", 4) + b"abc"),
        frame(13),
        frame(13, 0, 0, u32(9) + DEVICE[4:]),
        frame(2, 0, 0, bytes(4 * 257)),
        frame(3, 0, 1, b"x"),
        frame(5, 0, 0, b"x"),
        frame(0, 1, 1, bytes(20)),
        frame(14),
    ],
)
def test_what_a_daemon_cannot_mean_is_skipped(data: bytes) -> None:
    agent = UdscsConnection.for_agent()
    events = receive(agent, data + frame(12))
    assert [type(e) for e in events] == [Skipped, ClientDisconnected]


@pytest.mark.parametrize(
    "data",
    [
        frame(0, 1024, 768, bytes(19)),
        frame(0, 1024, 768, bytes(21)),
        frame(0, 1024, 768, bytes(20 * 257)),
        frame(0, 0xFFFFFFFF, 768, bytes(20)),
        frame(0, 1024, 0x80000000, bytes(20)),
        frame(2, 0, 0, bytes(4 * 257)),
        frame(3, 0, 1, b"x"),
        frame(5, 0, 0, b"x"),
    ],
)
def test_an_agent_that_breaks_the_wire_has_to_go(data: bytes) -> None:
    with pytest.raises(FramingError, match="session socket: "):
        receive(UdscsConnection.for_daemon(), data)


@pytest.mark.parametrize("type_", [*sorted(Uds), 14, 0xFFFFFFFF])
@pytest.mark.parametrize("end", ["agent", "daemon"])
def test_a_claim_of_gigabytes_allocates_nothing(type_: int, end: str) -> None:
    connection = UdscsConnection.for_agent() if end == "agent" else UdscsConnection.for_daemon()
    data = struct.pack("=IIII", type_, 0, 1, 0xFFFFFFFF) + bytes(4096)
    tracemalloc.start()
    try:
        if type_ not in (Uds.DATA, 14, 0xFFFFFFFF):
            with pytest.raises(FramingError):
                receive(connection, data)
        else:
            events = receive(connection, data)
            kinds = [Skipped, Clipboard] if type_ == Uds.DATA else [Skipped]
            assert [type(e) for e in events] == kinds
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_selections_have_eight_bits() -> None:
    assert receive(UdscsConnection.for_daemon(), frame(3, 0x101, 1)) == [ClipboardRequest(1, 1)]


def test_grabs_with_a_cut_type() -> None:
    assert receive(UdscsConnection.for_daemon(), frame(2, 0, 0, u32(1) + b"xy")) == [
        ClipboardGrab(0, (1,))
    ]


def test_an_unfinished_message_is_none() -> None:
    daemon = UdscsConnection.for_daemon()
    assert receive(daemon, frame(4, 0, 1, b"x" * 4096)[:-1]) == []
    assert receive(daemon, b"x") == [Clipboard(0, 1, b"x" * 4096)]


@pytest.mark.parametrize("extra", [0, 1])
def test_parts_begin_above_256_kib(extra: int) -> None:
    data = bytes(range(256)) * 1024 + b"x" * extra
    stream = frame(4, 1, 2, data)
    daemon = UdscsConnection.for_daemon()
    events = []
    for i in range(0, len(stream), 99_999):
        for event in receive(daemon, stream[i : i + 99_999]):
            views = event.views if isinstance(event, ClipboardPart) else None
            events.append(b"".join(views) if views is not None else event)
    if not extra:
        assert events == [Clipboard(1, 2, data)]
    else:
        assert events[0] == ClipboardBegin(1, 2, len(data))
        assert b"".join(events[1:-1]) == data
        assert events[-1] == ClipboardEnd()


@pytest.mark.parametrize("end", [16, 17, 50])
def test_a_smaller_one_that_comes_slowly_need_not_be_waited_for(end: int) -> None:
    agent, stream = UdscsConnection.for_agent(), frame(4, 1, 2, bytes(range(40)))
    assert receive(agent, stream[:end]) == []
    begin, *parts = agent.pass_in_parts()
    assert begin == ClipboardBegin(1, 2, 40)
    assert agent.pass_in_parts() == []
    *more, last, another = receive(agent, stream[end:] + frame(5, 0))
    assert b"".join(b"".join(p.views) for p in parts + more) == bytes(range(40))
    assert (last, another) == (ClipboardEnd(), ClipboardRelease(0))


def test_others_wait_behind_a_message_in_parts() -> None:
    agent = UdscsConnection.for_agent()
    agent.send(ClipboardBegin(0, 1, 4))
    assert agent.sending_parts
    agent.send(FileXferStatus(1, 3))
    agent.send(ClipboardPart([memoryview(b"ab")]))
    agent.send(ClipboardRelease(0))
    agent.send(ClipboardPart([memoryview(b"c"), memoryview(b"d")]))
    agent.send(ClipboardEnd())
    assert bool(agent.sending_parts) is False
    assert sent(agent) == frame(4, 0, 1, b"abcd") + frame(9, 1, 3) + frame(5, 0)


def test_what_waits_is_bounded() -> None:
    daemon = UdscsConnection.for_daemon()
    daemon.send(ClipboardBegin(0, 1, 1))
    for _ in range(5000):
        daemon.send(ClientDisconnected())
    daemon.send(ClipboardPart([memoryview(b"x")]))
    assert len(sent(daemon)) < 2000 * 16


def test_a_resolution_report_is_what_the_helper_says() -> None:
    assert receive(UdscsConnection.for_daemon(), resolution(800, 600)) == [
        GuestResolution(800, 600, (Screen(800, 600, 0, 0, 0),))
    ]


def test_capabilities_play_no_part() -> None:
    """Bodies on this wire never have a selection prefix or a serial."""
    assert ClipboardGrab(1, (1,), 5).encode(Capabilities(0)) == u32(1)
    agent = UdscsConnection.for_agent()
    agent.send(ClipboardGrab(1, (1,), 5))
    assert sent(agent) == frame(2, 1, 0, u32(1))
