# SPDX-License-Identifier: MIT
"""Which session agent receives a file, and what does the viewer hear of it? (daemon)

A transfer belongs to the agent it was started with, also when another one becomes active meanwhile.
Ids are made by the client's START only; nobody else's word about an id counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..protocol.constants import FileXferResult
from ..protocol.messages import FileError, FileXferData, FileXferStart, FileXferStatus
from .host import Host
from .sessions import Agent, Sessions

MAX_TRANSFERS = 128
TOO_MANY_OPEN_FILES = FileError(0, 31)  # G_IO_ERROR_TOO_MANY_OPEN_FILES


class FileRouting:
    """Passes file transfers between the host and the agents that receive them."""

    def __init__(self, host: Host, sessions: Sessions) -> None:
        self._host, self._sessions = host, sessions
        self._receivers: dict[int, Agent] = {}

    @property
    def receivers(self) -> Mapping[int, Agent]:
        """Who receives each transfer under way, by its id."""
        return self._receivers

    def host_start(self, msg: FileXferStart) -> None:
        active = self._sessions.active
        if active is None:
            self._refuse(msg.id, FileXferResult.VDAGENT_NOT_CONNECTED)
        elif active is not self._sessions.sharing:
            locked = active.login is not None and active.login.is_user
            result = FileXferResult.SESSION_LOCKED if locked else FileXferResult.DISABLED
            self._refuse(msg.id, result)
        elif msg.id in self._receivers:
            self._refuse(msg.id, FileXferResult.ERROR)
        elif len(self._receivers) >= MAX_TRANSFERS:
            self._refuse(msg.id, FileXferResult.ERROR, TOO_MANY_OPEN_FILES)
        else:
            self._receivers[msg.id] = active
            active.send(msg)

    def host_data(self, msg: FileXferData) -> None:
        if (agent := self._receivers.get(msg.id)) is not None:
            agent.send(msg)

    def host_status(self, msg: FileXferStatus) -> None:
        if msg.result == FileXferResult.CAN_SEND_DATA:
            return  # says nothing, of a client
        if (agent := self._receivers.pop(msg.id, None)) is not None:
            agent.send(msg)

    def agent_status(self, agent: Agent, msg: FileXferStatus) -> None:
        if self._receivers.get(msg.id) is not agent:
            return
        if msg.result != FileXferResult.CAN_SEND_DATA:
            del self._receivers[msg.id]
        self._host.send(msg)

    def client_gone(self) -> None:
        """The agents are told by CLIENT_DISCONNECTED."""
        self._receivers.clear()

    def agent_gone(self, agent: Agent) -> None:
        """The client hears that its transfers to this agent have ended."""
        for id_ in [id_ for id_, receiver in self._receivers.items() if receiver is agent]:
            del self._receivers[id_]
            self._host.send(FileXferStatus(id_, FileXferResult.CANCELLED))

    def _refuse(self, id_: int, result: FileXferResult, error: FileError | None = None) -> None:
        self._host.send(FileXferStatus(id_, result, None, error))
