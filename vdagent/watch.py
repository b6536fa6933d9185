# SPDX-License-Identifier: MIT
"""How do onlookers see the messages of both wires? (`vdagent monitor`; the lines are in capture.py)

While somebody watches, the port and each session have a tap, which is shown the bytes that pass; while
nobody does, they have none, and this file is not even loaded. Who reads too slowly misses lines and
is told how many: nothing waits for an onlooker.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from . import __version__, capture
from .control import Caller, Line
from .errors import SessionError
from .protocol.trace import Trace
from .tap import Tap

if TYPE_CHECKING:
    from .agent_link import AgentLink
    from .daemon import Daemon

# More than this unread: leave lines out. Half of what control.py hangs up for.
MAX_UNREAD = 512 * 1024
CATCH_UP_S = 0.25


class Watcher:
    """Somebody who watches."""

    def __init__(self, caller: Caller, *, pointer: bool) -> None:
        self.caller = caller
        self.pointer = pointer
        self.is_gone = False
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._dropped = 0

    def tell(self, line: Line) -> None:
        """Pass a line on with its time, or count it as dropped."""
        if not self._dropped and self.caller.behind <= MAX_UNREAD:
            self.caller.tell({"t": round(self._loop.time() - self._since, 6), **line})
            return
        if not self._dropped:
            self._loop.call_later(CATCH_UP_S, self._catch_up)
        self._dropped += 1

    def _catch_up(self) -> None:
        """Start again when all that was sent has been read."""
        if self.is_gone:
            return
        if self.caller.behind:
            self._loop.call_later(CATCH_UP_S, self._catch_up)
        else:
            dropped, self._dropped = self._dropped, 0
            self.tell({"dropped": dropped})


class Watch:
    """The onlookers of a daemon, and its taps."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._watchers: list[Watcher] = []

    async def monitor(self, question: Line, caller: Caller) -> Line:
        """The question "monitor" of the control socket; lines follow its answer."""
        caller.must_be_root()
        pointer = question.get("pointer", True)
        if not isinstance(pointer, bool) or caller.stays:
            raise SessionError('control: monitor takes "pointer", true or false, once')
        watcher = Watcher(caller, pointer=pointer)
        caller.stays = True
        caller.on_gone.append(lambda: self._gone(watcher))
        self._watchers.append(watcher)
        if len(self._watchers) == 1:
            self._set_taps()
        return self._beginning()

    def _beginning(self) -> Line:
        host, links = self._daemon.host, self._daemon.admission.links
        return {
            "capture": capture.FORMAT,
            "version": __version__,
            "time": round(time.time(), 3),
            "port": {"path": host.port.path, "open": host.is_open, "client": host.client.bits},
            "sessions": [{"pid": link.peer.pid, "uid": link.peer.uid} for link in links],
        }

    def _set_taps(self) -> None:
        host = self._daemon.host
        trace = Trace.of_port(host.client)
        host.tap = Tap(self._tell, {"wire": "port"}, "host", trace, sends=not host.sending_parts)
        for link in self._daemon.admission.links:
            self._set_tap(link)

    def _set_tap(self, link: AgentLink) -> None:
        of = {"wire": "session", "pid": link.peer.pid}
        link.tap = Tap(self._tell, of, "agent", Trace.of_session(), sends=not link.sending_parts)

    def came(self, link: AgentLink) -> None:
        """A session agent has connected."""
        if self._watchers:
            self._set_tap(link)
            self._tell({"wire": "session", "pid": link.peer.pid, "event": "opened"})

    def _gone(self, watcher: Watcher) -> None:
        watcher.is_gone = True
        self._watchers.remove(watcher)
        if not self._watchers:
            self._daemon.host.tap = None
            for link in self._daemon.admission.links:
                link.tap = None

    def _tell(self, line: Line) -> None:
        for watcher in self._watchers:
            if watcher.pointer or not capture.is_pointer(line):
                watcher.tell(line)
