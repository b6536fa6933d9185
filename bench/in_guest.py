# SPDX-License-Identifier: MIT
"""What do pointer events and a file cost on a real port, ours beside the C peer in the same guest?

    python -m bench.in_guest

A Linux guest without KVM: the figures compare the two, they say nothing about any other machine. Both
daemons run as root on the same port, kernel and X server, one after the other.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.guest.machine import AGENT_PORT, Guest
from vdagent.lab.viewer_process import ViewerProcess

OURS = f"{sys.executable} -m vdagent"
SAVED = "/run/received"
FILE_MB = 50
EVENTS = 2000
ROUNDS = 3
ATTACH_S = 60.0
FILE_S = 300.0


@dataclass(frozen=True)
class Pair:
    """A daemon and a session agent, as commands."""

    name: str
    daemon: str
    session: str


PAIRS = (
    Pair(
        "ours",
        f"{OURS} daemon -x -X -s {AGENT_PORT}",
        f"{OURS} session -x --file-xfer-save-dir={SAVED} --file-xfer-open-dir=0",
    ),
    Pair(
        "C",
        f"/usr/sbin/spice-vdagentd -x -X -s {AGENT_PORT}",
        f"/usr/bin/spice-vdagent -x -f {SAVED} -o 0",
    ),
)


@contextmanager
def running(guest: Guest, pair: Pair) -> Iterator[tuple[int, int]]:
    """The pids of both programs, for as long as they are needed."""
    guest.output(f"mkdir -p /run/spice-vdagentd {SAVED}")
    daemon = guest.start(pair.daemon, f"/run/{pair.name}-daemon.log")
    guest.wait_until("[ -S /run/spice-vdagentd/spice-vdagent-sock ]", 30, "the daemon's socket")
    session = guest.start(pair.session, f"/run/{pair.name}-session.log")
    try:
        yield daemon, session
    finally:
        guest.run(f"kill {session} {daemon}; timeout 20 tail --pid={daemon} -f /dev/null")
        guest.run(f"rm -rf /run/spice-vdagentd {SAVED}")


def cpu_s(guest: Guest, pid: int) -> float:
    """Processor seconds of all its threads, to the nanosecond."""
    spent = guest.output(f"cat /proc/{pid}/task/*/schedstat | cut -d' ' -f1")
    return sum(map(int, spent.split())) / 1e9


def mouse_us(guest: Guest, viewer: ViewerProcess, daemon: int) -> float:
    """Microseconds the daemon spends on one of EVENTS moves."""
    used = cpu_s(guest, daemon)
    for number in range(EVENTS):
        viewer.do("position", x=number % 1000, y=number * 7 % 700)
    guest.output("sleep 1")
    return (cpu_s(guest, daemon) - used) / EVENTS * 1e6


def file_figures(
    guest: Guest, viewer: ViewerProcess, file: Path, pids: tuple[int, int]
) -> tuple[float, float]:
    """MB/s of one file until the viewer hears that it has arrived, and processor seconds per GB."""
    used = sum(cpu_s(guest, pid) for pid in pids)
    start = time.monotonic()
    since = viewer.do("send_files", paths=[str(file)])
    sent = viewer.wait("files-sent", FILE_S, since=since)
    took = time.monotonic() - start
    if not sent["ok"]:
        raise RuntimeError(f"the file did not arrive: {sent}")
    spent = sum(cpu_s(guest, pid) for pid in pids) - used
    guest.output(f"cmp -n 1000 /dev/zero {SAVED}/{file.name} && rm {SAVED}/{file.name}")
    return FILE_MB / took, spent / FILE_MB * 1000


def measure(guest: Guest, pair: Pair, file: Path) -> list[float]:
    """CPU per pointer event, MB/s, CPU per GB: medians of ROUNDS."""
    with running(guest, pair) as pids, ViewerProcess() as viewer:
        since = viewer.connect(guest.spice_uri)
        viewer.wait_announced(since, ATTACH_S)
        viewer.wait("mouse-mode", ATTACH_S, lambda event: event["mode"] == "client", since)
        mouse = [mouse_us(guest, viewer, pids[0]) for _ in range(ROUNDS)]
        files = [file_figures(guest, viewer, file, pids) for _ in range(ROUNDS)]
        columns = [mouse, [speed for speed, _ in files], [cost for _, cost in files]]
        return [statistics.median(column) for column in columns]


def main() -> None:
    names = ("pointer: daemon's CPU, µs/event", "50 MB file, MB/s", "50 MB file: CPU, s/GB")
    with tempfile.TemporaryDirectory() as directory, Guest(gpu="VGA") as guest:
        file = Path(directory) / "file.bin"
        file.write_bytes(bytes(FILE_MB * 1_000_000))
        guest.start_xorg()
        figures = {pair.name: measure(guest, pair, file) for pair in PAIRS}
    print("| in a full guest, on the real port | ours | C | ours / C |\n|---|---|---|---|")
    for name, ours, other in zip(names, figures["ours"], figures["C"], strict=True):
        print(f"| {name} | {ours:.1f} | {other:.1f} | {ours / other:.2f} |")


if __name__ == "__main__":
    main()
