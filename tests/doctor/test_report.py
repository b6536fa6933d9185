# SPDX-License-Identifier: MIT
"""Does the doctor print the same for people as for machines?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.doctor.report import DEADLINE_S, doctor, environment, schema
from tests.support.processes import wait_control
from tests.support.rig import Rig, program

LINE = re.compile(r"(ok|!!|\? )  (.{18}) (.+)")
ARROW = re.compile(r" {22} → (.+)")


def test_a_line_a_link_and_below_it_what_to_do(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.ready()
        wait_control(rig.socket)
        where = ["-s", str(tmp_path / "port"), "-S", str(rig.socket)]
        report = doctor(*where)
        run = subprocess.run(
            [*program("doctor"), *where],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
    assert (run.returncode, run.stderr) == (report.status, "")
    expected = []
    for finding in report.findings.values():
        mark = {True: "ok", False: "!!", None: "? "}[finding.ok]
        expected.append((mark, finding.name, finding.detail))
        if finding.hint:
            expected.append(("→", "", finding.hint))
    printed = []
    for line in run.stdout.splitlines():
        if found := LINE.fullmatch(line):
            printed.append((found[1], found[2].strip(), found[3]))
        else:
            arrow = ARROW.fullmatch(line)
            assert arrow, line
            printed.append(("→", "", arrow[1]))
    # The viewer has been there for another second meanwhile.
    assert [_timeless(row) for row in printed] == [_timeless(row) for row in expected]


def _timeless(row: tuple[str, str, str]) -> tuple[str, str, str]:
    return row[0], row[1], re.sub(r"for \d+ s", "for a while", row[2])


def test_the_schema_refuses_what_is_none() -> None:
    """It would be no proof otherwise."""
    good = [{"name": "port", "ok": True, "detail": "there"}]
    bad = [
        [],
        {},
        [{"name": "port", "ok": True}],
        [{"name": "port", "ok": False, "detail": "no hint"}],
        [{"name": "port", "ok": None, "detail": "an empty hint", "hint": ""}],
        [{"name": "port", "ok": True, "detail": "a hint nobody needs", "hint": "x"}],
        [{"name": "port", "ok": "yes", "detail": "there"}],
        [{"name": "unheard of", "ok": True, "detail": "there"}],
        [{"name": "port", "ok": True, "detail": "two\nlines"}],
    ]
    checker = schema("doctor")
    assert checker.is_valid(good)
    assert [case for case in bad if checker.is_valid(case)] == []
