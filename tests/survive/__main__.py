# SPDX-License-Identifier: MIT
"""Which of the things that happen to a guest does the agent survive, and how soon does it serve again?

    python -m tests.survive [--write FILE] [WORDS…]

Installs the package in a systemd guest, lets every row of rows.py happen (or those whose name contains
one of WORDS), and prints a table; the status is 1 if a row did not end well.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.guest import installed
from tests.support.guest.machine import Guest
from tests.support.guest.roots import PROJECT
from tests.survive.recovery import PATIENCE_S, Served
from tests.survive.row import SERVED_S, Row
from tests.survive.rows import ROWS
from vdagent.errors import HostError

LOGS = PROJECT / ".cache" / "survive"
# The first boot with the package, from the executor's first word on.
DESKTOP_S = 120.0
HEAD = "| what happened | in s | serves again | after s | at most s |\n|---|---|---|---|---|\n"
ABOUT = """# What the agent survives

`make test-guest-full` installs the package in a systemd guest (QEMU without KVM, spice-server, an X desktop;
sway on a screen that nobody sees), lets each row happen to it and then uses the pointer and the clipboard both
ways with a real viewer until all three work. The time counts from the end of what happened, which took the time
beside it: with a desktop in it, until its window manager or compositor can be used. After {patience:.0f} s it
counts as dead.

Without KVM everything takes longer. In the same guest, right before: {reference}.
The machine had {cpus} CPUs; programs that were not part of this took {share:.0%} of them meanwhile{precedence}.

"""
# What the rows' times may be compared with.
PROGRAMS = {
    "a Python that does nothing": "python3 -I -c pass",
    "a Python that imports asyncio": "python3 -I -c 'import asyncio'",
    "pasting with xclip": "timeout 5 xclip -o -selection clipboard",
}


def survive(row: Row, at: Served) -> str:
    """The row of the table; a log is left where it did not end well."""
    seconds = took = "–"
    problem = ""
    start = time.monotonic()
    try:
        row.happen(at)
        took = f"{time.monotonic() - start:.1f}"
        ways = at.seconds_until_served(row.x_reads_input)
        sys.stderr.write(f"  {', '.join(f'{way} {after:.1f}' for way, after in ways.items())}\n")
        seconds = f"{max(ways.values()):.1f}"
        problem = "" if max(ways.values()) <= row.limit_s else "too late"
        row.then(at)
    except (TimeoutError, HostError, RuntimeError) as error:
        problem = str(error)
    if problem:
        sys.stderr.write(f"{row.what}: {problem}\n")
        _keep_log(row, at, problem)
        at.connect()  # the next row is not to suffer from what this one did to the viewer
    for command in at.cleanup:
        at.guest.run(command)
    at.cleanup.clear()
    verdict = "**no**" if problem else "yes"
    return f"| {row.what} | {took} | {verdict} | {seconds} | {row.limit_s:.0f} |\n"


def _keep_log(row: Row, at: Served, problem: str) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    x_servers = "tail -n 40 $(ls -t /home/*/.local/share/xorg/*.log | head -n 2)"
    ask = f"journalctl -b --no-pager -o short-monotonic -n 150; ps -ef; {x_servers}"
    try:
        said = at.guest.run(ask).output
    except (TimeoutError, OSError) as error:
        said = str(error)
    seen = "\n".join(map(str, at.viewer.events[-40:]))
    (LOGS / f"{row.what}.log").write_text(f"{problem}\n\n{said}\n\n{seen}\n")


def reference(guest: Guest) -> str:
    """How long other programs take in this guest."""
    found = []
    for what, command in PROGRAMS.items():
        start = time.monotonic()
        guest.output(f"{command}; {command}; {command}")
        found.append(f"{what} {(time.monotonic() - start) / 3:.1f} s")
    return ", ".join(found)


def cpu_seconds() -> tuple[float, float]:
    """What all CPUs of this machine have done so far, and what of it was for us."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _wait, irq, soft_irq, stolen = map(
            int, stat.readline().split()[1:9]
        )
    busy = (user + nice + system + irq + soft_irq + stolen) / os.sysconf("SC_CLK_TCK")
    return busy, sum(os.times()[:4])


def precedence() -> str:
    """Whether we had that over other programs."""
    try:
        group = Path("/proc/self/autogroup").read_text()
    except OSError:
        return ""
    nice = int(group.split()[-1])
    return f", with precedence for this (nice {nice})" if nice < 0 else ""


def run(rows: Sequence[Row]) -> str:
    """The whole document."""
    table = []
    start, (busy, ours) = time.monotonic(), cpu_seconds()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        deb = installed.build_deb(scratch)
        with installed.boot(scratch / "disk.qcow2", sleeps=True, password="one") as guest:
            installed.install(guest, deb)
            guest.reboot()
            at = Served(guest, deb)
            at.connect()
            at.viewer.wait_announced(timeout_s=DESKTOP_S)
            at.seconds_until_served()
            compare = reference(guest)
            for row in rows:
                table.append(survive(row, at))
                sys.stderr.write(table[-1])
                guest.output("true")  # no guest, no further rows
            for viewer in at.viewers:
                viewer.close()
    all_busy, all_ours = cpu_seconds()
    others = (all_busy - busy) - (all_ours - ours)
    cpus = os.cpu_count() or 1
    share = max(0.0, others) / cpus / (time.monotonic() - start)
    words = ABOUT.format(
        patience=PATIENCE_S, reference=compare, cpus=cpus, share=share, precedence=precedence()
    )
    notes = "".join(f"\nMore than {SERVED_S:.0f} s, {r.what}: {r.why}.\n" for r in rows if r.why)
    return words + HEAD + "".join(table) + notes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.survive")
    parser.add_argument("--write", type=Path, help="also write the document to this file")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    rows = [r for r in ROWS if not options.words or any(w in r.what for w in options.words)]
    document = run(rows)
    sys.stdout.write(document)
    if options.write:
        options.write.write_text(document)
    failed = document.count("| **no** |")
    sys.stdout.write(f"{len(rows) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
