# SPDX-License-Identifier: MIT
"""Which session agent receives a file, and what does the viewer hear of it? (daemon)

A transfer belongs to the agent it was started with, also when another one becomes active meanwhile.
Ids are made by the client's START only; nobody else's word about an id counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..protocol.constants import FileXferResult
from ..protocol.messages import FileError, FileXferData, FileXferStart, FileXferStatus
from .host import Host
from .policy import FilePolicy
from .sessions import Agent, Sessions

TOO_MANY_OPEN_FILES = FileError(0, 31)  # G_IO_ERROR_TOO_MANY_OPEN_FILES


@dataclass
class _Transfer:
    """Who receives a file, and how much of it has passed."""

    agent: Agent
    passed: int = 0


class FileRouting:
    """Passes file transfers between the host and the agents that receive them."""

    def __init__(self, host: Host, sessions: Sessions) -> None:
        self._host, self._sessions = host, sessions
        self._policy = FilePolicy()
        self._transfers: dict[int, _Transfer] = {}

    @property
    def receivers(self) -> Mapping[int, Agent]:
        """Who receives each transfer under way, by its id."""
        return {id_: transfer.agent for id_, transfer in self._transfers.items()}

    def set_policy(self, policy: FilePolicy) -> None:
        """Which files may come from now on, whatever the session agent thinks of it."""
        self._policy = policy
        if not policy.enabled:
            for id_ in list(self._transfers):
                self._end(id_, FileXferResult.DISABLED)

    def host_start(self, msg: FileXferStart) -> None:
        active = self._sessions.active
        if active is None:
            self._refuse(msg.id, FileXferResult.VDAGENT_NOT_CONNECTED)
        elif active.login is not None and not active.login.may_share:
            locked = active.login.is_user
            result = FileXferResult.SESSION_LOCKED if locked else FileXferResult.DISABLED
            self._refuse(msg.id, result)
        elif not self._policy.enabled:
            self._refuse(msg.id, FileXferResult.DISABLED)
        elif msg.id in self._transfers:
            self._refuse(msg.id, FileXferResult.ERROR)
        elif len(self._transfers) >= self._policy.transfers:
            self._refuse(msg.id, FileXferResult.ERROR, TOO_MANY_OPEN_FILES)
        else:
            self._transfers[msg.id] = _Transfer(active)
            active.send(msg)

    def host_data(self, msg: FileXferData) -> None:
        transfer = self._transfers.get(msg.id)
        if transfer is None:
            return
        transfer.passed += len(msg.data)
        limit = self._policy.max_bytes
        if limit is not None and transfer.passed > limit:
            # The agent refuses it by the announced size, if it knows of the limit.
            self._end(msg.id, FileXferResult.ERROR)
        else:
            transfer.agent.send(msg)

    def host_status(self, msg: FileXferStatus) -> None:
        if msg.result == FileXferResult.CAN_SEND_DATA:
            return  # says nothing, of a client
        if (transfer := self._transfers.pop(msg.id, None)) is not None:
            transfer.agent.send(msg)

    def agent_status(self, agent: Agent, msg: FileXferStatus) -> None:
        transfer = self._transfers.get(msg.id)
        if transfer is None or transfer.agent is not agent:
            return
        if msg.result != FileXferResult.CAN_SEND_DATA:
            del self._transfers[msg.id]
        self._host.send(msg)

    def client_gone(self) -> None:
        """The agents are told by CLIENT_DISCONNECTED."""
        self._transfers.clear()

    def agent_gone(self, agent: Agent) -> None:
        """The client hears that its transfers to this agent have ended."""
        for id_ in [id_ for id_, transfer in self._transfers.items() if transfer.agent is agent]:
            del self._transfers[id_]
            self._host.send(FileXferStatus(id_, FileXferResult.CANCELLED))

    def _end(self, id_: int, result: FileXferResult) -> None:
        """End a transfer against the will of both."""
        self._transfers.pop(id_).agent.send(FileXferStatus(id_, FileXferResult.CANCELLED))
        self._refuse(id_, result)

    def _refuse(self, id_: int, result: FileXferResult, error: FileError | None = None) -> None:
        self._host.send(FileXferStatus(id_, result, None, error))
