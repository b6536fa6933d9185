# SPDX-License-Identifier: MIT
"""Is a pid of a moment ago told from the same number of another process? (CVE-2020-25653)"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.agent_processes import AgentProcess
from vdagent.transport import peers
from vdagent.transport.peers import Peer

NO_SUCH_OPTION = 0xFFFF  # as on Linux before 6.5


def is_old() -> bool:
    """Whether this kernel cannot tell a peer's pidfd."""
    one, other = socket.socketpair()
    with one, other:
        try:
            os.close(one.getsockopt(socket.SOL_SOCKET, peers.SO_PEERPIDFD))
        except OSError as error:
            return error.errno == errno.ENOPROTOOPT
    return False


@pytest.fixture(
    params=[pytest.param("pidfd", marks=pytest.mark.unless(is_old())), "start time"], autouse=True
)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "start time":
        monkeypatch.setattr(peers, "SO_PEERPIDFD", NO_SUCH_OPTION)
    return str(request.param)


@contextmanager
def connected(path: Path) -> Iterator[tuple[AgentProcess, socket.socket]]:
    """A process that has connected, and our end of its connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        agent = AgentProcess()
        try:
            agent.connect(path)
            connection, _ = listener.accept()
            with connection:
                yield agent, connection
        finally:
            agent.close()


def test_who_it_is(tmp_path: Path) -> None:
    with connected(tmp_path / "s") as (agent, connection):
        peer = Peer(connection)
        assert (peer.pid, peer.uid) == (agent.pid, os.geteuid())
        assert peer.is_alive()
        peer.close()
        assert not peer.is_alive()


def test_a_process_that_ends_is_noticed(tmp_path: Path) -> None:
    with connected(tmp_path / "s") as (agent, connection):
        peer = Peer(connection)
        agent.end_process()
        assert not peer.is_alive()
        peer.close()


def test_a_process_that_had_ended_when_it_was_accepted(tmp_path: Path) -> None:
    with connected(tmp_path / "s") as (agent, connection):
        agent.end_process()
        peer = Peer(connection)
        assert not peer.is_alive()
        peer.close()


def test_the_same_pid_of_another_process_is_not_it(
    tmp_path: Path, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernel == "pidfd":
        return  # a pidfd never means another process
    with connected(tmp_path / "s") as (agent, connection):
        peer = Peer(connection)
        monkeypatch.setattr(peer, "pid", os.getpid())  # alive, of the same user, started before
        assert not peer.is_alive()
        monkeypatch.setattr(peer, "pid", agent.pid)
        monkeypatch.setattr(peer, "uid", os.geteuid() + 1)
        assert not peer.is_alive()
        peer.close()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    with connected(tmp_path / "s") as (_, connection):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            Peer(connection).close()
        assert len(os.listdir("/proc/self/fd")) == before
