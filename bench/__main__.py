# SPDX-License-Identifier: MIT
"""Which figures are measured, of whom, and where does the table go?"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import bulk, mouse, report, scaling, session, startup, table, targets
from bench.options import Length
from bench.rig import Subject, pin_harness

OURS = str(Path(sys.executable).with_name("vdagent"))
DAEMON_FLAGS = "-x -X -f -s {port} -S {agent} -u {uinput}"
SESSION_FLAGS = "-x -s {port} -S {agent}"
SUBJECTS = {
    "ours": Subject("ours", f"{OURS} daemon {DAEMON_FLAGS}", f"{OURS} session {SESSION_FLAGS}"),
    "C": Subject(
        "C", f"/usr/sbin/spice-vdagentd {DAEMON_FLAGS}", f"spice-vdagent {SESSION_FLAGS}", 1
    ),
}
FIGURES: dict[str, Callable[[table.Results, Length], None]] = {
    "mouse": mouse.run,
    "mix": mouse.run_under_bulk,
    "clipboard": bulk.run_clipboard,
    "files": bulk.run_files,
    "startup": startup.run,
    "idle": startup.run_idle,
    "session": session.run,
    "sway": session.run_sway,
    "sessions": scaling.run_sessions,
}


def _names(text: str) -> list[str]:
    wanted = text.split(",")
    unknown = sorted(set(wanted) - FIGURES.keys())
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no figures called {', '.join(unknown)}; there are {', '.join(FIGURES)}"
        )
    return wanted


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_const", const=Length.QUICK, dest="length")
    length.add_argument("--full", action="store_const", const=Length.FULL, dest="length")
    every = list(FIGURES)
    parser.add_argument("--only", type=_names, default=every, metavar="A,B", help=", ".join(every))
    parser.add_argument("--subjects", default="ours,C", help="who is measured: %(default)s")
    parser.add_argument("--ours-daemon", metavar="COMMAND", help="another daemon as ours")
    parser.add_argument("--ours-session", metavar="COMMAND", help="another session as ours")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--report", type=Path, metavar="FILE", help="table and plots, documented")
    parser.set_defaults(length=Length.NORMAL)
    return parser.parse_args()


def _subjects(arguments: argparse.Namespace) -> list[Subject]:
    ours = SUBJECTS["ours"]
    known = SUBJECTS | {
        "ours": Subject(
            "ours", arguments.ours_daemon or ours.daemon, arguments.ours_session or ours.session
        )
    }
    return [known[name] for name in arguments.subjects.split(",")]


def main() -> int:
    arguments = _arguments()
    pin_harness()
    # The harness's threads take turns on one CPU; the default of 5 ms would show as latency.
    sys.setswitchinterval(0.0001)
    machine = table.machine()
    results = table.Results(_subjects(arguments), arguments.length.repetitions)
    for name in arguments.only:
        start = time.monotonic()
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        FIGURES[name](results, arguments.length)
        print(f" {time.monotonic() - start:.0f} s", file=sys.stderr)
    for fact, value in machine.items():
        print(f"{fact}: {value}")
    print(table.as_text(results))
    for kept, words in targets.checked(results):
        if not kept:
            print("missed:", words)
    if arguments.markdown:
        arguments.markdown.write_text(table.as_markdown(results))
    if arguments.json:
        arguments.json.write_text(table.as_json(results, machine))
    if arguments.report:
        report.write(results, machine, arguments.report)
    for failure in results.failures:
        print("failed:", failure)
    return 1 if any(failure.startswith("ours:") for failure in results.failures) else 0


if __name__ == "__main__":
    sys.exit(main())
