# SPDX-License-Identifier: MIT
"""What may a host, or what sits behind it, do to the daemon?

Each attack finds the daemon with an active session and a viewer, and leaves it in any state; whether it
serves on is seen from outside (verdict.py).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import struct

from tests.hostile.verdict import Refused, flood, greet, newcomer, say_anyway
from tests.support import wire
from tests.support.rig import Agent, Closed, Rig
from tests.support.wire import CLIENT, SERVER, Port, Uds, chunk, frame, header, message, u32

GIB4 = 0xFFFFFFF0
END_S = 1.0


def garbage(rig: Rig, agent: Agent) -> None:
    """Random bytes, on twenty connections."""
    dice = random.Random(6)
    for _ in range(20):
        say_anyway(rig.host.stream, dice.randbytes(4096))
        rig.host.hang_up()
        with contextlib.suppress(Closed):
            greet(rig)


def oversize_chunk(rig: Rig, agent: Agent) -> None:
    """A chunk of 4 GiB."""
    say_anyway(rig.host.stream, u32(CLIENT, GIB4) + bytes(1 << 20))


def bad_port(rig: Rig, agent: Agent) -> None:
    """A chunk for a port that there is not."""
    say_anyway(rig.host.stream, u32(77, 20) + header(Port.CLIENT_DISCONNECTED, 0))


def two_messages_in_a_chunk(rig: Rig, agent: Agent) -> None:
    """A second message begins in the middle of a chunk."""
    say_anyway(rig.host.stream, chunk(CLIENT, header(13, 0) + header(13, 0)))


def _claims_4_gib(rig: Rig, type_: int) -> None:
    port = SERVER if type_ in (Port.MOUSE_STATE, Port.DEVICE_INFO) else CLIENT
    say_anyway(rig.host.stream, chunk(port, header(type_, GIB4) + bytes(2028)))
    say_anyway(rig.host.stream, chunk(port, bytes(2048)) * 500)


def claims_4_gib_in_every_message(rig: Rig, agent: Agent) -> None:
    """Every type of message says it has 4 GiB, and goes on for a while."""
    for type_ in (*Port, 99):
        _claims_4_gib(rig, type_)
        rig.host.hang_up()
        greet(rig)


COUNTS = (
    (Port.MONITORS_CONFIG, u32(0xFFFFFFFF, 0) + bytes(20)),
    (Port.MONITORS_CONFIG, u32(0x0CCCCCCD, 0) + bytes(12)),
    (Port.MONITORS_CONFIG, u32(1, 2) + bytes(20)),
    (Port.DEVICE_INFO, u32(0xFFFFFFFF) + bytes(16)),
    (Port.DEVICE_INFO, u32(1, 0, 0, 0, 0xFFFFFFFF) + b"pci"),
    (Port.AUDIO, b"\1\0\xff\0\0"),
    (Port.FILE_DATA, u32(7) + struct.pack("<Q", (1 << 64) - 1) + b"four"),
    (Port.FILE_START, b"\7"),
    (Port.FILE_STATUS, u32(7)),
    (Port.GRAB, b""),
    (Port.REQUEST, u32(0)),
    (Port.RELEASE, b""),
    (Port.CLIPBOARD, u32(0)),
    (Port.ANNOUNCE, b"\1"),
    (Port.CLIENT_DISCONNECTED, bytes(64)),
)


def counts_that_overflow(rig: Rig, agent: Agent) -> None:
    """Counts, lengths and bodies that do not fit each other, payload where none belongs."""
    rig.host.send(message(Port.FILE_START, u32(7) + b"[vdagent-file-xfer]\nname=x\nsize=9\n\0"))
    for type_, body in COUNTS:
        say_anyway(rig.host.stream, message(type_, body))


def monitors_nobody_can_have(rig: Rig, agent: Agent) -> None:
    """Sizes and positions at the ends of their 32 bits."""
    for width, x in ((0xFFFFFFFF, 0), (1024, -(1 << 31)), (1024, (1 << 31) - 1)):
        one, two = (768, width, 32, x, 0), (768, 1024, 32, 0, x)
        body = u32(2, 1) + struct.pack("<IIIii", *one) + struct.pack("<IIIii", *two)
        say_anyway(rig.host.stream, message(Port.MONITORS_CONFIG, body))


def closes_and_reopens(rig: Rig, agent: Agent) -> None:
    """Thirty times, and each time it is announced once."""
    for _ in range(30):
        rig.host.hang_up()
        greet(rig)


def closes_in_the_middle(rig: Rig, agent: Agent) -> None:
    """In the middle of a chunk's header, a message's header, a body, a large body."""
    whole = wire.clipboard(b"half a message" * 400)
    for end in (3, 9, 20, 33, 60, 3000):
        say_anyway(rig.host.stream, whole[:end])
        rig.host.hang_up()
        greet(rig)


def closes_while_it_is_written_to(rig: Rig, agent: Agent) -> None:
    """In the middle of the guest's large answer."""
    for _ in range(5):
        current = newcomer(rig)
        current.say(Uds.GRAB, 0, 0, u32(wire.TEXT))
        rig.host.until(Port.GRAB)
        rig.host.send(wire.request(wire.TEXT))
        current.until(Uds.REQUEST)
        current.send(frame(Uds.DATA, 0, wire.TEXT, bytes(8 << 20))[: 1 << 20])
        rig.host.hang_up()
        greet(rig)
        rig.host.fence()
        current.close()


def never_reads(rig: Rig, agent: Agent) -> None:
    """Asks on and on, and reads no answer."""
    sent = flood(rig.host.stream, wire.request(wire.PNG, 2) * 500, 64 << 20)
    if sent >= 64 << 20:
        raise Refused(f"the daemon took {sent >> 20} MiB of questions whose answers nobody reads")
    rig.host.hang_up()


def never_reads_while_sessions_come(rig: Rig, agent: Agent) -> None:
    """Reads nothing, while a process connects in a loop and has a lot to offer each time."""
    offers = frame(Uds.GRAB, 0, 0, u32(*range(1, 251))) * 200
    with contextlib.suppress(OSError, TimeoutError, Closed):
        for _ in range(400):
            other = Agent(rig.socket)
            say_anyway(other, wire.resolution(1024, 768) + offers)
            other.frame(2)  # it is the active one, and all it said has been heard
            other.close()


def never_reads_and_sigterm(rig: Rig, agent: Agent) -> None:
    """Does not read, and the daemon is told to end: within a second."""
    agent.say(Uds.GRAB, 0, 0, u32(wire.TEXT))
    rig.host.send(wire.request(wire.TEXT) * 4)
    agent.until(Uds.REQUEST)
    flood(agent, frame(Uds.DATA, 0, wire.TEXT, bytes(200_000)), 8 << 20)
    try:
        took = rig.end(signal.SIGTERM, 5 * END_S)
    except Exception:
        rig.daemon.kill()
        rig.daemon.wait()
        raise Refused("SIGTERM does not end it") from None
    if took > 2 * END_S:  # twice, for a busy machine
        raise Refused(f"SIGTERM took {took:.1f} s")
    rig.host.hang_up()
    os.unlink(rig.socket) if rig.socket.exists() else None
    rig.start()


def unknown_types_without_end(rig: Rig, agent: Agent) -> None:
    """A hundred thousand messages that nobody knows, and a log that stays small."""
    data = message(77, b"x") * 1000
    flood(rig.host.stream, data, 100 * len(data), rest_s=5)
    rig.host.fence()
    size = rig.log.stat().st_size
    if size > 1 << 20:
        raise Refused(f"a log of {size >> 20} MiB")


def comes_and_goes_without_end(rig: Rig, agent: Agent) -> None:
    """A viewer that announces itself and leaves, fifty thousand times, and a log that stays small."""
    before = rig.log.stat().st_size
    data = wire.announce(False) + message(Port.CLIENT_DISCONNECTED, port=SERVER)
    _send_reading(rig, agent, data * 50_000)
    size = rig.log.stat().st_size - before
    if size > 1 << 20:
        raise Refused(f"a log of {size >> 20} MiB")


def slow_loris(rig: Rig, agent: Agent) -> None:
    """A byte of a message now and then, while sessions ask for things; then the rest of it."""
    data = wire.mouse(5, 5) + wire.grab(0, wire.TEXT)
    for number in range(len(data)):
        rig.host.send(data[number : number + 1])
        if number % 8 == 1 and rig.kind == "ours":  # the C daemon does not answer that
            agent.fence()
    agent.until(Uds.GRAB)


def floods_of_the_viewer(rig: Rig, agent: Agent) -> None:
    """Grabs, files, capabilities of 64 KiB and pointer events as fast as they go."""
    big = message(Port.ANNOUNCE, u32(0) + b"\xff" * 65000)
    usual = wire.announce(False)
    storm = b"".join(
        wire.grab(n, wire.TEXT) + message(Port.FILE_START, u32(n) + b"x\0") + wire.mouse(n, n)
        for n in range(2000)
    )
    rig.host.stream.socket.settimeout(None)
    for _ in range(20):
        for data in (big, usual, storm):
            _send_reading(rig, agent, data)


def _send_reading(rig: Rig, agent: Agent, data: bytes) -> None:
    """Send while both ends read what comes back."""
    rest, host = memoryview(data), rig.host.stream
    while rest:
        readable, writable, _ = select.select([host.socket, agent.socket], [host.socket], [], 10)
        if not readable and not writable:
            raise TimeoutError("the daemon neither takes nor says anything")
        for stream in (host, agent):
            if stream.socket in readable and not stream.socket.recv(1 << 20):
                raise Closed("in the middle of it")
        if writable:
            with contextlib.suppress(BlockingIOError):
                rest = rest[host.socket.send(rest) :]


ATTACKS = (
    garbage,
    oversize_chunk,
    bad_port,
    two_messages_in_a_chunk,
    claims_4_gib_in_every_message,
    counts_that_overflow,
    monitors_nobody_can_have,
    closes_and_reopens,
    closes_in_the_middle,
    closes_while_it_is_written_to,
    never_reads,
    never_reads_while_sessions_come,
    never_reads_and_sigterm,
    unknown_types_without_end,
    comes_and_goes_without_end,
    slow_loris,
    floods_of_the_viewer,
)
