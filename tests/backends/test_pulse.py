# SPDX-License-Identifier: MIT
"""Does the volume of a real PulseAudio server follow, and is its absence no error?"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import require
from vdagent.backends import pulse
from vdagent.backends.pulse import PulseMixer, spread

STEREO = ["front-left", "front-right"]
SURROUND = [*STEREO, "rear-left", "rear-right", "front-center", "lfe"]


class Server:
    """A private PulseAudio with a sink and a source that lead nowhere."""

    def __init__(self, directory: Path, channels: int = 2) -> None:
        self.directory, self.channels = directory, channels
        self.address = f"unix:{directory}/native"
        self.start()

    def start(self) -> None:
        names = ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH")
        env = {**os.environ, **dict.fromkeys(names, str(self.directory))}
        modules = (
            f"module-native-protocol-unix socket={self.directory}/native auth-anonymous=1",
            f"module-null-sink channels={self.channels}",
        )
        loads = [word for module in modules for word in ("-L", module)]
        options = ("-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no")
        self.process = spawn(
            ["pulseaudio", *options, *loads], env=env, log=self.directory / "pulse.log"
        )
        wait_for(self.listens, 10, "PulseAudio")

    def listens(self) -> bool:
        """Its socket is there a moment before it answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.directory / "native")) == 0

    def stop(self) -> None:
        stop(self.process)
        (self.directory / "native").unlink(missing_ok=True)

    async def read(self) -> tuple[list[float], bool, list[float], bool]:
        """Volume and mute of the default output and input."""
        from pulsectl_asyncio import PulseAsync

        async with PulseAsync("test", server=self.address) as connection:
            sink = await connection.sink_default_get()
            source = await connection.source_default_get()
            levels: list[Any] = []
            for device in (sink, source):
                levels += [[round(v, 2) for v in device.volume.values], bool(device.mute)]
        return tuple(levels)  # type: ignore[return-value]

    async def until(
        self, fits: Callable[[tuple[list[float], bool, list[float], bool]], bool]
    ) -> None:
        async with asyncio.timeout(10):
            while not fits(await self.read()):
                await asyncio.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    require("pulseaudio")
    server = Server(tmp_path)
    yield server
    server.stop()


async def test_playback_and_record(server: Server) -> None:
    mixer = PulseMixer(server.address)
    mixer.set(True, True, [0.25, 0.5])
    mixer.set(False, False, [0.75])
    await server.until(lambda now: now == ([0.25, 0.5], True, [0.75, 0.75], False))
    mixer.set(True, False, [])
    await server.until(lambda now: now == ([0.25, 0.5], False, [0.75, 0.75], False))
    await mixer.close()


async def test_eight_channels(tmp_path: Path) -> None:
    require("pulseaudio")
    server = Server(tmp_path, 8)
    try:
        mixer = PulseMixer(server.address)
        wanted = [n / 10 for n in range(1, 9)]
        mixer.set(True, False, wanted)
        await server.until(lambda now: now[0] == wanted)
        mixer.set(True, False, [1.0])
        await server.until(lambda now: now[0] == [1.0] * 8)
        await mixer.close()
    finally:
        server.stop()


async def test_a_slider_that_is_drawn_ends_where_it_stops(server: Server) -> None:
    mixer = PulseMixer(server.address)
    for step in range(101):
        mixer.set(True, False, [step / 100] * 2)
        await asyncio.sleep(0)
    await server.until(lambda now: now[0] == [1.0, 1.0])
    await mixer.close()


async def test_a_server_that_is_restarted(server: Server) -> None:
    mixer = PulseMixer(server.address)
    mixer.set(True, False, [0.5])
    await server.until(lambda now: now[0] == [0.5, 0.5])
    server.stop()
    server.start()
    mixer.set(True, False, [0.25])
    await server.until(lambda now: now[0] == [0.25, 0.25])
    await mixer.close()


async def test_no_server_now_and_one_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    require("pulseaudio")
    caplog.set_level("INFO")
    mixer = PulseMixer(f"unix:{tmp_path}/native")
    for _ in range(3):
        mixer.set(True, False, [0.5])
        async with asyncio.timeout(10):
            await mixer.settled()
    assert len(caplog.records) == 1  # said once
    server = Server(tmp_path)
    try:
        mixer.set(True, False, [0.5])
        await server.until(lambda now: now[0] == [0.5, 0.5])
    finally:
        server.stop()
    await mixer.close()


async def test_no_library_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setitem(sys.modules, "pulsectl_asyncio", None)
    mixer = PulseMixer("unix:/nonexistent")
    mixer.set(True, False, [0.5])
    await mixer.settled()
    assert "library" in caplog.text


async def test_the_connection_is_not_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LINGER_S", 0.05)
    mixer = PulseMixer(server.address)
    mixer.set(True, False, [0.5])
    async with asyncio.timeout(10):
        await mixer.settled()
    await server.until(lambda now: now[0] == [0.5, 0.5])


def test_channels_that_do_not_fit_one_by_one() -> None:
    assert spread([0.5], ["mono"]) == [0.5]
    assert spread([0.2, 0.4], ["mono"]) == pytest.approx([0.3])
    assert spread([0.2, 0.4], STEREO) == [0.2, 0.4]
    expected = [0.2, 0.4, 0.2, 0.4, 0.3, 0.3]
    assert spread([0.2, 0.4], SURROUND) == pytest.approx(expected)
    assert spread([0.1, 0.2, 0.3], STEREO) == pytest.approx([0.2, 0.2])


def test_importing_the_session_does_not_load_it() -> None:
    program = "import sys, vdagent.session; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    for name in ("pulsectl", "pulsectl_asyncio", "dbus_next"):
        assert name not in modules
