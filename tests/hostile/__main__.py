# SPDX-License-Identifier: MIT
"""Every attack on our programs and on the C ones, as a table: `python -m tests.hostile [--full] [NAME…]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.hostile import of_desktop, of_session, test_daemon
from tests.hostile.verdict import Verdict, judge

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
    failed = False
    for name in names:
        cells = [name.replace("_", " ")]
        for kind in kinds:
            verdict = one(name, kind, 900 if options.full and kind == "ours" else 60)
            failed |= kind == "ours" and not verdict.served
            numbers = f"{verdict.seconds:.1f} s, {verdict.peak_mib:+.0f} MiB"
            cells.append(f"{verdict.words} ({numbers})")
        print(" | ".join(cells), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
