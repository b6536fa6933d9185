# SPDX-License-Identifier: MIT
"""What does the daemon tell of itself? Types and sizes, never contents. (docs/status.schema.json)"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import __version__
from .agent_link import AgentLink
from .control import Caller, Line
from .errors import SessionError
from .protocol.constants import ClipboardSelection, ClipboardType
from .protocol.udscs import GuestResolution
from .session_facts import SessionFacts, read_facts
from .traffic import names

if TYPE_CHECKING:
    from .daemon import Daemon


class State:
    """Describes a running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._routing = daemon, daemon.routing

    async def status(self, question: Line, caller: Caller) -> Line:
        """The question "status" of the control socket."""
        return {"status": self.describe(caller)}

    async def session(self, question: Line, caller: Caller) -> Line:
        """The question "session": a session agent tells of itself, and may be told things from now on.

        Raises SessionError for who is none.
        """
        link = self.agent_of(caller)
        before, link.facts = link.facts, read_facts(question, link.facts)
        if _pointing(link.facts) != _pointing(before):
            self._daemon.pointing_changed(link)
        if link.control is not caller:
            link.control, caller.stays = caller, True
            caller.on_gone.append(lambda: _forget(link, caller))
        return {}

    def agent_of(self, caller: Caller) -> AgentLink:
        """The connection of the session agent that calls. Raises SessionError if it is none."""
        who = (caller.pid, caller.uid)
        for link in self._daemon.admission.links:
            if (link.peer.pid, link.peer.uid) == who:
                return link
        raise SessionError("control: only a connected session agent may say that")

    def sessions_of(self, caller: Caller) -> list[AgentLink]:
        """The session agents whose matters are the caller's: root's are all."""
        links = self._daemon.admission.links
        return [link for link in links if caller.is_root or link.peer.uid == caller.uid]

    def describe(self, caller: Caller) -> Line:
        """The status: root sees all of it, others no more of other users' sessions than is theirs."""
        daemon, active = self._daemon, self._routing.sessions.active
        links = self.sessions_of(caller)
        may_see = caller.is_root or (isinstance(active, AgentLink) and active in links)
        seat = daemon.admission.seat
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": _age(daemon.since),
            "port": self._port(),
            "tablet": {
                "path": daemon.settings.uinput,
                "ready": self._routing.mouse.pointer is not None,
                "problem": daemon.tablet_complaint or None,
            },
            "host": self._host(),
            "seat": {"tracked": seat is not None, "session": seat.active if seat else None},
            "sessions": [self._session(link) for link in links],
            "clipboard": self._clipboard() if may_see else None,
            "transfers": self._transfers() if may_see else None,
            "counters": self._counters(),
            "last_error": self._error(),
        }

    def _port(self) -> Line:
        port = self._daemon.host.port
        return {
            "path": self._daemon.settings.port,
            "open": port.link is not None,
            "problem": port.problem,
            "received_bytes": port.link.received if port.link else 0,
            "sent_bytes": port.link.sent if port.link else 0,
        }

    def _host(self) -> Line:
        host, traffic = self._daemon.host, self._routing.traffic
        connected = host.client_connected
        return {
            "client_connected": connected,
            "connected_s": _age(traffic.client_since) if connected else None,
            "kind": None if not connected else "qemu-vdagent" if host.is_qemu else "spice",
            "capabilities": [name.lower() for name in host.client.names()],
            "max_clipboard": host.max_clipboard if host.max_clipboard >= 0 else None,
            "messages": names(traffic.client_messages) if connected else {},
        }

    def _session(self, link: AgentLink) -> Line:
        facts = link.facts
        return {
            "pid": link.peer.pid,
            "uid": link.peer.uid,
            "login": link.login.key if link.login else None,
            "greeter": link.login is not None and not link.login.is_user,
            "active": link is self._routing.sessions.active,
            "shares": link is self._routing.sessions.sharing,
            "version": facts.version or None,
            "desktop_name": facts.desktop or None,
            "backends": [backend._asdict() for backend in facts.backends],
            "held_back": facts.held_back,
            "last_error": facts.last_error,
            "desktop": None
            if link.desktop is None
            else _desktop(link.desktop, facts.pointer_scales),
        }

    def _clipboard(self) -> Line:
        return {
            selection.name.lower(): self._selection(selection)
            for selection in (ClipboardSelection.CLIPBOARD, ClipboardSelection.PRIMARY)
        }

    def _selection(self, selection: int) -> Line:
        clipboard, active = self._routing.clipboard, self._routing.sessions.active
        owner, types = None, None
        if selection in clipboard.client_offers:
            owner, types = "client", clipboard.client_offers[selection]
        elif active is not None and selection in active.offers:
            owner, types = "guest", active.offers[selection]
        if types is None:
            return {"owner": None, "since_s": None, "types": [], "sizes": {}}
        offer = self._routing.traffic.offer(active if owner == "guest" else None, selection)
        return {
            "owner": owner,
            "since_s": _age(offer.since),
            "types": [_type(number) for number in types],
            "sizes": {_type(number): size for number, size in offer.sizes.items()},
        }

    def _transfers(self) -> list[Line]:
        return [
            {
                "name": transfer.name,
                "size": transfer.size,
                "received": transfer.received,
                "since_s": _age(transfer.since),
            }
            for transfer in self._routing.traffic.transfers()
        ]

    def _counters(self) -> Line:
        traffic = self._routing.traffic
        return {
            "pointer_events": traffic.pointer_events,
            "clipboard_bytes": {
                "to_guest": traffic.clipboard_to_guest,
                "to_host": traffic.clipboard_to_host,
            },
            "files": {"received": traffic.files_received, "failed": traffic.files_failed},
            "from_host": names(traffic.host_messages),
            "from_sessions": names(traffic.session_messages),
        }

    def _error(self) -> Line | None:
        error = self._daemon.last_error
        return None if error.text is None else {"text": error.text, "age_s": _age(error.at)}


def _pointing(facts: SessionFacts) -> object:
    """What a change of means that the viewer's positions mean other places."""
    return facts.pointer_scales, facts.pointer_transforms


def _desktop(desktop: GuestResolution, scales: Mapping[int, float]) -> Line:
    return {
        "width": desktop.width,
        "height": desktop.height,
        "monitors": [
            {
                "display": s.display_id,
                "width": s.width,
                "height": s.height,
                "x": s.x,
                "y": s.y,
                "pointer_scale": scales.get(s.display_id, 1.0),
            }
            for s in desktop.screens
            if s.width and s.height
        ],
    }


def _age(since: float) -> float:
    return round(time.monotonic() - since, 1)


def _type(number: int) -> str:
    """A clipboard type's name, or its number where it has none."""
    known = {int(type_): type_.name.lower() for type_ in ClipboardType}
    return known.get(number, str(number))


def _forget(link: AgentLink, caller: Caller) -> None:
    if link.control is caller:
        link.control = None
