# SPDX-License-Identifier: MIT
"""Does our daemon run, can it be reached, and has it opened the port?"""

from __future__ import annotations

import os
import socket
import time

from .. import __version__
from ..control import NotThere, ask_status, control_path
from ..errors import SessionError
from ..transport.peers import Peer
from .finding import Finding, Scope, Status

C_DAEMON = "spice-vdagentd"
# Connecting starts a daemon whose socket systemd holds; its control socket comes a moment later.
ACTIVATION_S = 3.0
STEP_S = 0.05


def status_of(scope: Scope) -> tuple[Status | None, str]:
    """The daemon's status, or why there is none."""
    control, deadline = control_path(scope.socket), time.monotonic() + ACTIVATION_S
    comes: bool | None = None
    while True:
        try:
            return ask_status(control), ""
        except NotThere as error:
            problem = error.message
        except SessionError as error:
            return None, error.message
        if comes is None:
            comes = _listener(scope.socket) not in (None, C_DAEMON)
        if not comes or time.monotonic() >= deadline:
            return None, problem
        time.sleep(STEP_S)


def _listener(path: str) -> str | None:
    """The name of the program that listens at a socket, None if none answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
            with open(f"/proc/{Peer(probe).pid}/comm", encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None


def without_status(scope: Scope, problem: str) -> Finding:
    """Why the daemon does not tell its status: it is another one, or there is none."""
    start = scope.service("start")
    if not os.path.exists(scope.socket) and not _is_hidden(scope.socket):
        return Finding("daemon", False, f"it does not run: there is no {scope.socket}", start)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(scope.socket)
        except ConnectionRefusedError:
            detail = f"it has died: nobody listens on {scope.socket}"
            return Finding("daemon", False, detail, start)
        except OSError as error:
            detail = f"{scope.socket} cannot be reached: {error.strerror or error}"
            directory = os.path.dirname(scope.socket)
            return Finding("daemon", False, detail, f"see ls -ld {directory} {scope.socket}")
    if os.path.exists(control_path(scope.socket)):
        return Finding("daemon", False, problem, scope.service("restart"))
    return Finding(
        "daemon",
        False,
        f"another agent daemon (spice-vdagentd?) listens on {scope.socket}",
        "either keep it, then vdagent session works with it; or stop it: systemctl disable --now "
        f"spice-vdagentd.socket spice-vdagentd.service; and then: {start}",
    )


def _is_hidden(path: str) -> bool:
    """Whether we may not even look whether it is there."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def of_another_version(scope: Scope, status: Status) -> Finding:
    """What else it tells may mean something else."""
    return Finding(
        "daemon",
        False,
        f"vdagent {status['version']} runs, but {__version__} is installed",
        f"restart it after the upgrade: {scope.service('restart')}",
    )


def examine(scope: Scope, status: Status) -> list[Finding]:
    """The daemon by its own words, and its port."""
    daemon = Finding("daemon", True, f"vdagent {status['version']}, pid {status['pid']}")
    return [daemon, _port(scope, status)]


def _port(scope: Scope, status: Status) -> Finding:
    port = status["port"]
    if port["open"]:
        return Finding("port open", True, "the host sees an agent")
    problem = port["problem"]
    if problem is None:
        waits = not any(session["active"] for session in status["sessions"])
        detail = "closed: no session is served" if waits else "closed: there is no tablet"
        return Finding("port open", False, detail, "what is wrong in the other lines comes first")
    if (access := scope.access_hint(problem, port["path"])) is not None:
        hint = access
    elif "in use" in problem:
        hint = "end the other program; two agent daemons cannot serve one port"
    elif port["path"] != scope.port:
        hint = f"the daemon was started with -s {port['path']}: is that right?"
    else:
        hint = f"once the line of the port is well, the daemon goes on by itself ({port['path']})"
    return Finding("port open", False, f"closed: {problem}", hint)
