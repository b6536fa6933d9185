# SPDX-License-Identifier: MIT
"""How does `vdagent doctor` show what it found?"""

from __future__ import annotations

import json
import os

from . import desktop, machine, programs
from .finding import Finding, Scope

MARKS = {True: "ok", False: "!!", None: "? "}


def examine(scope: Scope) -> list[Finding]:
    """Every link of the chain, from the host to the desktop."""
    return [
        *machine.examine(scope),
        *programs.examine(scope),
        *desktop.examine(os.environ),
    ]


def run(scope: Scope, *, as_json: bool) -> int:
    """Print the findings; 0 if all is well, 1 if there is something to do."""
    findings = examine(scope)
    if as_json:
        print(json.dumps([_json(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{MARKS[finding.ok]}  {finding.name:16} {finding.detail}")
            if finding.hint and not finding.ok:
                print(f"    {'':16} → {finding.hint}")
    return 1 if any(finding.ok is False for finding in findings) else 0


def _json(finding: Finding) -> dict[str, str | bool | None]:
    result: dict[str, str | bool | None] = {
        "name": finding.name,
        "ok": finding.ok,
        "detail": finding.detail,
    }
    if not finding.ok:
        result["hint"] = finding.hint
    return result
