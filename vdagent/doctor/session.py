# SPDX-License-Identifier: MIT
"""Does a session agent run in this session, how is it started, and is it its turn?"""

from __future__ import annotations

import os

from ..options import SOCKET
from .finding import Finding, Scope, Status

# How a desktop that does not honour /etc/xdg/autostart starts a program at log-in.
AUTOSTART = {
    "sway": "exec vdagent session  (in ~/.config/sway/config)",
    "hyprland": "exec-once = vdagent session  (in ~/.config/hypr/hyprland.conf)",
    "niri": 'spawn-at-startup "vdagent" "session"  (in ~/.config/niri/config.kdl)',
    "river": "riverctl spawn 'vdagent session'  (in ~/.config/river/init)",
    "labwc": "vdagent session &  (in ~/.config/labwc/autostart)",
    "wayfire": "vdagent = vdagent session  (in ~/.config/wayfire.ini, under [autostart])",
    "i3": "exec --no-startup-id vdagent session  (in ~/.config/i3/config)",
    "bspwm": "vdagent session &  (in ~/.config/bspwm/bspwmrc)",
    "openbox": "vdagent session &  (in ~/.config/openbox/autostart)",
    "fluxbox": "vdagent session &  (in ~/.fluxbox/startup)",
    "icewm": "vdagent session &  (in ~/.icewm/startup, which has to be executable)",
    "awesome": 'awful.spawn.once("vdagent session")  (in ~/.config/awesome/rc.lua)',
    "qtile": 'subprocess.Popen(["vdagent", "session"])  (in a startup_once hook of '
    "~/.config/qtile/config.py)",
    "dwm": "vdagent session &  (in ~/.xinitrc or ~/.xprofile, before dwm)",
}
# Those tell themselves by a variable even where nobody has set XDG_CURRENT_DESKTOP.
SIGNS = {
    "SWAYSOCK": "sway",
    "HYPRLAND_INSTANCE_SIGNATURE": "hyprland",
    "NIRI_SOCKET": "niri",
    "LABWC_PID": "labwc",
    "WAYFIRE_SOCKET": "wayfire",
    "I3SOCK": "i3",
}
UNIT = "vdagent session; at every log-in: systemctl --user enable --now vdagent.service"
BY_HAND = "vdagent session; at every log-in: add that line to what your desktop starts"


def mine(status: Status) -> list[Status]:
    """The sessions that are this user's; root's are all."""
    uid = os.getuid()
    return [session for session in status["sessions"] if uid in (0, session["uid"])]


def examine(scope: Scope, status: Status) -> list[Finding]:
    """The session agent by the daemon's words, and whether it is its turn."""
    sessions = mine(status)
    if not sessions:
        return [_none(scope, "none of yours is connected to the daemon")]
    if not any(session["desktop"] for session in sessions):
        hint = "see its messages: vdagent session --foreground --debug"
        return [Finding("session agent", False, "it has not reported any screen", hint)]
    return [_agent(scope, status, sessions), _turn(status, sessions), *_settings(sessions)]


def without_status(scope: Scope) -> Finding:
    """What can be said of it without the daemon: whether a process of this user looks like one."""
    found = _processes(scope)
    if found:
        text = ", ".join(f"{name} (pid {pid})" for pid, name in found)
        hint = "whether it is served only our own daemon could tell"
        return Finding("session agent", None, f"{text} runs", hint)
    return _none(scope, "none of yours runs")


def _none(scope: Scope, detail: str) -> Finding:
    return Finding("session agent", False, detail, start_hint(scope))


def start_hint(scope: Scope) -> str:
    """The line that makes this desktop start the session agent."""
    environment = scope.environment
    desktops = environment.get("XDG_CURRENT_DESKTOP", "").lower().split(":")
    desktops += [environment.get("DESKTOP_SESSION", "").lower()]
    desktops += [name for variable, name in SIGNS.items() if environment.get(variable)]
    for name in desktops:
        if name in AUTOSTART:
            return f"let {name} start it: {AUTOSTART[name]}; and now: vdagent session"
    return UNIT if scope.has_systemd else BY_HAND


def _processes(scope: Scope) -> list[tuple[int, str]]:
    """This user's processes that are session agents, ours or the C one."""
    found = []
    for entry in scope.entries("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        words = scope.read(f"/proc/{entry}/cmdline").split("\0")
        names = [os.path.basename(word) for word in words[:3]]
        ours = "vdagent" in names and "session" in words[:4]
        if not (ours or "spice-vdagent" in names) or _socket_of(words) != scope.socket:
            continue
        if _is_mine(scope.path(f"/proc/{entry}")):
            found.append((int(entry), "vdagent session" if ours else "spice-vdagent"))
    return found


def _socket_of(words: list[str]) -> str:
    """The daemon's socket such a process was told of: -S PATH, -SPATH, --vdagentd-socket PATH, =PATH."""
    for number, word in enumerate(words):
        if word in ("-S", "--vdagentd-socket"):
            return words[number + 1] if number + 1 < len(words) else ""
        for start in ("--vdagentd-socket=", "-S"):
            if word.startswith(start):
                return word.removeprefix(start)
    return SOCKET


def _is_mine(directory: str) -> bool:
    try:
        return os.getuid() in (0, os.stat(directory).st_uid)
    except OSError:
        return False


def _agent(scope: Scope, status: Status, sessions: list[Status]) -> Finding:
    texts = []
    for session in sessions:
        version = session["version"]
        if version is not None and version != status["version"]:
            return Finding(
                "session agent",
                False,
                f"pid {session['pid']} is vdagent {version}, the daemon {status['version']}",
                "log out and in after the upgrade, or: systemctl --user restart vdagent",
            )
        name = "vdagent" if version else scope.read(f"/proc/{session['pid']}/comm") or "a process"
        texts.append(f"{name} (pid {session['pid']})")
    return Finding("session agent", True, ", ".join(texts))


def _settings(sessions: list[Status]) -> list[Finding]:
    """What somebody wanted so, and may have forgotten."""
    held_back = dict.fromkeys(session["held_back"] for session in sessions)
    hint = "see whose setting it is: vdagent config show; for now: vdagent clipboard both"
    return [Finding("settings", None, f"in force: {what}", hint) for what in held_back if what]


def _turn(status: Status, sessions: list[Status]) -> Finding:
    active = [session for session in sessions if session["active"]]
    if any(session["shares"] for session in active):
        return Finding("session's turn", True, "it is the active one")
    if any(session["greeter"] for session in active):
        detail = "the log-in screen is at the seat: it has pointer and resizing, nothing else"
        return Finding("session's turn", False, detail, "log in")
    if active:
        detail = "the screen is locked: clipboard and files wait"
        return Finding("session's turn", False, detail, "unlock the screen")
    seat, login = status["seat"]["session"], sessions[0]["login"]
    if status["seat"]["tracked"] and seat is None:
        detail = "no session is at the seat: a text console is shown"
    else:
        detail = "another session is at the seat" + (f": {seat}" if seat else "")
    switch = f"loginctl activate {login}" if login else "log in at the VM's own window"
    if login is None and status["seat"]["tracked"]:
        detail += "; logind knows no session for this agent"
    return Finding("session's turn", False, detail, f"switch to this one: {switch}")
