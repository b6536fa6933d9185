# SPDX-License-Identifier: MIT
"""Does the session agent get its daemon, whenever there is one, and not another one meanwhile?"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import until
from vdagent.daemon_link import DaemonLink
from vdagent.transport.unix_socket import connect


class Daemon:
    """A listening socket and the connections that came."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.came: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self.listener, self._accept)

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        self.came.append(connection)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.listener)
        for connection in (self.listener, *self.came):
            connection.close()


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Heard:
    """How often the link said so."""

    def __init__(self) -> None:
        self.connected = self.lost = 0

    def link(self, path: str, connection: socket.socket | None = None) -> DaemonLink:
        return DaemonLink(path, self._connected, lambda _: None, self._lost, connection)

    def _connected(self) -> None:
        self.connected += 1

    def _lost(self) -> None:
        self.lost += 1


async def test_without_descriptors_it_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    with closing(Daemon(tmp_path / "socket")) as daemon:
        link = heard.link(daemon.path)
        with no_descriptors_left():
            link.start()
        assert "no socket to reach the agent daemon: Too many open files" in caplog.text
        await until(lambda: heard.connected)
        link.close()


async def test_a_connection_that_was_made_before_is_used_once(tmp_path: Path) -> None:
    heard = Heard()
    with closing(Daemon(tmp_path / "socket")) as daemon:
        link = heard.link(daemon.path, connect(daemon.path))
        link.start()
        assert heard.connected == 1
        await until(lambda: daemon.came)
        daemon.came.pop().close()
        await until(lambda: heard.lost == 1)
        await until(lambda: heard.connected == 2 and daemon.came)
        link.close()


async def test_one_that_was_never_used_is_closed(tmp_path: Path) -> None:
    with closing(Daemon(tmp_path / "socket")) as daemon:
        link = Heard().link(daemon.path, connect(daemon.path))
        await until(lambda: daemon.came)
        link.close()
        assert await asyncio.get_running_loop().sock_recv(daemon.came[0], 1) == b""
