# SPDX-License-Identifier: MIT
"""Does the daemon learn of displays whose pixels count more, and is what is no such word refused?"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from vdagent import pointer_scales
from vdagent.control import Caller, ControlServer, Line, control_path
from vdagent.errors import SessionError
from vdagent.pointer_scales import PointerScales, read_scales

FAST_S = (0.01, 0.01)


class Daemon:
    """The control socket of a daemon; `told` is what it was told."""

    def __init__(self, session_socket: Path) -> None:
        self.told: list[dict[int, float]] = []
        self.refusals = 0
        questions = {"pointer-scales": self._learn}
        self._server = ControlServer(control_path(str(session_socket)), questions)

    async def _learn(self, question: Line, caller: Caller) -> Line:
        if self.refusals:
            self.refusals -= 1
            raise SessionError("control: who are you?")
        self.told.append(read_scales(question))
        return {}

    async def __aenter__(self) -> Daemon:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


async def until_told(daemon: Daemon, times: int) -> None:
    async with asyncio.timeout(5):
        while len(daemon.told) < times:
            await asyncio.sleep(0.005)


async def test_only_what_is_new_is_told(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "agents") as daemon:
        scales = PointerScales(str(tmp_path / "agents"))
        scales.connected()
        scales.tell({})
        scales.tell({0: 2.0, 3: 1.5})
        scales.tell({0: 2.0, 3: 1.5})
        await until_told(daemon, 1)
        scales.tell({})
        await until_told(daemon, 2)
        scales.connected()  # to another daemon, which knows nothing of it
        scales.tell({0: 2.0})
        await until_told(daemon, 3)
        assert daemon.told == [{0: 2.0, 3: 1.5}, {}, {0: 2.0}]


async def test_a_daemon_that_is_not_ready_is_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer_scales, "WAITS_S", FAST_S)
    async with Daemon(tmp_path / "agents") as daemon:
        daemon.refusals = 2
        scales = PointerScales(str(tmp_path / "agents"))
        scales.tell({0: 2.0})
        await until_told(daemon, 1)


async def test_a_daemon_without_a_control_socket_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pointer_scales, "WAITS_S", FAST_S)
    scales = PointerScales(str(tmp_path / "agents"))
    with caplog.at_level(logging.WARNING):
        for scale in (2.0, 3.0):
            scales.tell({0: scale})
            assert scales._work is not None
            await scales._work
    (said,) = caplog.messages
    assert "pointer is off" in said


@pytest.mark.parametrize(
    "scales",
    [
        None,
        [2.0],
        {"0": "2"},
        {"0": True},
        {"0": 0},
        {"0": -1.0},
        {"0": 1e9},
        {"0": float("nan")},
        {"x": 2.0},
        {"256": 2.0},
        {"-1": 2.0},
        {"9" * 5000: 2.0},
        {str(n): 1.0 for n in range(257)},
    ],
)
def test_what_is_no_scale_is_refused(scales: Any) -> None:
    with pytest.raises(SessionError, match="control:"):
        read_scales({"do": "pointer-scales", "scales": scales})
