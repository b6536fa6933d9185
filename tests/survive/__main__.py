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
from pathlib import Path

from tests.support.guest import installed
from tests.support.guest.machine import Guest
from tests.support.guest.roots import PROJECT
from tests.survive.recovery import PATIENCE_S, Served
from tests.survive.row import Row
from tests.survive.rows import ROWS
from vdagent.errors import HostError

LOGS = PROJECT / ".cache" / "survive"
# The first boot with the package, from the executor's first word on.
DESKTOP_S = 120.0
HEAD = "| what happened | in s | serves again | after s | at most s |\n|---|---|---|---|---|\n"
ABOUT = """# What the agent survives

`make test-guest-full` installs the package in a systemd guest (QEMU without KVM, spice-server, an X desktop),
lets each row happen to it and then uses the pointer and the clipboard both ways with a real viewer until all three
work. The time counts from the end of what happened, which took the time beside it: with a desktop in it, until its
window manager can be used. After {patience:.0f} s it counts as dead.

Without KVM everything takes longer. In the same guest, right before: {reference}.
The run was on {host}; its load was {load} at the beginning.

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


def about(guest: Guest) -> str:
    """What the reader of the table has to know, with what was measured in this guest."""
    reference = []
    for what, command in PROGRAMS.items():
        start = time.monotonic()
        guest.output(f"{command}; {command}; {command}")
        reference.append(f"{what} {(time.monotonic() - start) / 3:.1f} s")
    return ABOUT.format(
        patience=PATIENCE_S,
        reference=", ".join(reference),
        host=f"{os.cpu_count()} CPUs",
        load=f"{os.getloadavg()[1]:.1f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.survive")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    rows = [r for r in ROWS if not options.words or any(w in r.what for w in options.words)]
    table = []
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
            words = about(guest)
            sys.stdout.write(words + HEAD)
            for row in rows:
                table.append(survive(row, at))
                sys.stdout.write(table[-1])
                sys.stdout.flush()
                guest.output("true")  # no guest, no further rows
            for viewer in at.viewers:
                viewer.close()
    if options.write:
        options.write.write_text(words + HEAD + "".join(table))
    failed = sum("**no**" in line for line in table)
    sys.stdout.write(f"{len(table) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
