# SPDX-License-Identifier: MIT
"""What does a pointer event cost, and how long is it under way?"""

from __future__ import annotations

import contextlib
import math
import os
import select
import statistics
import threading
import time

from bench import wire
from bench.accounting import SyscallCount
from bench.floor import SUBJECT as FLOOR
from bench.floor import Floor
from bench.options import Length
from bench.peers import TIMEOUT_S, PeerClosed, Sink
from bench.rig import Rig, Subject
from bench.table import Figure, Results

SECTION = "mouse"
UNDER_BULK = "mouse while a clipboard comes in"
BYTES_PER_EVENT = 3 * wire.INPUT_EVENT.size  # x, y, SYN
PACE_S = 0.002
BULK_BYTES, BULK_RATE = 40 << 20, 60e6
BURST, BURSTS_PER_EVENT = 10, 12  # a host has 10 chunks of a viewer under way; 243 events/s


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def run(results: Results, length: Length) -> None:
    for subject in results.turns():
        for record in (True, False):
            with results.attempt(subject, "mouse, CPU"), Rig(subject, fifo=True) as rig:
                _cpu(results, subject, length, rig, record=record)
    for hertz in (125, 1000):
        _paced(results, length, hertz)
    if Floor.available():
        for _ in range(results.repetitions):
            for record in (True, False):
                with Floor() as floor:
                    _cpu(results, FLOOR, length, floor, record=record)
    for subject in results.turns(1 if SyscallCount.available() else 0):
        with results.attempt(subject, "mouse, system calls"):
            _syscalls(results, subject, length)


def run_under_bulk(results: Results, length: Length) -> None:
    for subject in results.turns():
        with results.attempt(subject, "mouse under bulk"):
            _under_bulk(results, subject)


def _cpu(
    results: Results, subject: Subject, length: Length, rig: Rig | Floor, *, record: bool
) -> None:
    count = length.pick(quick=10_000, normal=50_000, full=100_000)
    cost = cpu_per_event(rig, count, record=record)
    mode = "record" if record else "stream"
    results.add(Figure(SECTION, f"CPU per event, {mode}", "us"), subject, cost)


def cpu_per_event(rig: Rig | Floor, count: int, *, record: bool) -> float:
    """Microseconds the daemon spends on each of `count` positions sent without a pause."""
    path = wire.mouse_path(count)
    sink = Sink(rig.uinput_fd, count * BYTES_PER_EVENT)
    used = rig.cpu_s()
    sink.start()
    if record:
        rig.host.send_records(path)
    else:
        rig.host.send(b"".join(path))
    sink.wait()
    return (rig.cpu_s() - used) / count * 1e6


def _paced(results: Results, length: Length, hertz: int) -> None:
    """Everybody runs all the time and gets events in turns: what else the machine does hits all alike."""
    with contextlib.ExitStack() as rigs:
        running: dict[Subject, Rig | Floor] = {}
        for subject in results.subjects:
            with results.attempt(subject, f"mouse at {hertz} Hz"):
                running[subject] = rigs.enter_context(Rig(subject, fifo=True))
        if Floor.available():
            running[FLOOR] = rigs.enter_context(Floor())
        for number in range(length.pick(quick=10, normal=30, full=60)):
            for subject in sorted(running, key=lambda s: s.name, reverse=number % 2 == 1):
                with results.attempt(subject, f"mouse at {hertz} Hz"):
                    _turn(results, subject, running[subject], hertz)


def _turn(results: Results, subject: Subject, rig: Rig | Floor, hertz: int) -> None:
    """Half a second of events, each sent when the last one has come out."""
    used, due, taken = rig.cpu_s(), time.monotonic(), []
    path = wire.mouse_path(hertz // 2)
    for event in path:
        due = max(due + 1 / hertz, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        taken.append(_under_way_us(rig, event))
    used = rig.cpu_s() - used
    del taken[: len(path) // 10]  # the first ones warm up both ends
    for percent in (50, 99):
        figure = Figure(SECTION, f"latency p{percent} at {hertz} Hz", "us")
        results.add(figure, subject, percentile(taken, percent))
    cost = used / len(path) * 1e6
    results.add(Figure(SECTION, f"CPU per event at {hertz} Hz", "us"), subject, cost)


def _under_way_us(rig: Rig | Floor, event: bytes) -> float:
    sent, got = time.perf_counter_ns(), 0
    rig.host.send(event)
    while got < BYTES_PER_EVENT:
        if not select.select([rig.uinput_fd], [], [], TIMEOUT_S)[0]:
            raise PeerClosed("no event came out of uinput")
        got += len(os.read(rig.uinput_fd, 4096))
    return (time.perf_counter_ns() - sent) / 1000


def _syscalls(results: Results, subject: Subject, length: Length) -> None:
    for mode, count in (("record", 5000), ("paced", length.pick(250, 1000, 1000))):
        with Rig(subject, fifo=True) as rig:
            path = wire.mouse_path(count)
            sink = Sink(rig.uinput_fd, count * BYTES_PER_EVENT)
            sink.start()
            with SyscallCount(rig.daemon.pid, rig.directory) as calls:
                if mode == "record":
                    rig.host.send_records(path)
                else:
                    for event in path:
                        rig.host.send(event)
                        time.sleep(PACE_S)
                sink.wait()
        results.add(
            Figure(SECTION, f"system calls per event, {mode}", ""), subject, calls.total / count
        )


class _Watch(threading.Thread):
    """Notes when each pointer position (its x) comes out of uinput."""

    def __init__(self, fd: int, count: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        self._count = count
        self.seen: dict[int, int] = {}

    def run(self) -> None:
        rest = b""
        while len(self.seen) < self._count:
            data = rest + os.read(self._fd, 65536)
            now = time.perf_counter_ns()
            whole = len(data) // wire.INPUT_EVENT.size * wire.INPUT_EVENT.size
            for _, _, kind, code, value in wire.INPUT_EVENT.iter_unpack(data[:whole]):
                if (kind, code) == (wire.EV_ABS, wire.ABS_X):
                    self.seen.setdefault(value, now)
            rest = data[whole:]


def _under_bulk(results: Results, subject: Subject) -> None:
    records = wire.records(wire.clipboard(os.urandom(BULK_BYTES)))
    bursts = [records[i : i + BURST] for i in range(0, len(records), BURST)]
    period_s = BURST * len(records[0]) / BULK_RATE
    sent: list[int] = []
    with Rig(subject, fifo=True) as rig:
        rig.offer_clipboard(1)
        sink = Sink(rig.session.connection.fileno(), wire.UDSCS.size + BULK_BYTES)
        watch = _Watch(rig.uinput_fd, math.ceil(len(bursts) / BURSTS_PER_EVENT))
        sink.start()
        watch.start()
        before, start = rig.cpu_s(), time.perf_counter()
        for number, burst in enumerate(bursts, 1):
            rig.host.send_records(burst)
            # One behind the last chunk, too: whoever stores a message handles it all at once there.
            if number % BURSTS_PER_EVENT == 0 or number == len(bursts):
                sent.append(time.perf_counter_ns())
                rig.host.send_records([wire.mouse(len(sent), len(sent) % 700 + 1)])
            time.sleep(max(0.0, start + number * period_s - time.perf_counter()))
        sink.wait()
        watch.join(TIMEOUT_S)
        used = rig.cpu_s() - before
    if len(watch.seen) < len(sent):
        raise PeerClosed(f"{len(sent) - len(watch.seen)} pointer events lost")
    taken = [(watch.seen[x] - at) / 1000 for x, at in enumerate(sent, 1)]
    _add(results, subject, "latency p50", "us", percentile(taken, 50))
    _add(results, subject, "latency p99", "us", percentile(taken, 99))
    _add(results, subject, "latency max", "us", max(taken))
    _add(results, subject, "daemon CPU", "s/GB", used / BULK_BYTES * 1e9)


def _add(results: Results, subject: Subject, name: str, unit: str, value: float) -> None:
    results.add(Figure(UNDER_BULK, name, unit), subject, value)
