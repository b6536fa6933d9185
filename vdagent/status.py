# SPDX-License-Identifier: MIT
"""What does `vdagent status` show?"""

from __future__ import annotations

import json
import time
from typing import Any

from .control import ask, control_path
from .errors import SessionError

WATCH_S = 0.5


def run(socket_path: str, *, as_json: bool, watch: bool) -> int:
    """Print the daemon's status; 1 where there is no daemon to tell it."""
    shown = ""
    while True:
        status, error = _get(socket_path)
        text = _json(status, error) if as_json else _text(status, error)
        # The time goes on; that alone is nothing new.
        key = json.dumps({**(status or {}), "uptime_s": 0, "error": error})
        if key != shown:
            print(text, flush=True)
            shown = key
        if not watch:
            return 0 if status is not None else 1
        time.sleep(WATCH_S)


def _get(socket_path: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return ask(control_path(socket_path), {"do": "status"})["status"], None
    except SessionError as error:
        return None, error.message


def _json(status: dict[str, Any] | None, error: str | None) -> str:
    if status is None:
        return json.dumps({"running": False, "error": error})
    return json.dumps({"running": True, **status})


def _text(status: dict[str, Any] | None, error: str | None) -> str:
    if status is None:
        return f"daemon     not to be reached: {error}"
    host, port, tablet = status["host"], status["port"], status["tablet"]
    lines = [
        f"daemon     {status['version']}, pid {status['pid']}, for {status['uptime_s']:.0f} s",
        f"port       {port['path']}: {'open' if port['open'] else 'closed'}",
        f"tablet     {tablet['path']}: {'ready' if tablet['ready'] else 'none'}",
        f"host       {_host(host)}",
    ]
    lines += [f"session    {_session(session)}" for session in status["sessions"]]
    for name, selection in status["clipboard"].items():
        what = f"{selection['owner']}: {', '.join(selection['types'])}"
        lines.append(f"{name:10} {what if selection['owner'] else 'nobody owns it'}")
    lines.append(f"transfers  {status['transfers']}")
    if status["last_error"]:
        lines.append(f"last error {status['last_error']}")
    return "\n".join(lines)


def _host(host: dict[str, Any]) -> str:
    if not host["client_connected"]:
        return "no viewer has announced itself"
    return f"{host['kind']}, the viewer can {', '.join(host['capabilities'])}"


def _session(session: dict[str, Any]) -> str:
    desktop = session["desktop"]
    size = f"{desktop['width']}x{desktop['height']}" if desktop else "no screens reported"
    state = "active" if session["active"] else "waiting"
    locked = "" if session["shares"] or not session["active"] else ", clipboard and files locked"
    return f"pid {session['pid']}, uid {session['uid']}, {size}, {state}{locked}"
