# SPDX-License-Identifier: MIT
"""What may other programs ask the daemon, and who answers? (docs/control.md)"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .control import Caller, ControlServer, Line, Question, control_path
from .probe import Probe
from .state import State

if TYPE_CHECKING:
    from .agent_link import AgentLink
    from .daemon import Daemon
    from .watch import Watch


class Questions:
    """The daemon's control socket, and its table: what a question may "do"."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._watch: Watch | None = None
        state = State(daemon)
        table: dict[str, Question] = {
            "status": state.status,
            "session": state.session,
            "monitor": self._monitor,
            "probe": Probe(daemon, state).run,
            "reload": daemon.locks.reload,
        }
        self._server = ControlServer(control_path(daemon.settings.socket), table)
        # Kept from the garbage collector.
        self._start = asyncio.ensure_future(self._server.start())

    async def _monitor(self, question: Line, caller: Caller) -> Line:
        from .watch import Watch  # not in the memory of a daemon that nobody watches

        if self._watch is None:
            self._watch = Watch(self._daemon)
        return await self._watch.monitor(question, caller)

    def came(self, link: AgentLink) -> None:
        """A session agent has connected."""
        if self._watch is not None:
            self._watch.came(link)

    def close(self) -> None:
        """Answer no more."""
        self._server.close()
