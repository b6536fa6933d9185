# SPDX-License-Identifier: MIT
"""Do memory and file descriptors stay flat, and the log quiet, in a long day? `python -m tests.soak --time 60`

Measured after a fifth of the time and at the end. Tolerance: FDS descriptors, MEMORY_KIB of resident
memory per process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.interop.desk import Desk
from tests.soak.viewer import Viewer
from tests.support.processes import wait_for

FDS = 2
# glibc and Python's allocators fill their arenas for a while: large pastes leave holes.
MEMORY_KIB = 4096
WARM_UP = 0.2

# Everything the two processes may say when nothing is wrong.
EXPECTED = re.compile(
    r"(vdagent-\w+|vdagent)?:? ?("
    r"session: (connected to|active is|a session agent|the session agent .* left|clipboard and)"
    r"|port: .* is open|port: lost the host: (the host hung up|Connection reset by peer|Broken pipe)"
    r"|host: a client can|host: the client left"
    r"|tablet: ready|resolution: now|files: saved|files: .*cancelled|files: .*gave it up"
    r"|clipboard: nothing to paste for the viewer"
    r"|logind: |desktop: |x11: |volume: )"
)


class Measured(NamedTuple):
    """One process at one moment."""

    fds: int
    rss_kib: int

    @classmethod
    def of(cls, pid: int) -> Measured:
        """Read it from /proc."""
        status = Path(f"/proc/{pid}/status").read_text()
        rss = re.search(r"^VmRSS:\s+(\d+)", status, re.M)
        return cls(len(os.listdir(f"/proc/{pid}/fd")), int(rss[1]) if rss else 0)


class Result(NamedTuple):
    """What a soak shows: per process its start and end; what was done; what else was logged."""

    measured: dict[str, tuple[Measured, Measured]]
    done: dict[str, int]
    unexpected: list[str]

    @property
    def problems(self) -> list[str]:
        """What is not as it has to be."""
        found = [f"log: {line}" for line in self.unexpected]
        for name, (start, end) in self.measured.items():
            if end.fds > start.fds + FDS:
                found.append(f"{name}: {start.fds} file descriptors became {end.fds}")
            if end.rss_kib > start.rss_kib + MEMORY_KIB:
                found.append(f"{name}: {start.rss_kib} KiB became {end.rss_kib} KiB")
        return found


def soak(seconds: float, seed: int, directory: Path) -> Result:
    """Do things for so long; raises Mismatch or TimeoutError where something does not arrive."""
    with Desk(directory, "ours", "ours") as desk:
        viewer = Viewer(desk, seed)
        processes = {"daemon": desk.rig.daemon.pid, "session": desk.session.pid}
        began = time.monotonic()
        _until(viewer, began + seconds * WARM_UP)
        start = _measure(processes)
        _until(viewer, began + seconds)
        with contextlib.suppress(TimeoutError):  # then it is a problem of the result
            wait_for(lambda: _is_quiet(processes, start), 10)
        end = _measure(processes)
        logs = [desk.rig.log, directory / "session.log"]
        lines = [line for log in logs for line in log.read_text().splitlines()]
    measured = {name: (start[name], end[name]) for name in processes}
    return Result(measured, viewer.done, [x for x in lines if x and not EXPECTED.match(x)])


def _until(viewer: Viewer, end: float) -> None:
    while time.monotonic() < end:
        try:
            viewer.next()
        except Exception as error:
            raise RuntimeError(f"after {viewer.history}") from error


def _measure(processes: dict[str, int]) -> dict[str, Measured]:
    return {name: Measured.of(pid) for name, pid in processes.items()}


def _is_quiet(processes: dict[str, int], start: dict[str, Measured]) -> bool:
    """Whether what was open for the last deed is closed."""
    return all(Measured.of(pid).fds <= start[name].fds + FDS for name, pid in processes.items())


def main() -> int:
    """The exit status: 1 if something leaks or complains."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--time", type=float, default=60, help="seconds")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"soak of {options.time:.0f} s, --seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        result = soak(options.time, options.seed, Path(directory))
    for name, count in result.done.items():
        print(f"{count:8} × {name.replace('_', ' ')}")
    for name, (start, end) in result.measured.items():
        print(f"{name:8} fds {start.fds} → {end.fds}, RSS {start.rss_kib} → {end.rss_kib} KiB")
    for problem in result.problems[:20]:
        print(f"PROBLEM: {problem}")
    return int(bool(result.problems))


if __name__ == "__main__":
    sys.exit(main())
