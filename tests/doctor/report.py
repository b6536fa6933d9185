# SPDX-License-Identifier: MIT
"""How does a test ask the doctor, as a program, and hold what it prints against what is expected?"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from tests.support.logs import faultless
from tests.support.rig import program
from vdagent.doctor import cli
from vdagent.doctor.finding import Finding, Scope

DOCS = Path(__file__).resolve().parents[2] / "docs"
DEADLINE_S = 60.0
# Nothing of the caller's own desktop.
_HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "SWAYSOCK")


def schema(name: str) -> Draft202012Validator:
    """A schema of docs/, itself checked."""
    content = json.loads((DOCS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def environment(**more: str) -> dict[str, str]:
    """An environment without a desktop, but for what is given."""
    return {k: v for k, v in os.environ.items() if k not in _HIDDEN} | more


class Report(NamedTuple):
    """What `vdagent doctor` said."""

    status: int
    findings: dict[str, Finding]

    def says(self, name: str, ok: bool | None, detail: str, hint: str = "") -> None:
        """Fails unless there is that line, with these words in it."""
        finding = self.findings.get(name)
        assert finding is not None, f"no line {name!r}: {list(self.findings)}"
        assert finding.ok is ok, finding
        assert detail in finding.detail, finding
        assert hint in finding.hint, finding
        assert bool(finding.hint) is (ok is not True), finding

    def fine(self, *names: str) -> None:
        """Fails unless these links are well."""
        for name in names:
            assert self.findings[name].ok is True, self.findings[name]

    def wrong(self) -> list[str]:
        """The links that are not well."""
        return [name for name, finding in self.findings.items() if finding.ok is False]


def read_json(text: str, status: int) -> Report:
    """What --json printed, held against its schema."""
    found = json.loads(text)
    schema("doctor").validate(found)
    report = Report(status, {row["name"]: Finding(**{"hint": "", **row}) for row in found})
    assert len(report.findings) == len(found), "a link was told of twice"
    assert status == (1 if report.wrong() else 0)
    return report


def doctor(
    *options: str | Path,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
) -> Report:
    """Run `vdagent doctor --json`, `command` being how to where it is not the usual way."""
    argv = [*(command or program("doctor")), *map(str, options), "--json"]
    run = subprocess.run(
        argv,
        env=environment() if env is None else dict(env),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert faultless(run.stderr), run.stderr
    return read_json(run.stdout, run.returncode)


def examined(scope: Scope, capsys: pytest.CaptureFixture[str]) -> Report:
    """Run the doctor in this process, where `scope` says that the system's files are."""
    capsys.readouterr()
    code = cli.run(scope, as_json=True, probe=False)
    logging.disable(logging.NOTSET)  # which a program of its own need not do
    return read_json(capsys.readouterr().out, code)


def status(socket: Path, *options: str, code: int = 0) -> dict[str, Any]:
    """Run `vdagent status --json`, held against its schema."""
    argv = [*program("status"), "--json", "-S", str(socket), *options]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (run.returncode, run.stderr) == (code, "")
    found: dict[str, Any] = json.loads(run.stdout)
    schema("status").validate(found)
    return found


PYTHON = getattr(sys, "_base_executable", sys.executable)
