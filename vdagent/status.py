# SPDX-License-Identifier: MIT
"""What does `vdagent status` show? The daemon's own words, for people or for machines."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from . import __version__
from .control import NONSENSE, ask_status, control_path
from .errors import SessionError
from .terminal import say

WATCH_S = 0.5
CLEAR = "\033[H\033[2J\033[3J"

Status = dict[str, Any]


def run(socket_path: str, *, as_json: bool, watch: bool) -> int:
    """Print the daemon's status; 1 where there is no daemon to tell it."""
    control = control_path(socket_path)
    show = _json if as_json else _text
    clear = CLEAR if watch and not as_json and sys.stdout.isatty() else ""
    shown = None
    while True:
        status, reads = _get(control), True
        try:
            key, lines = show(_without_times(status)), show(status)
        except NONSENSE:
            status = {"running": False, "error": f"control: {control} talks nonsense"}
            key = lines = show(status)
        if key != shown:  # the time goes on; that alone is nothing new
            reads, shown = say(*lines, before=clear), key
        if not watch or not reads:
            return 0 if status["running"] else 1
        time.sleep(WATCH_S)


def _get(control: str) -> Status:
    try:
        return {"running": True, **ask_status(control)}
    except SessionError as error:
        return {"running": False, "error": error.message}


def _without_times(value: Any) -> Any:
    """The same with every time 0: their names end in _s."""
    if isinstance(value, dict):
        return {
            name: 0 if name.endswith("_s") and content is not None else _without_times(content)
            for name, content in value.items()
        }
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def _json(status: Status) -> list[str]:
    return [json.dumps(status)]


def _text(status: Status) -> list[str]:
    if not status["running"]:
        return [f"daemon     {status['error']}; vdagent doctor tells what to do about it"]
    if status["version"] != __version__:
        return [
            f"daemon     vdagent {status['version']} runs, this is {__version__}: after an upgrade it has "
            "to be restarted; vdagent doctor tells how"
        ]
    lines = [
        f"daemon     vdagent {status['version']}, pid {status['pid']}, {_age(status['uptime_s'])}",
        f"host       {_host(status['host'])}",
        f"port       {_port(status['port'])}",
        f"tablet     {_tablet(status['tablet'])}",
    ]
    for session in status["sessions"]:
        lines += _session(session)
    lines += _content(status)
    lines.append(f"passed     {_passed(status['counters'])}")
    if (error := status["last_error"]) is not None:
        lines.append(f"last error {error['text']}, {_age(error['age_s'])} ago")
    return lines


def _host(host: Status) -> str:
    if not host["client_connected"]:
        return "no viewer has announced itself"
    limit = host["max_clipboard"]
    most = f"; clipboard up to {_bytes(limit)}" if limit is not None else ""
    can = ", ".join(host["capabilities"]) or "nothing"
    return f"{host['kind']}, viewer for {_age(host['connected_s'])}{most}; it can {can}"


def _port(port: Status) -> str:
    if port["open"]:
        passed = f"{_bytes(port['received_bytes'])} in, {_bytes(port['sent_bytes'])} out"
        return f"{port['path']} open, {passed}"
    return f"{port['path']} closed" + (f": {port['problem']}" if port["problem"] else "")


def _tablet(tablet: Status) -> str:
    state = "ready" if tablet["ready"] else tablet["problem"] or "not needed yet"
    return f"{tablet['path']} {state}"


def _session(session: Status) -> list[str]:
    desktop = session["desktop"]
    size = f"{desktop['width']}x{desktop['height']}" if desktop else "no screens reported"
    state = "waiting"
    if session["active"]:
        state = "active" if session["shares"] else "active, clipboard and files wait"
    login = f", session {session['login']}" if session["login"] else ""
    lines = [f"session    pid {session['pid']}, uid {session['uid']}{login}, {size}, {state}"]
    lines += [f"           {b['part']} by {b['by']}: {b['why']}" for b in session["backends"]]
    if session["held_back"]:
        lines.append(f"           by its settings: {session['held_back']}")
    if session["last_error"]:
        lines.append(f"           last error {session['last_error']}")
    return lines


def _content(status: Status) -> list[str]:
    """Selections and files, where they are ours to see."""
    lines = [
        f"{name:10} {_selection(selection)}"
        for name, selection in (status["clipboard"] or {}).items()
    ]
    for file in status["transfers"] or []:
        done = 100 * file["received"] // file["size"] if file["size"] else 100
        lines.append(
            f"file       {file['name']}: {done} % of {_bytes(file['size'])}, {_age(file['since_s'])}"
        )
    return lines


def _selection(selection: Status) -> str:
    if selection["owner"] is None:
        return "nobody's"
    sizes = selection["sizes"]
    types = [t + (f" ({_bytes(sizes[t])})" if t in sizes else "") for t in selection["types"]]
    whose = "the viewer's" if selection["owner"] == "client" else "the guest's"
    return f"{whose} for {_age(selection['since_s'])}: {', '.join(types) or 'empty'}"


def _passed(counters: Status) -> str:
    clipboard, files = counters["clipboard_bytes"], counters["files"]
    return (
        f"clipboard {_bytes(clipboard['to_guest'])} to the guest, "
        f"{_bytes(clipboard['to_host'])} to the host; files {files['received']} received, "
        f"{files['failed']} failed; {counters['pointer_events']} pointer events"
    )


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
