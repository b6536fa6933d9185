# SPDX-License-Identifier: MIT
"""Which of the things that happen to a guest does the agent survive, and how soon does it serve again?

    python -m tests.survive [--write FILE] [WORDS…]

Installs the package in a systemd guest, lets every row of rows.py happen (or those whose name contains
one of WORDS), and prints a table; the status is 1 if a row did not end well.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.guest import installed
from tests.support.guest.roots import PROJECT
from tests.survive.recovery import PATIENCE_S, Served
from tests.survive.rows import ROWS, Row
from vdagent.errors import HostError

LOGS = PROJECT / ".cache" / "survive"
# The first boot with the package, from the executor's first word on.
DESKTOP_S = 120.0
HEAD = "| what happened | serves again | after s | at most s |\n|---|---|---|---|\n"
ABOUT = f"""# What the agent survives

`make test-guest-full` installs the package in a systemd guest (QEMU without KVM, spice-server, an X desktop),
lets each row happen to it and then uses clipboard both ways and pointer with a real viewer until all three
work. The time counts from the end of what happened. Without KVM a program of Python takes seconds to start, and
so does a desktop: that is where the limit is higher than 5 s. After {PATIENCE_S:.0f} s it counts as dead.

"""


def survive(row: Row, at: Served) -> str:
    """The row of the table; a log is left where it did not end well."""
    seconds = "–"
    problem = ""
    try:
        row.happen(at)
        took = at.seconds_until_served(row.x_reads_input)
        seconds = f"{took:.1f}"
        problem = "" if took <= row.limit_s else "too late"
    except (TimeoutError, HostError, RuntimeError) as error:
        problem = str(error)
    for command in at.cleanup:
        at.guest.run(command)
    at.cleanup.clear()
    if problem:
        sys.stderr.write(f"{row.what}: {problem}\n")
        _keep_log(row, at, problem)
    return f"| {row.what} | {'**no**' if problem else 'yes'} | {seconds} | {row.limit_s:.0f} |\n"


def _keep_log(row: Row, at: Served, problem: str) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        said = at.guest.run("journalctl -b --no-pager -o short-monotonic -n 150; ps -ef").output
    except (TimeoutError, OSError) as error:
        said = str(error)
    seen = "\n".join(map(str, at.viewer.events[-40:]))
    (LOGS / f"{row.what}.log").write_text(f"{problem}\n\n{said}\n\n{seen}\n")


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
        with installed.boot(scratch / "disk.qcow2", sleeps=True) as guest:
            installed.install(guest, deb)
            guest.reboot()
            at = Served(guest, deb)
            at.connect()
            at.viewer.wait_announced(timeout_s=DESKTOP_S)
            at.seconds_until_served()
            sys.stdout.write(HEAD)
            for row in rows:
                start = time.monotonic()
                table.append(survive(row, at))
                sys.stdout.write(table[-1])
                sys.stdout.flush()
                sys.stderr.write(f"  {time.monotonic() - start:.0f} s in all\n")
                guest.output("true")  # no guest, no further rows
            for viewer in at.viewers:
                viewer.close()
    if options.write:
        options.write.write_text(ABOUT + HEAD + "".join(table))
    failed = sum("**no**" in line for line in table)
    sys.stdout.write(f"{len(table) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
