# SPDX-License-Identifier: MIT
"""Who serves a desktop that is back after it was away: the agent from before, or that of a new log-in?"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.backends.desks import Listener
from tests.support.buses import private_bus
from tests.support.compositors import Compositor, sway
from tests.support.fake_mutter import FakeMutter
from tests.support.processes import spawn, stop, wait_for
from tests.support.waiting import until
from vdagent import single
from vdagent.backends.base import TAKEN, Claim
from vdagent.backends.mutter.desktop import MutterDesktop
from vdagent.backends.wayland import connection
from vdagent.backends.wayland.connection import WaylandConnection
from vdagent.backends.wayland.desktop import WaylandDesktop

SOON_S = 10.0


class Place:
    """The right to serve a desktop; `free` if nobody else has taken it meanwhile."""

    def __init__(self) -> None:
        self.ours = True
        self.free = True
        self.claim = Claim(self._leave, self._take)

    def _leave(self) -> None:
        self.ours = False

    def _take(self) -> bool:
        self.ours = self.ours or self.free
        return self.ours


@asynccontextmanager
async def served(place: Place) -> AsyncIterator[tuple[Compositor, Listener]]:
    """A sway and our agent's part that serves it."""
    with tempfile.TemporaryDirectory() as private:
        os.chmod(private, 0o755)  # sway runs as another user
        with sway(Path(private), outputs=1) as compositor:
            listener = Listener()
            desktop = WaylandDesktop(
                str(compositor.socket),
                listener,
                listener,
                listener.lost.append,
                claim=place.claim,
            )
            await desktop.open()
            desktop.deliver()
            try:
                yield compositor, listener
            finally:
                await desktop.close()


def test_whoever_came_while_it_was_away_serves_it() -> None:
    with tempfile.TemporaryDirectory() as private, ExitStack() as stack:
        directory = Path(private)
        directory.chmod(0o755)
        compositor = stack.enter_context(sway(directory, outputs=1))
        argv = [sys.executable, "-m", "vdagent", "session", "-x", "--no-port-check"]
        log = directory / "agent.log"
        agent = spawn([*argv, f"-S{private}/daemon"], env=compositor.environment, log=log)
        stack.callback(stop, agent)
        wait_for(lambda: "outputs by" in log.read_text(), what="the desktop taken")
        compositor.kill()
        (lock,) = compositor.directory.glob("vdagent-session-*.lock")
        with lock.open() as other:
            wait_for(lambda: _taken(other), SOON_S, "the right given up")
            compositor.process = compositor.start()
            assert agent.wait(SOON_S) == 1
        assert f"the desktop has gone: {TAKEN}" in log.read_text()


def _taken(lock: IO[str]) -> bool:
    """As by the agent that a new log-in starts."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def test_a_compositor_of_another_login(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    monkeypatch.setattr(connection, "_login", lambda pid: "0::/user.slice/session-1.scope")
    async with served(place) as (compositor, listener):
        compositor.kill()
        monkeypatch.setattr(connection, "_login", lambda pid: "0::/user.slice/session-2.scope")
        compositor.process = compositor.start()
        await until(lambda: listener.lost, "the end", SOON_S)
        assert "another login session" in listener.lost[0]
        assert not place.ours  # it is left to the agent of that login


async def test_gnome(tmp_path: Path) -> None:
    place = Place()
    listener, fake = Listener(), FakeMutter()
    with private_bus(tmp_path) as bus:
        await fake.start(bus.address)
        desktop = MutterDesktop(
            bus.address, listener, listener, listener.lost.append, claim=place.claim
        )
        await desktop.open()
        try:
            fake.stop()
            await until(lambda: not place.ours, "the right given up", SOON_S)
            place.free = False
            fake = FakeMutter()
            await fake.start(bus.address)
            await until(lambda: listener.lost, "the end", SOON_S)
            assert listener.lost == [TAKEN]
        finally:
            await desktop.close()
            fake.stop()


def test_the_right_is_left_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert single.claim("wayland-1", "socket")
    (lock,) = tmp_path.iterdir()
    with lock.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert single.claim_again()  # nothing was left
        single.leave()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not single.claim_again()
    assert single.claim_again()
    single.leave()


async def test_whose_compositor_it_is() -> None:
    async with served(Place()) as (compositor, _):
        wayland = await WaylandConnection.open(str(compositor.socket))
        wayland.close()
        assert wayland.peer.pid == compositor.process.pid
        assert wayland.login == Path(f"/proc/{compositor.process.pid}/cgroup").read_text()
