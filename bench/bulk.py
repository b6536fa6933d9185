# SPDX-License-Identifier: MIT
"""What does the daemon spend on clipboard and file data of each size, and how much does it keep?"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import wire
from bench.accounting import peak_rss_mb, reset_peak
from bench.floor import SUBJECT as FLOOR
from bench.floor import Floor
from bench.options import Length
from bench.peers import Sink
from bench.rig import Rig, Subject
from bench.table import Figure, Results

KIB, MIB = 1 << 10, 1 << 20
FILE_MESSAGE = 64 * KIB  # what spice-gtk puts in one FILE_XFER_DATA
PASTES_MAX = 64
SETTLE_S = 1.2  # what a daemon still does behind its start is done
TO_GUEST, TO_HOST = "clipboard host→guest, record", "clipboard guest→host"
FILES = "files host→guest, record, 64 KiB messages"


def run_clipboard(results: Results, length: Length) -> None:
    sizes = [64 * KIB, MIB, 10 * MIB, *length.pick([], [100 * MIB], [256 * KIB, 100 * MIB])]
    total = length.pick(20 * MIB, 100 * MIB, 200 * MIB)
    for subject in results.turns():
        for size in sorted(sizes):
            count = max(1, total // size)
            with results.attempt(subject, f"clipboard host→guest {_human(size)}"):
                _host_to_guest(results, subject, size, count)
            with results.attempt(subject, f"clipboard guest→host {_human(size)}"):
                _guest_to_host(results, subject, size, count)
    if Floor.available():
        for _ in range(results.repetitions):
            for size in sorted(sizes):
                _of_the_floor(results, size, max(1, total // size))


def _of_the_floor(results: Results, size: int, count: int) -> None:
    """Both ways it only hands on what one read gives: a record, or what is there."""
    data = os.urandom(size)
    for way, records in ((TO_GUEST, wire.records(wire.clipboard(data))), (TO_HOST, [data])):
        cost = Cost()
        with Floor(relay=True) as floor:
            sent = count * sum(map(len, records))
            with cost.of(floor, floor.session.connection.fileno(), sent, count * size):
                for _ in range(count):
                    if way == TO_GUEST:
                        floor.host.send_records(records)
                    else:
                        floor.host.send(data)
        _add(results, FLOOR, way, _human(size), size, cost)


def run_files(results: Results, length: Length) -> None:
    total = length.pick(20 * MIB, 100 * MIB, 200 * MIB)
    for subject in results.turns():
        for at_once in length.pick([1, 100], [1, 10, 100], [1, 3, 10, 30, 100]):
            with results.attempt(subject, f"{at_once} files host→guest"), Rig(subject) as rig:
                cost = _files(rig, at_once, total)
                name = f"{at_once} at once" if at_once > 1 else "one file"
                _add(results, subject, FILES, name, at_once, cost)


def _human(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


@dataclass
class Cost:
    """What the daemon spent on a number of bytes of payload."""

    payload: int = 0
    cpu_s: float = 0.0
    seconds: float = 0.0
    grown_mb: float = 0.0

    @contextmanager
    def of(self, rig: Rig | Floor, source: int, size: int, payload: int) -> Iterator[None]:
        """Add what passes in this block: `size` bytes arrive at `source`, `payload` count."""
        sink = Sink(source, size)
        reset_peak(rig.daemon.pid)
        resident, used, start = peak_rss_mb(rig.daemon.pid), rig.cpu_s(), time.monotonic()
        sink.start()
        yield
        self.seconds += sink.wait() - start
        self.cpu_s += rig.cpu_s() - used
        self.payload += payload
        self.grown_mb = max(self.grown_mb, peak_rss_mb(rig.daemon.pid) - resident)


def _add(
    results: Results,
    subject: Subject,
    way: str,
    name: str,
    x: int,
    cost: Cost,
) -> None:
    cpu, speed = cost.cpu_s / cost.payload * 1e9, cost.payload / cost.seconds / 1e6
    results.add(Figure(way, f"{name}: CPU", "s/GB", f"{way}, CPU s/GB", x), subject, cpu)
    results.add(Figure(way, f"{name}: speed", "MB/s", f"{way}, MB/s", x), subject, speed)
    results.add(Figure(way, f"{name}: daemon grows by", "MB"), subject, cost.grown_mb)


def _rounds(count: int) -> Iterator[int]:
    """`count` messages in rounds: nobody has more pastes than that under way."""
    while count > 0:
        yield min(count, PASTES_MAX)
        count -= PASTES_MAX


def _host_to_guest(results: Results, subject: Subject, size: int, count: int) -> None:
    records = wire.records(wire.clipboard(os.urandom(size)))
    cost = Cost()
    with Rig(subject) as rig:
        time.sleep(SETTLE_S)
        source = rig.session.connection.fileno()
        for messages in _rounds(count):
            rig.offer_clipboard(messages)
            with cost.of(rig, source, messages * (wire.UDSCS.size + size), messages * size):
                for _ in range(messages):
                    rig.host.send_records(records)
    _add(results, subject, TO_GUEST, _human(size), size, cost)


def _guest_to_host(results: Results, subject: Subject, size: int, count: int) -> None:
    message = wire.udscs(wire.U_DATA, 0, wire.UTF8_TEXT, os.urandom(size))
    # One chunk per message, as the C daemon has always sent: headers and selection prefix extra.
    framed = wire.CHUNK.size + wire.MESSAGE.size + 8 + size
    cost = Cost()
    with Rig(subject) as rig:
        time.sleep(SETTLE_S)
        source = rig.host.connection.fileno()
        for messages in _rounds(count):
            rig.own_clipboard(messages)
            with cost.of(rig, source, messages * framed, messages * size):
                for _ in range(messages):
                    rig.session.connection.sendall(message)
    _add(results, subject, TO_HOST, _human(size), size, cost)


def _files(rig: Rig, at_once: int, total: int) -> Cost:
    """The cost of `total` bytes in `at_once` transfers whose messages take turns."""
    rounds = max(1, total // FILE_MESSAGE // at_once)
    key_file = f"[vdagent-file-xfer]\nname=bench\nsize={FILE_MESSAGE * rounds}\n\0".encode()
    content = os.urandom(FILE_MESSAGE)
    records = []
    for number in range(1, at_once + 1):
        rig.host.send(wire.message(wire.FILE_START, struct.pack("<I", number) + key_file))
        rig.session.expect(wire.U_FILE_START)
        rig.session.send(wire.U_FILE_STATUS, number, wire.CAN_SEND_DATA)
        rig.host.expect(wire.FILE_STATUS)
        block = struct.pack("<IQ", number, FILE_MESSAGE) + content
        records += wire.records(wire.message(wire.FILE_DATA, block))
    messages = rounds * at_once
    size = messages * (wire.UDSCS.size + len(block))
    cost = Cost()
    with cost.of(rig, rig.session.connection.fileno(), size, messages * FILE_MESSAGE):
        for _ in range(rounds):
            rig.host.send_records(records)
    return cost
