# SPDX-License-Identifier: MIT
"""What became of a daemon after an attack: does it serve on, and at which price?

"Served on": a session that behaves, and the host, have clipboard both ways and the pointer, within
SERVE_S of the attack's end.
"""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.support import wire
from tests.support.processes import wait_for
from tests.support.rig import Agent, Closed, Rig, Stream
from tests.support.wire import Port

SERVE_S = 15.0
ATTACK_S = 60.0
MEMORY_MIB = 64
EV_ABS, ABS_X = 3, 0

Attack = Callable[[Rig, Agent], None]


ANNOUNCE_S = 2.0


class Refused(Exception):
    """An attack's own condition does not hold."""


class Verdict(NamedTuple):
    """One line of the table."""

    served: bool
    words: str
    seconds: float = 0.0
    peak_mib: float = 0.0


def greet(rig: Rig) -> None:
    """The handshake on a new connection; a daemon that does not begin it is noted, and asked."""
    try:
        announced = rig.host.message(ANNOUNCE_S).type == Port.ANNOUNCE
    except TimeoutError:
        announced = False
    if not announced:
        _silent.add(rig.daemon.pid)
    rig.host.send(wire.announce(True))
    rig.host.until(Port.ANNOUNCE)


_silent: set[int] = set()  # daemons that did not announce on a new connection


def say_anyway(stream: Stream, data: bytes) -> None:
    """Send as much of it as the daemon takes, whatever it does meanwhile."""
    with contextlib.suppress(OSError, TimeoutError):
        flood(stream, data, len(data), rest_s=1)


def flood(stream: Stream, data: bytes, most: int, rest_s: float = 0.3) -> int:
    """Send `data` over and over until `most` bytes are sent or none was taken for `rest_s`."""
    rest, sent = memoryview(data), 0
    while sent < most and select.select([], [stream.socket], [], rest_s)[1]:
        try:
            taken = stream.socket.send(rest[: most - sent])
        except BlockingIOError:
            continue
        sent += taken
        rest = rest[taken:] or memoryview(data)
    return sent


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """TimeoutError in the main thread after that long."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(attack: Attack, kind: str, directory: Path, attack_s: float = ATTACK_S) -> Verdict:
    """Run one attack on a daemon of its own and look at what is left of it."""
    start = time.monotonic()
    with Rig(directory, kind) as rig:
        agent = rig.ready()
        before = rig.memory_kib()
        problem = ""
        try:
            with deadline(attack_s):
                attack(rig, agent)
        except Refused as error:
            problem = str(error)
        except (OSError, TimeoutError, Closed, AssertionError, subprocess.SubprocessError) as error:
            problem = f"in the attack: {type(error).__name__}: {error}"[:90]
        seconds = time.monotonic() - start
        return _after(rig, agent, problem, seconds, before)


def _after(rig: Rig, agent: Agent, problem: str, seconds: float, before_kib: int) -> Verdict:
    if (status := rig.daemon.poll()) is not None:
        return Verdict(False, problem or _end(status), seconds)
    try:
        with deadline(SERVE_S):
            serves(rig, agent)
    except (OSError, TimeoutError, Closed, AssertionError, RuntimeError) as error:
        if (status := wait_end(rig)) is not None:
            return Verdict(False, _end(status), seconds)
        words = problem or f"hangs: {type(error).__name__}: {error}"
        return Verdict(False, words[:90], seconds, _peak_mib(rig, before_kib))
    peak = _peak_mib(rig, before_kib)
    if peak > MEMORY_MIB:
        return Verdict(False, f"{peak:.0f} MiB of memory", seconds, peak)
    if not problem and rig.daemon.pid in _silent:
        problem = "does not announce on a new connection: the viewer sees no agent"
    return Verdict(not problem, problem or "served on", seconds, peak)


def wait_end(rig: Rig) -> int | None:
    """The daemon's status if it ends at once."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return rig.daemon.wait(0.5)
    return None


def _end(status: int) -> str:
    return f"crashed: {signal.Signals(-status).name}" if status < 0 else f"ended: status {status}"


def newcomer(rig: Rig, *, reports: bool = True) -> Agent:
    """One more session. The C daemon without logind serves nobody while two are there: alone, then."""
    alone = rig.kind == "C" and bool(rig.agents)
    if alone:
        for other in rig.agents:
            other.close()
        rig.agents.clear()
        with contextlib.suppress(OSError, TimeoutError):
            rig.host.stream.wait_closed(1)
        rig.host.hang_up()
    agent = rig.agent(reports=reports)
    if alone and reports:
        try:
            greet(rig)
        except Closed:  # that was the connection for the one before
            rig.host.hang_up()
            greet(rig)
    return agent


def second(rig: Rig) -> Agent:
    """A connection beside the first; without logind the C daemon then serves neither."""
    agent = Agent(rig.socket)
    rig.agents.append(agent)
    if rig.kind == "C":
        with contextlib.suppress(TimeoutError):
            rig.host.stream.wait_closed(1)
            raise Refused("a second connection ends the service of the first")
    return agent


def _is_connected(stream: Stream) -> bool:
    if stream.socket.fileno() < 0:
        return False
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while stream.socket.recv(1 << 20):
            pass
        return False
    return not select.select([stream.socket], [], [], 0)[0]


def serves(rig: Rig, agent: Agent) -> None:
    """Clipboard both ways and pointer, for a new session (the C daemon: for the one it has)."""
    if rig.kind != "C" or not _is_connected(agent):
        agent = _let_in(rig)
    agent.report(1280, 1024)  # another size: a new tablet
    _talk(rig, agent)
    moves = rig.events().count((EV_ABS, ABS_X, 1234))
    rig.host.send(wire.mouse(7, 7), wire.mouse(1234, 77))
    wait_for(lambda: rig.events().count((EV_ABS, ABS_X, 1234)) > moves, 5, "the pointer moves")


def _let_in(rig: Rig) -> Agent:
    """A new session. Refused it comes again, as session agents do: the hang-ups of others take their time."""

    def comes() -> Agent | None:
        agent = newcomer(rig, reports=False)
        if rig.kind == "ours":
            try:
                agent.fence()
            except (Closed, OSError):
                return None
        return agent

    return wait_for(comes, SERVE_S, "a new session is let in")


def _talk(rig: Rig, agent: Agent) -> None:
    """Clipboard both ways: on this connection to the host, or on the next one."""
    for attempt in range(5):
        try:
            if attempt or rig.host.is_knocking:
                rig.host.hang_up()
                greet(rig)
            rig.host.send(wire.announce(True))
            rig.host.fence()
            return rig.still_serves(agent)
        except TimeoutError:
            raise
        except (Closed, OSError):
            continue
    raise TimeoutError("the daemon closes every connection")


def _peak_mib(rig: Rig, before_kib: int) -> float:
    for line in Path(f"/proc/{rig.daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return (int(line.split()[1]) - before_kib) / 1024
    return 0.0
