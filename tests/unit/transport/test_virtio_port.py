# SPDX-License-Identifier: MIT
"""Is the port opened when it can be, given up when it is dead, and opened again without a hurry?"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import until
from vdagent.transport.virtio_port import FIRST_RETRY_S, LAST_RETRY_S, VirtioPort

pytestmark = pytest.mark.virtual_time


class Owner:
    """The port's user; remembers when it was told what."""

    def __init__(self, path: Path) -> None:
        self.opened: list[float] = []
        self.lost: list[str] = []
        self.got = b""
        self.port = VirtioPort(str(path), self._open, self._data, self.lost.append)

    def _open(self) -> None:
        self.opened.append(asyncio.get_running_loop().time())
        self.port.write([b"hello"])

    def _data(self, view: memoryview) -> None:
        self.got += bytes(view)


class HostEnd:
    """The host as a UNIX socket."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.setblocking(False)
        self.streams: list[socket.socket] = []

    async def accept(self) -> socket.socket:
        connection, _ = await asyncio.get_running_loop().sock_accept(self.listener)
        connection.setblocking(False)
        self.streams.append(connection)
        return connection

    def close(self) -> None:
        for stream in (self.listener, *self.streams):
            stream.close()


async def test_open_talk_close(tmp_path: Path) -> None:
    host, owner = HostEnd(tmp_path / "port"), Owner(tmp_path / "port")
    owner.port.open()
    owner.port.open()
    stream = await host.accept()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(stream, 100) == b"hello"
    stream.send(b"data")
    await until(lambda: owner.got == b"data")
    owner.port.close()
    assert await loop.sock_recv(stream, 100) == b""
    assert (len(owner.opened), owner.lost) == (1, [])
    stream.close()
    host.close()


async def test_it_waits_for_a_host_that_is_not_there_yet(tmp_path: Path) -> None:
    owner = Owner(tmp_path / "port")
    owner.port.open()
    owner.port.write([b"dropped"])
    await asyncio.sleep(0.12)
    assert owner.opened == []
    host = HostEnd(tmp_path / "port")
    stream = await host.accept()
    assert await asyncio.get_running_loop().sock_recv(stream, 100) == b"hello"
    assert len(owner.opened) == 1
    owner.port.close()
    stream.close()
    host.close()


async def test_a_lost_host_is_back_within_100_ms(tmp_path: Path) -> None:
    host, owner = HostEnd(tmp_path / "port"), Owner(tmp_path / "port")
    owner.port.open()
    took = []
    for _ in range(3):
        stream = await host.accept()
        stream.send(b"x")
        await until(lambda: owner.got)
        owner.got = b""
        lost = asyncio.get_running_loop().time()
        stream.close()
        await until(lambda: len(owner.opened) > len(owner.lost))
        stream = await host.accept()
        took.append(owner.opened[-1] - lost)
        stream.send(b"x")
        await until(lambda: owner.got)
        owner.got = b""
        owner.port.reopen("out of step")
        stream.close()
    assert max(took) < 0.1, took
    assert owner.lost.count("out of step") == 3
    owner.port.close()
    host.close()


async def test_it_doubles_its_pauses_while_opens_bring_no_byte(tmp_path: Path) -> None:
    host, owner = HostEnd(tmp_path / "port"), Owner(tmp_path / "port")
    owner.port.open()
    for _ in range(5):
        (await host.accept()).close()
    pauses = [b - a for a, b in zip(owner.opened, owner.opened[1:], strict=False)]
    expected = [FIRST_RETRY_S * 2**i for i in range(4)]
    assert pauses == pytest.approx(expected, abs=0.01)
    stream = await host.accept()
    stream.send(b"x")
    await until(lambda: owner.got)
    stream.close()
    await until(lambda: len(owner.lost) == 6)
    await host.accept()
    assert owner.opened[-1] - owner.opened[-2] < 0.5
    owner.port.close()
    host.close()
    assert LAST_RETRY_S <= 2


async def test_closing_stops_trying(tmp_path: Path) -> None:
    owner = Owner(tmp_path / "port")
    owner.port.open()
    owner.port.close()
    host = HostEnd(tmp_path / "port")
    await asyncio.sleep(2 * FIRST_RETRY_S)
    assert owner.opened == []
    owner.port.reopen("nothing is open")
    owner.port.open()
    await host.accept()
    owner.port.close()
    host.close()


async def test_a_watched_node_is_not_looked_for(tmp_path: Path) -> None:
    owner = Owner(tmp_path / "port")
    owner.port.is_watched = True
    owner.port.open()
    host = HostEnd(tmp_path / "port")
    await asyncio.sleep(3 * FIRST_RETRY_S)
    assert owner.opened == []
    owner.port.node_appeared()
    owner.port.node_appeared()
    assert len(owner.opened) == 1
    owner.port.close()
    owner.port.node_appeared()
    assert len(owner.opened) == 1
    host.close()


@pytest.mark.parametrize("number", [errno.ENXIO, errno.EBUSY, errno.EACCES])
async def test_a_refused_open_is_tried_again_and_told_once(
    tmp_path: Path,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = Owner(tmp_path / "port")
    owner.port.is_watched = True
    refusals = 3
    real = owner.port._open_path

    def refuse() -> int:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(number, os.strerror(number))
        return real()

    monkeypatch.setattr(owner.port, "_open_path", refuse)
    host = HostEnd(tmp_path / "port")
    owner.port.open()
    await until(lambda: owner.opened)
    told = [r for r in caplog.records if r.levelname == "ERROR"]
    assert len(told) == (0 if number == errno.ENXIO else 1)
    if number == errno.EBUSY:
        assert "in use" in told[0].message
    owner.port.close()
    host.close()


class Device:
    """A device whose host can be absent: a FIFO reads 0 bytes with POLLHUP, too."""

    def __init__(self, path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(path)
        self.path, self.owner, self.opens = path, owner, 0
        monkeypatch.setattr(owner.port, "_open_path", self.open)

    def open(self) -> int:
        self.opens += 1
        self.owner.port._is_device = True
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        os.close(self.attach())
        return fd

    def attach(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)


async def test_a_host_that_attaches_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(tmp_path / "other")
    monkeypatch.setattr(owner.port, "write", lambda buffers: None)
    device = Device(tmp_path / "port", owner, monkeypatch)
    owner.port.open()
    await asyncio.sleep(0.1)
    fd = device.attach()
    os.write(fd, b"data")
    await until(lambda: owner.got == b"data")
    assert (device.opens, owner.lost) == (1, [])
    os.close(fd)
    await until(lambda: owner.lost)  # bytes came, so this is the end
    owner.port.close()


async def test_a_host_that_does_not_attach_costs_nothing_and_then_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(tmp_path / "other")
    monkeypatch.setattr(owner.port, "write", lambda buffers: None)
    device = Device(tmp_path / "port", owner, monkeypatch)
    wakeups = 0
    loop: Any = asyncio.get_running_loop()  # its turn has no public name
    run_once = loop._run_once

    def counted() -> None:
        nonlocal wakeups
        wakeups += 1
        run_once()

    monkeypatch.setattr(loop, "_run_once", counted)
    owner.port.open()
    await asyncio.sleep(0.4)
    assert wakeups < 40
    await until(lambda: device.opens == 2)
    assert owner.lost == ["the host is not attached"]
    owner.port.close()


async def test_a_pause_leaves_the_hosts_bytes_where_they_are(tmp_path: Path) -> None:
    host, owner = HostEnd(tmp_path / "port"), Owner(tmp_path / "port")
    owner.port.open()
    stream = await host.accept()
    owner.port.pause(True)
    stream.send(b"x")
    await asyncio.sleep(0.05)
    assert owner.got == b""
    owner.port.pause(False)
    await until(lambda: owner.got)
    owner.port.close()
    stream.close()
    host.close()
