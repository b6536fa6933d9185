# SPDX-License-Identifier: MIT
"""What may a process that connects to the session socket do to the daemon?"""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import time
from pathlib import Path

from tests.hostile.verdict import Refused, flood, greet, newcomer, say_anyway, second
from tests.support import wire
from tests.support.processes import wait_for
from tests.support.rig import Agent, Rig
from tests.support.wire import Port, Uds, frame, u32
from vdagent.control import control_path

GIB4 = 0xFFFFFFF0
CONNECTIONS = 10_000
GRABS = 32 << 20  # bytes; `python -m tests.hostile --full` sends 1 GiB


def claims_4_gib_in_every_frame(rig: Rig, agent: Agent) -> None:
    """Every type of frame says it has 4 GiB, and goes on for a while."""
    for type_ in (*Uds, 99):
        bad = newcomer(rig)
        say_anyway(bad, struct.pack("=IIII", type_, 0, 1, GIB4) + bytes(1 << 20))
        bad.close()


def _each(rig: Rig, *frames: bytes) -> None:
    for data in frames:
        bad = newcomer(rig)
        say_anyway(bad, data)
        with contextlib.suppress(TimeoutError):
            bad.wait_closed(0.3)
        bad.close()


def bad_resolutions(rig: Rig, agent: Agent) -> None:
    """Reports of a broken size, of thousands of screens, of a desktop that nobody can have."""
    _each(
        rig,
        frame(Uds.RESOLUTION, 800, 600, bytes(19)),
        frame(Uds.RESOLUTION, 800, 600, bytes(20 * 3000)),
        frame(Uds.RESOLUTION, 0xFFFFFFFF, 0xFFFFFFFF, struct.pack("=5i", -1, -1, -1, -1, -1)),
        frame(Uds.RESOLUTION, 1, 1, struct.pack("=5i", 1, 1, -(1 << 31), (1 << 31) - 1, 0)),
    )


def bad_resolution_of_the_active_one(rig: Rig, agent: Agent) -> None:
    """The session that is served breaks the wire with a report."""
    say_anyway(agent, frame(Uds.RESOLUTION, 800, 600, bytes(19)))


def payload_where_none_belongs(rig: Rig, agent: Agent) -> None:
    """Requests and releases with a body, grabs of 300 types, frames only a daemon sends."""
    _each(
        rig,
        frame(Uds.REQUEST, 0, 1, bytes(64)),
        frame(Uds.RELEASE, 0, 0, bytes(64)),
        frame(Uds.GRAB, 0, 0, bytes(1200)),
        frame(Uds.GRAB, 0, 0, b"odd"),
        *(frame(type_, 1, 2, b"whatever") for type_ in (1, 6, 7, 8, 10, 11, 12, 13, 14, 99)),
    )


def ids_of_other_sessions(rig: Rig, agent: Agent) -> None:
    """Ends transfers, and answers questions, that are another session's; remembers 40 000 ids."""
    rig.host.send(wire.message(Port.FILE_START, u32(7) + b"[vdagent-file-xfer]\nname=x\nsize=9\n"))
    agent.until(Uds.FILE_START)
    thief = second(rig)
    for result in (3, 1, 4):
        thief.say(Uds.FILE_STATUS, 7, result)
    thief.say(Uds.DATA, 0, wire.TEXT, b"nobody asked")
    thief.send(b"".join(frame(Uds.FILE_STATUS, n, 0) for n in range(8, 40_000)))
    for answer in rig.host.fence():
        if answer.type in (Port.FILE_STATUS, Port.CLIPBOARD):
            raise Refused("another session's word about a transfer counted")


def dies_in_the_middle(rig: Rig, agent: Agent) -> None:
    """Of a small frame and of a large paste; what it did not send is not sent for it."""
    for size, sent in ((4096, 5), (8 << 20, 1 << 20)):
        bad = newcomer(rig)
        bad.say(Uds.GRAB, 0, 0, u32(wire.TEXT))
        rig.host.until(Port.GRAB)
        rig.host.send(wire.request(wire.TEXT))
        bad.until(Uds.REQUEST)
        bad.send(frame(Uds.DATA, 0, wire.TEXT, b"\x5a" * size)[: 16 + sent])
        bad.close()
        try:
            body = rig.host.until(Port.CLIPBOARD)
        except Exception:
            rig.host.hang_up()  # closed, or the rest never came: the daemon opens a new one
            with contextlib.suppress(Exception):
                greet(rig)
            continue
        if len(body) > 8 + 2 * sent or (len(body) > 8 and size == 4096):
            raise Refused("the host got bytes that nobody sent")


def never_reads(rig: Rig, agent: Agent) -> None:
    """The active session leaves 40 MiB of a paste where they are; then another session comes."""
    agent.say(Uds.REQUEST, 0, wire.TEXT)
    rig.host.until(Port.REQUEST)
    data = wire.clipboard(bytes(40 << 20))
    sent = flood(rig.host.stream, data, len(data), rest_s=0.5)
    if sent < len(data):
        _finish(rig, memoryview(data)[sent:])


def _finish(rig: Rig, rest: memoryview) -> None:
    """The host goes on as soon as it is read again, which is when that session was dropped."""
    end = time.monotonic() + 15
    host = rig.host.stream
    while rest and time.monotonic() < end:
        try:
            rest = rest[host.socket.send(rest[: 1 << 20]) :]
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            return  # nobody else is there to be served: the port is closed
    if rest:
        raise Refused("the host is not read any more")


def receives_and_never_reads(rig: Rig, agent: Agent) -> None:
    """A file was begun with a session that is in the background now; 100 MiB of it wait."""
    rig.host.send(wire.message(Port.FILE_START, u32(7) + b"[vdagent-file-xfer]\nname=x\nsize=9\n"))
    agent.until(Uds.FILE_START)
    newcomer(rig)
    data = wire.message(Port.FILE_DATA, u32(7) + struct.pack("<Q", 60_000) + bytes(60_000))
    most = 100 * (1 << 20) // len(data) * len(data)
    sent = flood(rig.host.stream, data, most)
    if sent < most:
        _finish(rig, memoryview(data * (most // len(data)))[sent:])


def never_reads_its_answers(rig: Rig, agent: Agent) -> None:
    """A session in the background asks a million questions and reads no answer."""
    bad = second(rig)
    flood(bad, frame(Uds.REQUEST, 2, 1) * 1000, 16 << 20, rest_s=1)


def floods_with_connections(rig: Rig, agent: Agent) -> None:
    """Ten thousand connections, one after the other, and two hundred at once."""
    for _ in range(CONNECTIONS):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(rig.socket))
    many = [second(rig) for _ in range(200)]
    rig.still_serves(agent)
    for one in many:
        one.close()


def floods_with_grabs(rig: Rig, agent: Agent) -> None:
    """A gigabyte of grabs (32 MiB in `make test`), which the host all reads."""
    grabs = frame(Uds.GRAB, 0, 0, u32(*range(1, 201))) * 64
    rest, left, host = memoryview(grabs), GRABS, rig.host.stream
    last = time.monotonic()
    while left > 0:
        taken = 0
        with contextlib.suppress(BlockingIOError):
            taken = agent.socket.send(rest)
            rest, left = rest[taken:] or memoryview(grabs), left - taken
        with contextlib.suppress(BlockingIOError):
            taken += len(host.socket.recv(1 << 20))
        now = time.monotonic()
        last = now if taken else last
        if now - last > 10:
            raise TimeoutError("the daemon takes nothing")
        if not taken:
            time.sleep(0.0005)
    agent.close()
    rig.host.hang_up()


def slow_loris(rig: Rig, agent: Agent) -> None:
    """A hundred connections that send a byte of a header now and then."""
    many = [second(rig) for _ in range(100)]
    for byte in struct.pack("=IIII", Uds.RESOLUTION, 800, 600, 20)[:10]:
        for one in many:
            say_anyway(one, bytes([byte]))
        rig.still_serves(agent)


def floods_the_control_socket(rig: Rig, agent: Agent) -> None:
    """Nine hundred connections at once, lines without end, questions whose answers nobody reads."""
    path = control_path(str(rig.socket))
    if rig.kind == "C":
        return  # it has none
    wait_for(lambda: Path(path).exists(), what="a control socket")
    limits = resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, (1024, limits[1]))
    with contextlib.ExitStack() as stack:
        for number in range(900):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(5)
            connection.connect(path)
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send((b"{" * 70_000, b'{"do": "status"}\n' * 5000, b"")[number % 3])
            if number % 100 == 0:
                rig.still_serves(agent)
        rig.still_serves(newcomer(rig))


ATTACKS = (
    claims_4_gib_in_every_frame,
    bad_resolutions,
    bad_resolution_of_the_active_one,
    payload_where_none_belongs,
    ids_of_other_sessions,
    dies_in_the_middle,
    never_reads,
    receives_and_never_reads,
    never_reads_its_answers,
    floods_with_connections,
    floods_with_grabs,
    slow_loris,
    floods_the_control_socket,
)
