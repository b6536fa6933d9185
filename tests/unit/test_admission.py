# SPDX-License-Identifier: MIT
"""Are connections without business here ended, and is everybody let in where nobody is told apart?"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support import wire
from tests.support.waiting import until
from tests.unit.handlers.fakes import desktop
from vdagent.admission import (
    BUS_RETRY_S,
    BUS_SOCKET,
    MAX_AGENTS,
    MAX_AGENTS_PER_USER,
    REPORT_S,
    Admission,
)
from vdagent.agent_link import AgentLink
from vdagent.handlers.sessions import Sessions
from vdagent.transport.peers import Peer

pytestmark = pytest.mark.virtual_time


class Rig:
    """Admission with its sessions; connections are socket pairs."""

    def __init__(self, track: bool = False) -> None:
        self.sessions = Sessions(lambda agent: None)
        self.admission = Admission(self.sessions, track)
        self.messages: list[Any] = []
        self.theirs: list[socket.socket] = []

    def connect(self, uid: int = 1000) -> AgentLink | None:
        """One more connection of a user; None if it is refused at once."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.theirs.append(theirs)
        peer = Peer(ours)
        peer.uid = uid
        if not self.admission.has_room(peer):
            ours.close()
            peer.close()
            return None
        link = AgentLink(ours, peer, self._received, self._gone, lambda: None)
        self.admission.consider(link)
        return link

    def _received(self, link: AgentLink, messages: list[Any]) -> None:
        self.messages += messages
        self.admission.reported(link)
        self.sessions.reported(link, desktop())

    def _gone(self, link: AgentLink) -> None:
        self.admission.gone(link)
        self.sessions.remove(link)

    def close(self) -> None:
        self.admission.close()
        for theirs in self.theirs:
            theirs.close()


@contextmanager
def new_rig(track: bool = False) -> Iterator[Rig]:
    rig = Rig(track)
    try:
        yield rig
    finally:
        rig.close()


async def test_everybody_is_let_in_without_tracking() -> None:
    with new_rig() as rig:
        link = rig.connect()
        assert rig.sessions.agents == [link]
        rig.theirs[0].sendall(wire.resolution(800, 600))
        await until(lambda: rig.sessions.active is link)


async def test_one_user_has_a_limit_and_others_still_come() -> None:
    with new_rig() as rig:
        for _ in range(MAX_AGENTS_PER_USER):
            assert rig.connect(1000) is not None
        assert rig.connect(1000) is None
        assert rig.connect(1001) is not None


async def test_all_together_have_a_limit() -> None:
    with new_rig() as rig:
        for _ in range(MAX_AGENTS):
            assert rig.connect(0) is not None  # root has no limit of its own
        assert rig.connect(0) is None
        assert rig.connect(1000) is None


async def test_a_place_becomes_free_when_one_leaves() -> None:
    with new_rig() as rig:
        for _ in range(MAX_AGENTS_PER_USER):
            rig.connect(1000)
        rig.theirs[3].close()
        await until(lambda: len(rig.admission.links) < MAX_AGENTS_PER_USER)
        assert rig.connect(1000) is not None


async def test_who_reports_nothing_is_dropped() -> None:
    with new_rig() as rig:
        silent, heard = rig.connect(), rig.connect()
        assert silent is not None
        assert heard is not None
        rig.theirs[1].sendall(wire.resolution(800, 600))
        await asyncio.sleep(REPORT_S - 1)
        assert not silent.is_gone
        await asyncio.sleep(2)
        assert silent.is_gone
        assert rig.sessions.agents == [heard]
        assert not heard.is_gone


async def test_a_flood_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with new_rig() as rig:
        for _ in range(MAX_AGENTS_PER_USER + 50):
            rig.connect(1000)
        for theirs in rig.theirs:
            theirs.close()
        await until(lambda: not rig.admission.links)
    assert len(caplog.records) == 1
    assert "32 of uid 1000 are connected" in caplog.text


async def test_without_a_system_bus_the_newest_is_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[str] = []

    def exists(path: str) -> bool:
        looked.append(path)
        return False

    monkeypatch.delenv("DBUS_SYSTEM_BUS_ADDRESS", raising=False)
    monkeypatch.setattr("os.path.exists", exists)
    with new_rig(track=True) as rig:
        assert rig.connect() in rig.sessions.agents
        await asyncio.sleep(4 * BUS_RETRY_S)
        assert looked.count(BUS_SOCKET) > 3
    assert caplog.text.count("there is no system bus") == 1
