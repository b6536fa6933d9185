# SPDX-License-Identifier: MIT
"""How does `vdagent doctor` walk the chain, and show what it found?"""

from __future__ import annotations

import json
import logging

from .. import __version__
from . import daemon, desktop, host, machine, session
from .finding import Finding, Scope

MARKS = {True: "ok", False: "!!", None: "? "}


def examine(scope: Scope, *, probe: bool = False) -> list[Finding]:
    """Every link of the chain, from the host to the desktop."""
    status, problem = daemon.status_of(scope)
    if status is None or status["version"] != __version__:
        found = machine.examine(scope, None)
        if status is None:
            found.append(daemon.without_status(scope, problem))
        else:
            found.append(daemon.of_another_version(scope, status))
        found.append(session.without_status(scope))
        return found + desktop.examine(scope.environment, None)
    found = machine.examine(scope, status)
    found += daemon.examine(scope, status)
    found += session.examine(scope, status)
    mine = sorted(session.mine(status), key=lambda s: not s["active"])
    found += desktop.examine(scope.environment, mine[0] if mine else None)
    answers = None
    if probe:
        answers, finding = host.run_probe(scope, status)
        found.append(finding)
    return found + host.examine(scope, status, answers)


def run(scope: Scope, *, as_json: bool, probe: bool) -> int:
    """Print the findings; 0 if all is well, 1 if there is something to do."""
    logging.disable()  # what the backends have to say is in the findings
    findings = examine(scope, probe=probe)
    if as_json:
        print(json.dumps([_json(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{MARKS[finding.ok]}  {finding.name:18} {finding.detail}")
            if finding.hint and not finding.ok:
                print(f"    {'':18} → {finding.hint}")
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
