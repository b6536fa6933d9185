# SPDX-License-Identifier: MIT
"""What has a process used: CPU, memory, context switches, system calls?"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.processes import spawn, wait_for


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads alive, to the nanosecond (schedstat's first field)."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in _tasks(pid)) / 1e9


def context_switches(pid: int) -> int:
    """How often any thread was put aside or went to sleep: an idle process adds none."""
    found = (re.findall(r"_switches:\s*(\d+)", (t / "status").read_text()) for t in _tasks(pid))
    return sum(int(count) for counts in found for count in counts)


def _kilobytes(text: str, field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


def pss_mb(pid: int) -> float:
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss") / 1024


def peak_rss_mb(pid: int) -> float:
    """The highest resident size since `reset_peak`."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_text(), "VmHWM") / 1024


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def alone_mb(pids: Iterable[int]) -> float:
    """Memory of a group of processes as if nothing else ran: their shared pages counted once.

    PSS falls when an unrelated process maps the same file: the harness runs the interpreter that
    one of the peers may run too. Here a mapping counts its private pages in each process and its
    shared ones once, so this errs upwards, alike for everybody.
    """
    shared: dict[str, int] = {}
    private = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps").read_text()
        for entry in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.MULTILINE)[1:]:
            own = _kilobytes(entry, "Private_Clean") + _kilobytes(entry, "Private_Dirty")
            private += own
            _, _, offset, device, inode, *_ = entry.split("\n", 1)[0].split()
            key = f"{device} {inode} {offset}" if inode != "0" else f"{pid} {entry[:32]}"
            shared[key] = max(shared.get(key, 0), _kilobytes(entry, "Rss") - own)
    return (private + sum(shared.values())) / 1024


def pin(pid: int, cpu: int) -> None:
    for task in _tasks(pid):
        os.sched_setaffinity(int(task.name), {cpu})


class SyscallCount:
    """Counts the system calls of `pid` by strace for the length of a `with` block."""

    def __init__(self, pid: int, directory: Path) -> None:
        self._pid = pid
        self._summary = directory / "strace"
        self._log = directory / "strace.log"
        self.total = 0

    @staticmethod
    def available() -> bool:
        return shutil.which("strace") is not None

    def _attached(self) -> bool:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return "TracerPid:\t0\n" not in status

    def __enter__(self) -> SyscallCount:
        argv = ["strace", "-c", "-f", "-o", str(self._summary), "-p", str(self._pid)]
        self._strace: subprocess.Popen[bytes] = spawn(argv, log=self._log)
        wait_for(self._attached, what="strace attached")
        time.sleep(0.2)  # it seizes the other threads after the first
        return self

    def __exit__(self, *_: object) -> None:
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait(10)
        # % time, seconds, usecs/call, calls, errors (or nothing), "total"
        total = re.search(r"^(?:\s*[\d.]+){3}\s+(\d+).*total$", self._summary.read_text(), re.M)
        self.total = int(total[1]) if total else 0
