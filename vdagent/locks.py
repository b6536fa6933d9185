# SPDX-License-Identifier: MIT
"""What has the administrator locked, that the daemon holds every session agent to?

A session agent is its user's program: a lock would be a mere request if it alone kept it. So the daemon
reads the system's file, never a user's, and goes by what is locked there, and by what only that file can
say at all. What is set there and not locked is for the session agents.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from .admission import Admission
from .routing import Routing

if TYPE_CHECKING:
    from .config.configuration import ConfigFiles
    from .control import Caller, Line

log = logging.getLogger("config")


class Locks:
    """Reads the system's file and tells those who keep what it says."""

    def __init__(self, path: str, routing: Routing, admission: Admission) -> None:
        self._path = path
        self._routing, self._admission = routing, admission
        self._config: ConfigFiles | None = None

    def load(self) -> list[str]:
        """Go by what the file says now; what is wrong with it."""
        if self._config is None:
            if not os.path.lexists(self._path):
                return []  # and most have none: nothing is imported for it
            from .config.configuration import ConfigFiles, Paths

            self._config = ConfigFiles(Paths(self._path))
        from .config.meaning import clipboard_policy, file_policy

        config = self._config.locked()
        for mistake in config.mistakes:
            log.error("config: %s", mistake)
        self._routing.clipboard.set_policy(clipboard_policy(config))
        self._routing.files.set_policy(file_policy(config))
        self._routing.sessions.share_while_locked(config.value("clipboard.while-locked"))
        self._admission.max_agents = config.value("limits.sessions")
        self._admission.max_per_user = config.value("limits.sessions-per-user")
        return [str(mistake) for mistake in config.mistakes]

    async def reload(self, question: Line, caller: Caller) -> Line:
        """The question "reload" of the control socket: the session agents are told as well."""
        caller.must_be_root()
        mistakes = self.load()
        for link in self._admission.links:
            if link.control is not None:
                link.control.tell({"do": "reload"})
        return {"mistakes": mistakes}
