# SPDX-License-Identifier: MIT
"""How soon is the daemon there, and what does it cost while nothing happens?"""

from __future__ import annotations

import time

from bench.accounting import context_switches, pss_mb
from bench.options import Length
from bench.rig import Rig
from bench.table import Figure, Results

START, IDLE = "start-up", "idle"


def run(results: Results, length: Length) -> None:
    for subject in results.turns(1):
        with results.attempt(subject, "first start"), Rig(subject):
            pass  # reads the files from the disk, compiles what was never run
    for subject in results.turns(length.pick(3, 9, 15)):
        with results.attempt(subject, "start"), Rig(subject) as rig:
            announced_ms = (rig.announced_s - rig.started_s) * 1000
            used_ms = rig.cpu_s() * 1000
            results.add(Figure(START, "daemon start to ANNOUNCE", "ms"), subject, announced_ms)
            results.add(Figure(START, "daemon, CPU until then", "ms"), subject, used_ms)
            stopping = time.monotonic()
            rig.daemon.terminate()
            rig.daemon.wait(5)
            stopped_ms = (time.monotonic() - stopping) * 1000
            results.add(Figure(START, "SIGTERM to daemon's end", "ms"), subject, stopped_ms)


def run_idle(results: Results, length: Length) -> None:
    seconds = idle_s(length)
    for subject in results.turns(1):
        with results.attempt(subject, "idle daemon"), Rig(subject) as rig:
            pid = rig.daemon.pid
            time.sleep(2.5)
            switches, used = context_switches(pid), rig.cpu_s()
            time.sleep(seconds)
            woken = Figure(IDLE, f"daemon, context switches in {seconds} s", "")
            results.add(woken, subject, context_switches(pid) - switches)
            results.add(Figure(IDLE, "daemon, CPU", "ms"), subject, (rig.cpu_s() - used) * 1000)
            results.add(Figure(IDLE, "daemon, PSS", "MB"), subject, pss_mb(pid))


def idle_s(length: Length) -> int:
    return length.pick(5, 20, 20)
