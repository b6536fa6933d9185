# SPDX-License-Identifier: MIT
"""What does the daemon tell of itself? Types and sizes, never contents. (schema: docs/control.md)"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from . import __version__
from .agent_link import AgentLink
from .control import Caller, Line
from .protocol.constants import Capability, ClipboardSelection, ClipboardType

if TYPE_CHECKING:
    from .daemon import Daemon


class LastError(logging.Handler):
    """Remembers the newest warning or error for the status."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class State:
    """Describes a running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._since = time.monotonic()
        self._last_error = LastError()
        logging.getLogger().addHandler(self._last_error)

    async def status(self, question: Line, caller: Caller) -> Line:
        """The question "status" of the control socket."""
        return {"status": self.describe(caller.uid)}

    def describe(self, uid: int) -> dict[str, Any]:
        """The status for a user: the sessions are all of root's, and their own for others."""
        daemon = self._daemon
        links = [link for link in daemon.admission.links if uid in (0, os.getuid(), link.peer.uid)]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._since, 1),
            "port": self._port(),
            "tablet": {"path": daemon.settings.uinput, "ready": daemon.mouse.pointer is not None},
            "host": self._host(),
            "sessions": [self._session(link) for link in links],
            "clipboard": {
                selection.name.lower(): self._selection(selection)
                for selection in (ClipboardSelection.CLIPBOARD, ClipboardSelection.PRIMARY)
            },
            "transfers": daemon.files.count,
            "last_error": self._last_error.text,
        }

    def _port(self) -> dict[str, Any]:
        link = self._daemon.host.port.link
        return {
            "path": self._daemon.settings.port,
            "open": link is not None,
            "received_bytes": link.received if link else 0,
            "sent_bytes": link.sent if link else 0,
        }

    def _host(self) -> dict[str, Any]:
        host = self._daemon.host
        connected = host.client_connected
        qemu = connected and not (
            host.client.has(Capability.MONITORS_CONFIG) or host.client.has(Capability.REPLY)
        )
        return {
            "client_connected": connected,
            "kind": None if not connected else "qemu-vdagent" if qemu else "spice",
            "capabilities": [name.lower() for name in host.client.names()],
            "max_clipboard": host.max_clipboard,
        }

    def _session(self, link: AgentLink) -> dict[str, Any]:
        desktop = link.desktop
        return {
            "pid": link.peer.pid,
            "uid": link.peer.uid,
            "login": link.login.key if link.login else None,
            "active": link is self._daemon.sessions.active,
            "shares": link is self._daemon.sessions.sharing,
            "desktop": None
            if desktop is None
            else {
                "width": desktop.width,
                "height": desktop.height,
                "monitors": [
                    {
                        "display": s.display_id,
                        "width": s.width,
                        "height": s.height,
                        "x": s.x,
                        "y": s.y,
                        "pointer_scale": link.pointer_scales.get(s.display_id, 1.0),
                    }
                    for s in desktop.screens
                    if s.width and s.height
                ],
            },
        }

    def _selection(self, selection: int) -> dict[str, Any]:
        routing, active = self._daemon.clipboard, self._daemon.sessions.active
        if selection in routing.client_offers:
            return {"owner": "client", "types": _types(routing.client_offers[selection])}
        if active is not None and selection in active.offers:
            return {"owner": "guest", "types": _types(active.offers[selection])}
        return {"owner": None, "types": []}


def _types(numbers: tuple[int, ...]) -> list[str]:
    names = {int(type_): type_.name.lower() for type_ in ClipboardType}
    return [names.get(number, str(number)) for number in numbers]
