# SPDX-License-Identifier: MIT
"""What does the daemon keep of what a session agent tells of itself?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from vdagent import control_link
from vdagent.control import Caller, ControlServer, Line, control_path
from vdagent.control_link import ControlLink
from vdagent.errors import SessionError
from vdagent.session_facts import MAX_BACKENDS, MAX_TEXT, Backend, SessionFacts, read_facts

WAYLAND = {"part": "CLIPBOARD", "by": "ext_data_control_manager_v1", "why": "it is offered"}


def test_what_is_told_anew_replaces_what_was() -> None:
    first = read_facts({"version": "1", "desktop": "GNOME", "backends": [WAYLAND]}, SessionFacts())
    assert first == SessionFacts("1", "GNOME", (Backend(**WAYLAND),), None)
    second = read_facts({"last_error": "it broke", "backends": []}, first)
    assert second == SessionFacts("1", "GNOME", (), "it broke")
    assert read_facts({"last_error": None}, second).last_error is None


def test_nothing_of_it_can_steer_a_terminal_or_fill_the_memory() -> None:
    hostile: list[Any] = [{"part": "\x1b]0;owned\x07", "by": 7, "why": "x" * 10_000}, 3, None]
    facts = read_facts(
        {"version": "\x9b31m1\n2", "backends": hostile + [WAYLAND] * 99}, SessionFacts()
    )
    assert facts.version == " 31m1 2"
    assert facts.backends[0] == Backend(" ]0;owned ", "", "x" * MAX_TEXT)
    assert len(facts.backends) <= MAX_BACKENDS
    assert read_facts({"backends": {"part": 1}, "version": None}, SessionFacts()) == SessionFacts()


def run(program: Any) -> None:
    asyncio.run(asyncio.wait_for(program, 20))


def test_the_session_tells_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "WAITS_S", (0.01,) * 100)
    told: list[Line] = []
    callers: list[Caller] = []
    arrived = asyncio.Event()
    refusals = 2

    async def session(question: Line, caller: Caller) -> Line:
        nonlocal refusals
        if refusals:  # the daemon has not let its other connection in yet
            refusals -= 1
            raise SessionError("not yet")
        told.append(question)
        callers.append(caller)
        arrived.set()
        return {}

    async def program() -> None:
        path = str(tmp_path / "agents")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        link = ControlLink(path, heard.put_nowait)
        link.tell(version="1")
        link.connected()  # before there is a control socket
        await asyncio.sleep(0.03)
        server = ControlServer(control_path(path), {"session": session})
        await server.start()
        await arrived.wait()
        assert told == [{"do": "session", "version": "1"}]
        arrived.clear()
        link.tell(version="1")  # no news
        link.tell(version="1", desktop="KDE")
        await arrived.wait()
        assert told[1:] == [{"do": "session", "desktop": "KDE"}]
        assert callers[0].tell({"do": "something"})
        assert await heard.get() == {"do": "something"}
        arrived.clear()
        link.connected()  # another daemon, or the same after a restart: it knows nothing
        await arrived.wait()
        assert told[-1] == {"do": "session", "version": "1", "desktop": "KDE"}
        link.disconnected()
        server.close()

    run(program())


def test_a_daemon_that_talks_nonsense_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_link, "WAITS_S", (0.0,))

    async def program() -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert json.loads(await reader.readline())["do"] == "session"
            writer.write(b"[]\n")
            assert await reader.read() == b""
            writer.close()
            ended.set()

        path = str(tmp_path / "agents")
        server = await asyncio.start_unix_server(serve, control_path(path))
        link = ControlLink(path, lambda line: None)
        link.tell(version="1")
        link.connected()
        await ended.wait()
        link.disconnected()
        server.close()

    run(program())


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
        read_facts({"do": "session", "pointer_scales": scales}, SessionFacts())


@pytest.mark.parametrize(
    "transforms", [[1], {"0": 8}, {"0": -1}, {"0": 1.0}, {"0": True}, {"x": 1}]
)
def test_what_is_no_transform_is_refused(transforms: Any) -> None:
    with pytest.raises(SessionError, match="control:"):
        read_facts({"do": "session", "pointer_transforms": transforms}, SessionFacts())


def test_transforms() -> None:
    facts = read_facts({"pointer_transforms": {"0": 3, "255": 7}}, SessionFacts())
    assert facts.pointer_transforms == {0: 3, 255: 7}


def test_scales_stay_until_others_are_told() -> None:
    facts = read_facts({"pointer_scales": {"0": 2, "3": 1.5}}, SessionFacts())
    assert read_facts({"version": "1"}, facts).pointer_scales == {0: 2.0, 3: 1.5}
    assert read_facts({"pointer_scales": {}}, facts).pointer_scales == {}
