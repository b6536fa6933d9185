# SPDX-License-Identifier: MIT
"""Does the loop that calls readers at once do what asyncio's own does, in the same order?"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vdagent.transport.prompt_loop import PromptLoop

Story = list[Any]
Scene = Callable[[asyncio.AbstractEventLoop, Story, list[socket.socket]], None]


@pytest.fixture
def ends() -> Iterator[list[socket.socket]]:
    """Two connections: here 0 and 1, their peers 2 and 3."""
    pairs = [socket.socketpair() for _ in range(2)]
    sockets = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    for end in sockets:
        end.setblocking(False)
    yield sockets
    for end in sockets:
        end.close()


def _ready(ends: list[socket.socket]) -> None:
    for peer in ends[2:]:
        peer.send(b"x")


def _schedules(loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]) -> None:
    def reader(number: int) -> None:
        told.append(("read", number, ends[number].recv(9)))
        loop.call_soon(told.append, ("soon", number))
        loop.call_later(0, told.append, ("later", number))

    for number in (0, 1):
        loop.add_reader(ends[number], reader, number)
    loop.call_soon(told.append, "was there before")
    _ready(ends)


def _idle_first(loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]) -> None:
    def reader() -> None:
        told.append(ends[0].recv(9))
        loop.call_soon(told.append, "soon")

    loop.add_reader(ends[0].fileno(), reader)
    loop.call_later(0.02, _ready, ends)


def _removes_the_other(
    loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]
) -> None:
    def reader(number: int) -> None:
        told.append(loop.remove_reader(ends[1 - number]))
        ends[number].recv(9)

    for number in (0, 1):
        loop.add_reader(ends[number], reader, number)
    loop.call_later(0.02, _ready, ends)


def _fails(loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]) -> None:
    def reader(number: int) -> None:
        ends[number].recv(9)
        told.append(number)
        raise ValueError(number)

    loop.set_exception_handler(lambda _, what: told.append(repr(what["exception"])))
    for number in (0, 1):
        loop.add_reader(ends[number], reader, number)
    loop.call_later(0.02, _ready, ends)


def _reads_and_writes(
    loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]
) -> None:
    def writer() -> None:
        loop.remove_writer(ends[0])
        told.append("write")

    loop.add_reader(ends[0], lambda: told.append(ends[0].recv(9)))
    loop.call_later(0.02, loop.add_writer, ends[0], writer)
    loop.call_later(0.02, _ready, ends)


def _hangs_up(loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]) -> None:
    def reader() -> None:
        told.append(data := ends[0].recv(9))
        if not data:
            told.append(loop.remove_reader(ends[0]))

    loop.add_reader(ends[0], reader)
    loop.call_later(0.02, ends[2].send, b"x")
    loop.call_later(0.04, ends[2].close)


def _is_replaced(loop: asyncio.AbstractEventLoop, told: Story, ends: list[socket.socket]) -> None:
    loop.add_reader(ends[0], told.append, "the first")
    loop.add_reader(ends[0], lambda: told.append(("the second", ends[0].recv(9))))
    loop.call_later(0.02, _ready, ends)


def _played(
    scene: Scene,
    ends: list[socket.socket],
    make: Callable[[], asyncio.AbstractEventLoop],
    length: int,
) -> Story:
    """What is told until it is that long, and three turns more for what must not come."""
    told: Story = []
    loop = make()

    async def play() -> None:
        scene(loop, told, ends)
        async with asyncio.timeout(10):
            while len(told) < length:
                await asyncio.sleep(0.005)
        for _ in range(3):
            await asyncio.sleep(0.005)

    try:
        loop.run_until_complete(play())
    finally:
        loop.close()
    return told


SCENES = [
    _schedules,
    _idle_first,
    _removes_the_other,
    _fails,
    _reads_and_writes,
    _hangs_up,
    _is_replaced,
]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, PromptLoop])
def test_told(make: Any, scene: Scene, ends: list[socket.socket]) -> None:
    expected = _EXPECTED[scene]
    assert _played(scene, ends, make, len(expected)) == expected


_EXPECTED: dict[Scene, Story] = {
    _schedules: [
        "was there before",
        *[("read", 0, b"x"), ("read", 1, b"x")],
        *[("soon", 0), ("soon", 1), ("later", 0), ("later", 1)],
    ],
    _idle_first: [b"x", "soon"],
    _removes_the_other: [True],
    _fails: [0, "ValueError(0)", 1, "ValueError(1)"],
    _reads_and_writes: [b"x", "write"],
    _hangs_up: [b"x", b"", True],
    _is_replaced: [("the second", b"x")],
}


def test_a_closed_loop_has_let_go_of_its_descriptors() -> None:
    before = os.listdir("/proc/self/fd")
    PromptLoop().close()
    assert os.listdir("/proc/self/fd") == before
