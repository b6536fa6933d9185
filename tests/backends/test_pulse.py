# SPDX-License-Identifier: MIT
"""Does the volume of a real sound server follow, and is its absence no error?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sound_servers import PipeWire, PulseAudio
from vdagent.backends import pulse
from vdagent.backends.pulse import PulseMixer, spread

STEREO = ["front-left", "front-right"]
SURROUND = [*STEREO, "rear-left", "rear-right", "front-center", "lfe"]


@pytest.fixture(params=[PulseAudio, PipeWire])
def kind(request: pytest.FixtureRequest) -> type[PulseAudio]:
    """Which of the servers."""
    kind: type[PulseAudio] = request.param
    return kind


@pytest.fixture
def server(kind: type[PulseAudio], tmp_path: Path) -> Iterator[PulseAudio]:
    server = kind(tmp_path)
    yield server
    server.stop()


async def test_playback_and_record(server: PulseAudio) -> None:
    mixer = PulseMixer(server.address)
    mixer.set(True, True, [0.25, 0.5])
    mixer.set(False, False, [0.75])
    await server.until(lambda now: now == ([0.25, 0.5], True, [0.75, 0.75], False))
    mixer.set(True, False, [])
    await server.until(lambda now: now == ([0.25, 0.5], False, [0.75, 0.75], False))
    await mixer.close()


async def test_eight_channels(kind: type[PulseAudio], tmp_path: Path) -> None:
    server = kind(tmp_path, 8)
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


async def test_a_slider_that_is_drawn_ends_where_it_stops(server: PulseAudio) -> None:
    mixer = PulseMixer(server.address)
    for step in range(101):
        mixer.set(True, False, [step / 100] * 2)
        await asyncio.sleep(0)
    await server.until(lambda now: now[0] == [1.0, 1.0])
    await mixer.close()


async def test_a_server_that_is_restarted(server: PulseAudio) -> None:
    mixer = PulseMixer(server.address)
    mixer.set(True, False, [0.5])
    await server.until(lambda now: now[0] == [0.5, 0.5])
    server.stop()
    server.start()
    mixer.set(True, False, [0.25])
    await server.until(lambda now: now[0] == [0.25, 0.25])
    await mixer.close()


async def test_no_server_now_and_one_later(
    kind: type[PulseAudio], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    mixer = PulseMixer(f"unix:{tmp_path}/native")
    for _ in range(3):
        mixer.set(True, False, [0.5])
        async with asyncio.timeout(10):
            await mixer.settled()
    assert len(caplog.records) == 1  # said once
    server = kind(tmp_path)
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


async def test_the_connection_is_not_kept(
    server: PulseAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
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
