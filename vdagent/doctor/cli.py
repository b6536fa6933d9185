# SPDX-License-Identifier: MIT
"""How does `vdagent doctor` walk the chain, and show what it found?"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

from .. import __version__
from ..control import NONSENSE
from ..terminal import say
from . import daemon, desktop, host, machine, session
from .finding import Finding, Scope, Status

MARKS = {True: "ok", False: "!!", None: "? "}


def examine(scope: Scope, *, probe: bool = False) -> list[Finding]:
    """Every link of the chain, from the host to the desktop."""
    status, problem = daemon.status_of(scope)
    try:
        return _examine(scope, status, problem, probe=probe)
    except NONSENSE:
        if status is None:
            raise
        return _examine(scope, None, f"{scope.socket} talks nonsense", probe=False)


def _examine(scope: Scope, status: Status | None, problem: str, *, probe: bool) -> list[Finding]:
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
        say(json.dumps([_json(finding) for finding in findings]))
    else:
        say(*(line for finding in findings for line in _text(finding)))
    return 1 if any(finding.ok is False for finding in findings) else 0


def _text(finding: Finding) -> Iterator[str]:
    yield f"{MARKS[finding.ok]}  {finding.name:18} {finding.detail}"
    if finding.hint and not finding.ok:
        yield f"    {'':18} → {finding.hint}"


def _json(finding: Finding) -> dict[str, str | bool | None]:
    result: dict[str, str | bool | None] = {
        "name": finding.name,
        "ok": finding.ok,
        "detail": finding.detail,
    }
    if not finding.ok:
        result["hint"] = finding.hint
    return result
