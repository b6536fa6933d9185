# SPDX-License-Identifier: MIT
"""Does the daemon, as a process, serve on after everything that broke the C peer's, and bad input at large?

Each test does the worst it can, then a copy and a paste have to pass through both ways.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wire
from tests.support.processes import wait_for
from tests.support.rig import Agent, Rig
from tests.support.wire import CLIENT, SERVER, Port, Uds, chunk, frame, header, message, u32


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def reconnect(rig: Rig) -> None:
    """The daemon gave the port up, came back at once and announced once."""
    start = time.monotonic()
    rig.host.stream.wait_closed()
    rig.host.hang_up()
    rig.host.greet()
    assert time.monotonic() - start < 5
    assert rig.host.fence() == []


# -- sessions that break their wire (reference: use after free, lost re-evaluation) ---------------

BAD_FRAMES = {
    "a resolution of 19 bytes": frame(Uds.RESOLUTION, 800, 600, bytes(19)),
    "a resolution of a million screens": frame(Uds.RESOLUTION, 800, 600, bytes(20 * 3000)),
    "a resolution nobody can have": frame(Uds.RESOLUTION, 0xFFFFFFFF, 0xFFFFFFFF, bytes(20)),
    "a request with a payload": frame(Uds.REQUEST, 0, 1, b"x"),
    "a release with a payload": frame(Uds.RELEASE, 0, 0, b"x"),
    "a grab of 300 types": frame(Uds.GRAB, 0, 0, bytes(1200)),
    "4 GiB of resolution": struct.pack("=IIII", Uds.RESOLUTION, 1, 1, 0xFFFFFFFF),
    "4 GiB of status": struct.pack("=IIII", Uds.FILE_STATUS, 1, 1, 0xFFFFFFFF),
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_an_active_session_that_breaks_the_wire(rig: Rig, bad: bytes) -> None:
    agent = rig.ready()
    rig.host.send(message(Port.FILE_START, u32(7) + b"x\0"))
    agent.until(Uds.FILE_START)
    agent.send(bad)
    agent.wait_closed()
    # Its transfer ends, then nobody is active: the port closes.
    assert rig.host.expect(Port.FILE_STATUS) == u32(7, 1)
    rig.host.stream.wait_closed()
    rig.host.hang_up()
    other = rig.agent()
    rig.host.greet()
    rig.still_serves(other)


def test_and_one_in_the_background(rig: Rig) -> None:
    first = rig.agent()
    active = rig.ready()
    first.send(BAD_FRAMES["a request with a payload"])
    first.wait_closed()
    rig.still_serves(active)


@pytest.mark.parametrize("type_", [Uds.DATA, Uds.GRAB, Uds.RESOLUTION])
def test_a_short_body_and_then_nothing(rig: Rig, type_: int) -> None:
    """The C daemon sent the host what happened to lie in memory."""
    first = rig.agent()
    active = rig.ready()
    rig.host.send(wire.request(wire.TEXT))
    active.until(Uds.REQUEST)
    active.send(struct.pack("=IIII", type_, 0, 1, 4096) + b"short")
    active.close()
    # The request is answered for it, and the session before speaks again.
    assert rig.host.expect(Port.CLIPBOARD) == u32(0, wire.TEXT)
    rig.still_serves(first)


def half_a_large_answer(rig: Rig) -> Agent:
    """An agent that has said half of what the viewer asked it for."""
    agent = rig.ready()
    rig.host.send(wire.request(wire.TEXT))
    agent.until(Uds.REQUEST)
    agent.send(struct.pack("=IIII", Uds.DATA, 0, 1, 1 << 20) + bytes(1 << 19))
    return agent


def the_port_comes_back(rig: Rig) -> None:
    rig.host.stream.wait_closed()
    rig.host.hang_up()
    other = rig.agent()
    rig.host.greet()
    rig.still_serves(other)


def test_a_large_body_cut_short_costs_the_port_only(rig: Rig) -> None:
    half_a_large_answer(rig).close()
    the_port_comes_back(rig)


def test_a_large_body_that_stops_costs_the_session_and_the_port(rig: Rig) -> None:
    """The viewer waits for the rest without end, and nothing else could be said to the host."""
    half_a_large_answer(rig).wait_closed()
    the_port_comes_back(rig)


def test_a_claim_of_4_gib_of_clipboard(rig: Rig) -> None:
    agent = rig.ready()
    before = rig.memory_kib()
    rig.host.send(wire.request(wire.TEXT))
    agent.until(Uds.REQUEST)
    agent.send(struct.pack("=IIII", Uds.DATA, 0, 1, 0xFFFFFFFF) + bytes(1 << 20))
    assert rig.host.expect(Port.CLIPBOARD) == u32(0, wire.TEXT)
    assert rig.memory_kib() - before < 8000
    agent.close()
    rig.host.stream.wait_closed()


def test_frames_agents_do_not_send(rig: Rig) -> None:
    agent = rig.ready()
    for type_ in (1, 6, 7, 8, 10, 11, 12, 13, 14, 99, 0xFFFFFFFF):
        agent.say(type_, 1, 2, b"whatever")
    agent.say(Uds.RESOLUTION)
    agent.say(Uds.GRAB, 2, 0, u32(1))
    agent.say(Uds.RELEASE, 255)
    rig.still_serves(agent)


def test_statuses_of_transfers_nobody_started(rig: Rig) -> None:
    """CVE-2020-25650: the C daemon remembered every one of them."""
    agent = rig.ready()
    agent.send(b"".join(frame(Uds.FILE_STATUS, i, 0) for i in range(20_000)))
    assert agent.fence() == []
    before = rig.memory_kib()
    agent.send(b"".join(frame(Uds.FILE_STATUS, i, 0) for i in range(20_000, 60_000)))
    assert agent.fence() == []
    assert rig.memory_kib() - before < 1500
    rig.still_serves(agent)


def test_no_space_without_the_figure(rig: Rig) -> None:
    """The C daemon sent 8 bytes of its memory."""
    agent = rig.ready()
    rig.host.send(message(Port.FILE_START, u32(7) + b"x\0"))
    agent.until(Uds.FILE_START)
    agent.say(Uds.FILE_STATUS, 7, 4)
    assert rig.host.expect(Port.FILE_STATUS) == u32(7, 4) + bytes(8)
    rig.still_serves(agent)


def test_no_space_with_the_figure(rig: Rig) -> None:
    agent = rig.ready()
    rig.host.send(message(Port.FILE_START, u32(7) + b"x\0"))
    agent.until(Uds.FILE_START)
    agent.say(Uds.FILE_STATUS, 7, 4, struct.pack("=Q", 123456789))
    assert rig.host.expect(Port.FILE_STATUS) == u32(7, 4) + struct.pack("<Q", 123456789)


def test_129_connections(rig: Rig) -> None:
    agent = rig.ready()
    more = [rig.agent(reports=False) for _ in range(128)]
    more[127].wait_closed()
    rig.still_serves(agent)
    more[0].close()

    def room() -> Agent | None:
        candidate = rig.agent(reports=False)
        candidate.send(frame(Uds.REQUEST, 2, 1))
        try:
            candidate.expect(Uds.DATA)
        except Exception:
            return None
        return candidate

    assert wait_for(room, what="a place becomes free")
    rig.still_serves(agent)


def test_a_flood_of_connections(rig: Rig) -> None:
    agent = rig.ready()
    for _ in range(500):
        Agent(rig.socket).close()
    rig.still_serves(agent)


# -- hosts that break theirs ---------------------------------------------------------------------

BROKEN_STREAMS = {
    "a chunk of 2049 bytes": u32(CLIENT, 2049),
    "a chunk of 4 GiB": u32(CLIENT, 0xFFFFFFFF),
    "a chunk for port 3": u32(3, 20),
    "two messages in a chunk": chunk(CLIENT, header(13, 0) + header(13, 0)),
    "a tail": chunk(SERVER, header(Port.MOUSE_STATE, 13) + bytes(14)),
}


@pytest.mark.parametrize("bad", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_out_of_step_is_made_anew(rig: Rig, bad: bytes) -> None:
    agent = rig.ready()
    rig.host.send(bad)
    reconnect(rig)
    assert agent.expect(Uds.CLIENT_DISCONNECTED)
    rig.still_serves(agent)


def test_every_type_in_every_wrong_size(rig: Rig) -> None:
    agent = rig.ready()
    for type_ in (*range(18), 1000, 0xFFFFFFFF):
        for size in (0, 1, 2, 3, 5, 7, 9, 14, 100):
            # The right ones mean something, and what they mean is not the question here.
            right = {13: 0, 2: 8, 7: 9, 4: 9, 6: 4, 10: 4, 11: 8, 12: 12, 14: 4, 16: 4}
            if type_ in (2, 4, 6, 7, 8, 10, 12, 13, 16) and size >= right.get(type_, 8):
                continue
            rig.host.send(message(type_, b"\xff" * size))
    assert [m.type for m in rig.host.fence()] == []
    rig.still_serves(agent)


def test_another_protocol(rig: Rig) -> None:
    agent = rig.ready()
    rig.host.send(chunk(CLIENT, header(Port.GRAB, 12, protocol=2) + u32(0, 0, 1)))
    assert rig.host.fence() == []
    rig.still_serves(agent)


OVERFLOWS = {
    "monitors": (Port.MONITORS_CONFIG, u32(0x33333334, 0) + bytes(16)),
    "monitors, 4 G": (Port.MONITORS_CONFIG, u32(0xFFFFFFFF, 0) + bytes(20)),
    "physical sizes": (Port.MONITORS_CONFIG, u32(1, 2) + bytes(20)),
    "file data": (Port.FILE_DATA, u32(7) + struct.pack("<Q", 4096) + b"four"),
    "file data, 2^64": (Port.FILE_DATA, u32(7) + struct.pack("<Q", (1 << 64) - 1) + b"four"),
    "volumes": (Port.AUDIO, b"\1\0\xff\0\0"),
    "devices": (Port.DEVICE_INFO, u32(0xFFFFFFFF) + bytes(16)),
    "an address": (Port.DEVICE_INFO, u32(1, 0, 0, 0, 0xFFFFFFFF) + b"pci"),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_counts_that_overflow(rig: Rig, name: str) -> None:
    """Nothing of it reaches the session: the C agent believes every count."""
    agent = rig.ready()
    rig.host.send(message(Port.FILE_START, u32(7) + b"x\0"))
    agent.until(Uds.FILE_START)
    type_, body = OVERFLOWS[name]
    rig.host.send(message(type_, body))
    assert [m.type for m in rig.host.fence()] == []
    agent.expect(Uds.MONITORS_CONFIG)  # the fence's
    rig.still_serves(agent)


@pytest.mark.parametrize("type_", sorted(Port))
def test_a_claim_of_4_gib(rig: Rig, type_: int) -> None:
    """CVE-2026-57965: 16 + size wrapped to a small buffer; and the daemon took the memory."""
    agent = rig.ready()
    before = rig.memory_kib()
    port = SERVER if type_ in (Port.MOUSE_STATE, Port.DEVICE_INFO) else CLIENT
    rig.host.send(chunk(port, header(type_, 0xFFFFFFF0) + bytes(2028)))
    rig.host.send(chunk(port, bytes(2048)) * 500)
    rig.host.send(wire.message(Port.MAX_CLIPBOARD, u32(0xFFFFFFFF), 0))
    rig.host.send(message(Port.MONITORS_CONFIG, u32(0, 0), 0))
    rig.host.until(Port.REPLY)
    assert rig.memory_kib() - before < 8000
    rig.host.hang_up()
    rig.host.greet()
    rig.still_serves(agent)


def test_a_release_without_a_body_does_not_jam_the_port(rig: Rig) -> None:
    """A client without SELECTION: the C daemon is mute from here on."""
    agent = rig.ready(caps=1 << 1 | 1 << 2 | 1 << 5)
    agent.say(Uds.GRAB, 0, 0, u32(1))
    assert rig.host.expect(Port.GRAB) == u32(1)
    agent.say(Uds.RELEASE, 0)
    agent.say(Uds.GRAB, 0)
    assert rig.host.expect(Port.RELEASE) == b""
    assert rig.host.expect(Port.GRAB) == b""
    rig.host.send(message(Port.REQUEST, u32(1)))
    agent.until(Uds.REQUEST)
    agent.say(Uds.DATA, 0, 1, b"text")
    assert rig.host.expect(Port.CLIPBOARD) == u32(1) + b"text"


def test_a_host_that_hangs_up_twice_without_a_word(rig: Rig) -> None:
    agent = rig.ready()
    for _ in range(2):
        rig.host.hang_up()
        assert rig.host.stream
    rig.host.hang_up()
    rig.host.greet()
    rig.still_serves(agent)


def test_a_message_cut_by_a_hang_up(rig: Rig) -> None:
    agent = rig.ready()
    for end in (9, 20, 28, 33, 37):
        rig.host.send(wire.clipboard(b"half a message")[:end])
        rig.host.hang_up()
        rig.host.greet()
    frames = agent.fence()
    assert {f.type for f in frames} == {Uds.CLIENT_DISCONNECTED}
    rig.still_serves(agent)


def test_a_host_that_asks_and_never_reads(rig: Rig) -> None:
    agent = rig.ready()
    before = rig.memory_kib()
    rig.host.stream.flood(wire.request(wire.TEXT, 2) * 2000)
    assert rig.memory_kib() - before < 32_000
    assert agent.fence() is not None
    rig.host.hang_up()
    rig.host.greet()
    rig.still_serves(agent)


def test_unknown_types_without_end(rig: Rig) -> None:
    agent = rig.ready()
    rig.host.send(message(77, b"x" * 100) * 5000)
    rig.still_serves(agent)


def test_a_viewer_that_asks_for_what_nobody_offered(rig: Rig) -> None:
    agent = rig.ready()
    for selection in (2, 3, 255):
        rig.host.send(wire.request(wire.TEXT, selection))
        assert rig.host.expect(Port.CLIPBOARD) == u32(selection, wire.TEXT)
    rig.host.send(wire.request(0))
    assert rig.host.expect(Port.CLIPBOARD) == u32(0, 0)
    rig.still_serves(agent)
