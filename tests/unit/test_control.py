# SPDX-License-Identifier: MIT
"""Does the control socket answer whom it should, and hold against those it should not?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vdagent import control
from vdagent.control import Caller, ControlServer, Line, ask, control_path, conversation
from vdagent.errors import SessionError

Table = dict[str, Callable[[Line, Caller], Awaitable[Line]]]


async def who(question: Line, caller: Caller) -> Line:
    return {"pid": caller.pid, "uid": caller.uid, "root": caller.is_root}


async def refuse(question: Line, caller: Caller) -> Line:
    raise SessionError("not today", "tomorrow")


@asynccontextmanager
async def served(tmp_path: Path, **questions: Any) -> AsyncIterator[str]:
    path = control_path(str(tmp_path / "sock"))
    server = ControlServer(path, questions)
    await server.start()
    try:
        yield path
    finally:
        server.close()


def run(program: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(program(), 20))


def raw(path: str, *lines: bytes) -> list[Any]:
    """The answers to lines that are sent as they are."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(b"".join(line + b"\n" for line in lines))
        with connection.makefile("rb") as file:
            return [json.loads(answer) if (answer := file.readline()) else None for _ in lines]


def test_who_asks_is_known(tmp_path: Path) -> None:
    async def program() -> None:
        async with served(tmp_path, who=who) as path:
            answer = await asyncio.to_thread(ask, path, {"do": "who"})
            assert answer == {"ok": True, "pid": os.getpid(), "uid": os.getuid(), "root": True}

    run(program)


def test_a_refusal_is_one_sentence_with_its_hint(tmp_path: Path) -> None:
    async def program() -> None:
        async with served(tmp_path, refuse=refuse) as path:
            refusal = {"ok": False, "error": "not today", "hint": "tomorrow"}
            assert await asyncio.to_thread(raw, path, b'{"do": "refuse"}') == [refusal]
            with pytest.raises(SessionError, match=r"^not today \(tomorrow\)$"):
                await asyncio.to_thread(ask, path, {"do": "refuse"})

    run(program)


def test_what_is_no_question_gets_an_answer_too(tmp_path: Path) -> None:
    lines = (
        b"{",
        b"[1]",
        b"{}",
        b'{"do": ["who"]}',
        b"[" * 5000,
        b'{"do": "dance"}',
        b'{"do":"who"}',
    )

    async def program() -> None:
        async with served(tmp_path, who=who) as path:
            answers = await asyncio.to_thread(raw, path, *lines)
            assert [answer["ok"] for answer in answers] == [False] * 6 + [True]
            assert "cannot do 'dance'" in answers[5]["error"]

    run(program)


def test_a_line_without_end_is_hung_up_on(tmp_path: Path) -> None:
    async def program() -> None:
        async with served(tmp_path, who=who) as path:
            assert await asyncio.to_thread(raw, path, b"x" * (control.MAX_LINE + 1)) == [None]
            assert (await asyncio.to_thread(ask, path, {"do": "who"}))["ok"]

    run(program)


async def let_go(held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in held:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_one_user_cannot_take_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Caller, "is_root", False)

    async def program() -> None:
        async with served(tmp_path, who=who) as path:
            held = [await asyncio.open_unix_connection(path) for _ in range(control.MAX_PER_USER)]
            for reader, writer in held:  # each has been taken in
                writer.write(b'{"do": "who"}\n')
                assert await reader.readline()
            with pytest.raises(SessionError, match="too many"):
                await asyncio.to_thread(ask, path, {"do": "who"})
            monkeypatch.setattr(Caller, "is_root", True)
            assert (await asyncio.to_thread(ask, path, {"do": "who"}))["ok"]
            await let_go(held)

    run(program)


def test_nor_does_root_take_every_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_CLIENTS", 5)

    async def program() -> None:
        async with served(tmp_path, who=who) as path:
            held = [await asyncio.open_unix_connection(path) for _ in range(50)]
            answers = []
            for reader, writer in held:
                writer.write(b'{"do": "who"}\n')
                answers.append(json.loads(await reader.readline())["ok"])
            assert answers.count(True) == 5
            await let_go(held)

    run(program)


def test_more_lines_come_until_either_side_goes(tmp_path: Path) -> None:
    callers: list[Caller] = []
    gone = asyncio.Event()

    async def follow(question: Line, caller: Caller) -> Line:
        caller.stays = True
        caller.on_gone.append(gone.set)
        callers.append(caller)
        return {"first": True}

    async def program() -> None:
        async with served(tmp_path, follow=follow) as path:
            lines = conversation(path, {"do": "follow"})
            assert (await asyncio.to_thread(next, lines))["first"]
            assert callers[0].tell({"n": 1}) and callers[0].tell({"n": 2})
            assert [await asyncio.to_thread(next, lines) for _ in range(2)] == [{"n": 1}, {"n": 2}]
            lines.close()
            await asyncio.wait_for(gone.wait(), 10)
            assert not callers[0].tell({"n": 3})

    run(program)


def test_who_does_not_read_is_hung_up_on(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def flood(question: Line, caller: Caller) -> Line:
        caller.on_gone.append(gone.set)
        line = {"x": "x" * 10_000}
        for _ in range(2 * control.MAX_BEHIND // 10_000):
            if not caller.tell(line):
                return {}
        raise AssertionError("all of it was kept")

    async def program() -> None:
        async with served(tmp_path, flood=flood) as path:
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"do": "flood"}\n')
            await asyncio.wait_for(gone.wait(), 10)
            writer.close()

    run(program)


@pytest.mark.virtual_time
async def test_a_silent_caller_is_hung_up_on_unless_it_stays(tmp_path: Path) -> None:
    async def stay(question: Line, caller: Caller) -> Line:
        caller.stays = True
        return {}

    async with served(tmp_path, stay=stay) as path:
        staying_reader, staying = await asyncio.open_unix_connection(path)
        staying.write(b'{"do": "stay"}\n')
        assert await staying_reader.readline()
        reader, writer = await asyncio.open_unix_connection(path)
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began == pytest.approx(control.IDLE_S)
        staying.write(b'{"do": "stay"}\n')
        assert await staying_reader.readline()
        writer.close()
        staying.close()


def test_without_a_daemon(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="no answer at"):
        ask(str(tmp_path / "none"), {"do": "status"})
