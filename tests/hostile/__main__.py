# SPDX-License-Identifier: MIT
"""Every attack on our programs and on the C ones, as a table: `python -m tests.hostile [--full] [NAME…]`.

With --write FILE the table is a page of the documents, too.
"""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hostile import of_desktop, of_session, test_daemon
from tests.hostile.verdict import Verdict, judge

PAGE = """\
# Hostile peers

Written by `make hostile`: every attack, against our programs and against the C ones (spice-vdagent
{version}) in the same run. *Served on* means that after the attack a session that behaves has
clipboard both ways, pointer and files within seconds, and that memory stayed bounded (the growth of
the peak is behind the outcome). On the C daemon a second session without logind ends the service of
the first; attacks that need a newcomer take the place of its one session there. Attacks on the
desktop's side run against our daemon with either session agent, on X11.

| attack | what it does | ours | C |
| --- | --- | --- | --- |
{rows}

Ours served on {served} times of {all}, C {served_c}.

Other peers are hostile in tests of their own, which the C programs cannot take part in: a wrong user or
a recycled process id on the session socket (`tests/interop/test_admission.py`,
`tests/unit/transport/test_peers.py`), Wayland programs that never read their pipe
(`tests/backends/test_wayland_clipboard.py`), D-Bus services that lie (`tests/backends/test_logind.py`,
`test_notifications.py`, `test_mutter_display.py`), and daemons that answer the commands with nonsense
(`tests/unit/test_terminal.py`).
"""

DAEMON = test_daemon.ATTACKS
DESKTOP = {f"desktop: {attack.__name__}": attack for attack in of_desktop.ATTACKS}


def one(name: str, kind: str, attack_s: float) -> Verdict:
    """A daemon, or a desktop, of its own for one attack."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as directory:
        try:
            if name in DESKTOP:
                return of_desktop.judge(DESKTOP[name], kind, Path(directory))
            return judge(DAEMON[name], kind, Path(directory), attack_s)
        except Exception as error:  # it did not even come up
            return Verdict(False, f"{type(error).__name__}: {error}"[:90])


def main() -> int:
    """The exit status: 1 unless ours served on every time."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--full", action="store_true", help="1 GiB of grabs")
    parser.add_argument("--only", choices=["ours", "C"], help="one of the two")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page of the documents")
    parser.add_argument("names", nargs="*", help="parts of attacks' names")
    options = parser.parse_args()
    if options.full:
        of_session.GRABS = 1 << 30
    names = [
        n
        for n in (*DAEMON, *DESKTOP)
        if not options.names or any(part in n for part in options.names)
    ]
    kinds = [options.only] if options.only else ["ours", "C"]
    table: dict[str, dict[str, Verdict]] = {}
    for name in names:
        row = table[name] = {}
        for kind in kinds:
            row[kind] = one(name, kind, 900 if options.full and kind == "ours" else 60)
        print(" | ".join((name.replace("_", " "), *map(_cell, row.values()))), flush=True)
    if options.write is not None:
        options.write.write_text(page(table))
    return int(any(not row["ours"].served for row in table.values() if "ours" in row))


def _cell(verdict: Verdict) -> str:
    return f"{verdict.words} ({verdict.seconds:.1f} s, {verdict.peak_mib:+.0f} MiB)"


def page(table: dict[str, dict[str, Verdict]]) -> str:
    """The table as a page of the documents."""
    rows = []
    for name, row in table.items():
        what = " ".join((inspect.getdoc({**DAEMON, **DESKTOP}[name]) or "").split())
        cells = (_cell(row[kind]) if kind in row else "" for kind in ("ours", "C"))
        rows.append("| " + " | ".join((name.replace("_", " "), what, *cells)) + " |")
    query = ["dpkg-query", "-W", "-f", "${Version}", "spice-vdagent"]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    served = [sum(k in row and row[k].served for row in table.values()) for k in ("ours", "C")]
    return PAGE.format(
        version=found or "not installed",
        rows="\n".join(rows),
        served=served[0],
        served_c=served[1],
        all=len(table),
    )


if __name__ == "__main__":
    sys.exit(main())
