# SPDX-License-Identifier: MIT
"""What does the daemon spend on clipboard and file data of each size, and how much does it keep?"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

from bench import wire
from bench.accounting import peak_rss_mb, reset_peak
from bench.options import Length
from bench.peers import Sink
from bench.rig import Rig, Subject
from bench.table import Figure, Results

KIB, MIB = 1 << 10, 1 << 20
FILE_MESSAGE = 64 * KIB  # what spice-gtk puts in one FILE_XFER_DATA
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


def _measure(
    rig: Rig, sink: Sink, send: Callable[[], None], payload: int
) -> tuple[float, float, float]:
    """CPU s/GB, MB/s and growth in MB of the daemon while `payload` bytes pass."""
    reset_peak(rig.daemon.pid)
    resident, used, start = peak_rss_mb(rig.daemon.pid), rig.cpu_s(), time.monotonic()
    sink.start()
    send()
    seconds = sink.wait() - start
    used = rig.cpu_s() - used
    grown = peak_rss_mb(rig.daemon.pid) - resident
    return used / payload * 1e9, payload / seconds / 1e6, grown


def _add(
    results: Results,
    subject: Subject,
    way: str,
    name: str,
    x: int,
    cost: tuple[float, float, float],
) -> None:
    cpu, speed, grown = cost
    results.add(Figure(way, f"{name}: CPU", "s/GB", f"{way}, CPU s/GB", x), subject, cpu)
    results.add(Figure(way, f"{name}: speed", "MB/s", f"{way}, MB/s", x), subject, speed)
    results.add(Figure(way, f"{name}: daemon grows by", "MB"), subject, grown)


def _host_to_guest(results: Results, subject: Subject, size: int, count: int) -> None:
    records = wire.records(wire.clipboard(os.urandom(size)))
    with Rig(subject) as rig:
        rig.offer_clipboard(count)
        sink = Sink(rig.session.connection.fileno(), count * (wire.UDSCS.size + size))

        def send() -> None:
            for _ in range(count):
                rig.host.send_records(records)

        cost = _measure(rig, sink, send, size * count)
    _add(results, subject, TO_GUEST, _human(size), size, cost)


def _guest_to_host(results: Results, subject: Subject, size: int, count: int) -> None:
    message = wire.udscs(wire.U_DATA, 0, wire.UTF8_TEXT, os.urandom(size))
    # One chunk per message, as the C daemon has always sent: header and selection prefix extra.
    framed = wire.CHUNK.size + wire.MESSAGE.size + 8 + size
    with Rig(subject) as rig:
        rig.own_clipboard(count)
        sink = Sink(rig.host.connection.fileno(), count * framed)

        def send() -> None:
            for _ in range(count):
                rig.session.connection.sendall(message)

        cost = _measure(rig, sink, send, size * count)
    _add(results, subject, TO_HOST, _human(size), size, cost)


def _files(rig: Rig, at_once: int, total: int) -> tuple[float, float, float]:
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
    forwarded = wire.UDSCS.size + len(block)
    sink = Sink(rig.session.connection.fileno(), rounds * at_once * forwarded)

    def send() -> None:
        for _ in range(rounds):
            rig.host.send_records(records)

    return _measure(rig, sink, send, rounds * at_once * FILE_MESSAGE)
