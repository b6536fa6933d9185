# SPDX-License-Identifier: MIT
"""Do daemon and session agent run, do they find each other, and what have they agreed with the host?"""

from __future__ import annotations

import os
import socket
from typing import Any

from .. import __version__
from ..control import ask, control_path
from ..errors import SessionError
from .finding import Finding, Scope

START_DAEMON = (
    "systemctl enable --now vdagentd.socket vdagentd.service; by hand, as root: vdagent daemon"
)
# How a desktop starts a program at log-in; the others honour /etc/xdg/autostart.
AUTOSTART = {
    "sway": "exec vdagent session  (in ~/.config/sway/config)",
    "hyprland": "exec-once = vdagent session  (in ~/.config/hypr/hyprland.conf)",
    "i3": "exec --no-startup-id vdagent session  (in ~/.config/i3/config)",
    "river": "riverctl spawn 'vdagent session'  (in ~/.config/river/init)",
    "niri": 'spawn-at-startup "vdagent" "session"  (in ~/.config/niri/config.kdl)',
    "openbox": "vdagent session &  (in ~/.config/openbox/autostart)",
}


def examine(scope: Scope) -> list[Finding]:
    """Daemon, session agent, the session's turn, host and viewer."""
    try:
        status = ask(control_path(scope.socket), {"do": "status"})["status"]
    except SessionError as error:
        return [_no_status(scope, error.message)]
    found = [_daemon(status), _session(status)]
    mine = _my_sessions(status)
    if mine:
        found.append(_turn(status, mine))
    return [*found, _port_open(status), _viewer(status), *_host(status)]


def _no_status(scope: Scope, problem: str) -> Finding:
    """Why the daemon does not tell its status: it is another one, or there is none."""
    if not os.path.exists(scope.socket):
        return Finding(
            "daemon", False, f"it does not run: there is no {scope.socket}", START_DAEMON
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(scope.socket)
        except ConnectionRefusedError:
            return Finding(
                "daemon", False, f"it has died: nobody listens on {scope.socket}", START_DAEMON
            )
        except OSError as error:
            hint = f"see ls -l {scope.socket}"
            return Finding("daemon", False, f"{scope.socket}: {error.strerror or error}", hint)
    if os.path.exists(control_path(scope.socket)):
        return Finding("daemon", False, problem, "restart it: systemctl restart vdagentd")
    return Finding(
        "daemon",
        False,
        f"another agent daemon (spice-vdagentd?) listens on {scope.socket}",
        "either keep it, then vdagent session works with it; or systemctl disable --now "
        "spice-vdagentd.socket spice-vdagentd.service and start vdagentd",
    )


def _daemon(status: dict[str, Any]) -> Finding:
    detail = f"vdagent {status['version']}, pid {status['pid']}"
    if status["version"] != __version__:
        hint = "restart it after the upgrade: systemctl restart vdagentd"
        return Finding("daemon", False, f"{detail}, but {__version__} is installed", hint)
    return Finding("daemon", True, detail)


def _my_sessions(status: dict[str, Any]) -> list[dict[str, Any]]:
    uid = os.getuid()
    return [s for s in status["sessions"] if uid in (0, s["uid"])]


def _session(status: dict[str, Any]) -> Finding:
    mine = _my_sessions(status)
    if not mine:
        return Finding(
            "session agent", False, "none of yours is connected to the daemon", _start_session()
        )
    if not any(session["desktop"] for session in mine):
        return Finding(
            "session agent",
            False,
            "it has not reported any screen",
            "see its messages: vdagent session --foreground --debug",
        )
    return Finding("session agent", True, ", ".join(f"pid {s['pid']}" for s in mine))


def _start_session() -> str:
    desktops = os.environ.get("XDG_CURRENT_DESKTOP", "").lower().split(":")
    for name, line in AUTOSTART.items():
        if name in desktops:
            return f"start it with the desktop: {line}"
    return "vdagent session; at every log-in: systemctl --user enable --now vdagent.service"


def _turn(status: dict[str, Any], mine: list[dict[str, Any]]) -> Finding:
    if any(s["active"] and s["shares"] for s in mine):
        return Finding("session's turn", True, "it is the active one")
    if any(s["active"] for s in mine):
        return Finding(
            "session's turn",
            False,
            "it is locked, or a greeter: clipboard and files wait",
            "unlock the screen",
        )
    return Finding(
        "session's turn",
        False,
        "another session is at the seat",
        "switch to this one: loginctl activate SESSION",
    )


def _port_open(status: dict[str, Any]) -> Finding:
    port, tablet = status["port"], status["tablet"]
    if port["open"]:
        return Finding("port open", True, "the host sees an agent")
    problem = status["last_error"] or "no session is served"
    if not tablet["ready"] and any(session["active"] for session in status["sessions"]):
        return Finding("port open", False, f"no tablet: {problem}", "modprobe uinput")
    return Finding("port open", False, f"closed: {problem}", "the links above come first")


def _viewer(status: dict[str, Any]) -> Finding:
    if status["host"]["client_connected"]:
        return Finding("viewer", True, f"connected, host kind {status['host']['kind']}")
    return Finding(
        "viewer",
        None,
        "none has announced itself",
        "open the VM's window (virt-viewer, virt-manager, Boxes); with VNC the host needs "
        "-chardev qemu-vdagent,clipboard=on",
    )


def _host(status: dict[str, Any]) -> list[Finding]:
    host = status["host"]
    if not host["client_connected"]:
        return []
    found = []
    if "clipboard_by_demand" in host["capabilities"]:
        found.append(Finding("host: clipboard", True, "the viewer takes part"))
    else:
        found.append(
            Finding(
                "host: clipboard",
                False,
                "host or viewer has it switched off",
                "libvirt: <clipboard copypaste='yes'/> in <graphics type='spice'>; "
                "QEMU: no disable-copy-paste=on; VNC: qemu-vdagent,clipboard=on",
            )
        )
    if "monitors_config" not in host["capabilities"]:
        detail = "this host does not tell the agent its size"
        found.append(Finding("host: resize", None, detail, "let the desktop follow the GPU's mode"))
    return found
