# SPDX-License-Identifier: MIT
"""Does every paste in the guest end: with the data, or empty and in time?"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clock import settle
from vdagent.backends.base import Buffer, Patience
from vdagent.handlers.pastes import Pastes

pytestmark = pytest.mark.virtual_time

TEXT, PNG = 1, 2


class Viewer(list[tuple[int, int]]):
    """Every request that was made."""

    def ask(self, selection: int, type_: int) -> None:
        self.append((selection, type_))


def setup(first_s: float = 30.0, progress_s: float = 30.0) -> tuple[Viewer, Pastes]:
    viewer = Viewer()
    pastes = Pastes(viewer.ask)
    pastes.patience = Patience(first_s, progress_s, 1000)
    return viewer, pastes


async def start(pastes: Pastes, selection: int, type_: int) -> asyncio.Task[Buffer]:
    task = asyncio.ensure_future(pastes.fetch(selection, type_))
    await settle()
    return task


def part(pastes: Pastes, *pieces: bytes) -> None:
    pastes.part([memoryview(p) for p in pieces])


async def test_a_whole_answer() -> None:
    viewer, pastes = setup()
    task = await start(pastes, 0, TEXT)
    pastes.data(0, TEXT, b"text")
    assert await task == b"text"
    assert viewer == [(0, TEXT)]


async def test_an_answer_in_parts() -> None:
    _, pastes = setup()
    task = await start(pastes, 1, PNG)
    pastes.begin(1, PNG, 6)
    part(pastes, b"ab", b"c")
    part(pastes, b"def")
    pastes.end()
    assert await task == b"abcdef"


async def test_answers_in_any_order() -> None:
    _, pastes = setup()
    tasks = [await start(pastes, s, t) for s, t in ((0, TEXT), (0, PNG), (1, TEXT))]
    pastes.data(1, TEXT, b"3")
    pastes.data(0, PNG, b"2")
    pastes.data(0, TEXT, b"1")
    assert [await t for t in tasks] == [b"1", b"2", b"3"]


async def test_after_another_copy_it_is_asked_again() -> None:
    """And an answer that comes then is what was copied last, for all who wait."""
    viewer, pastes = setup()
    tasks = [await start(pastes, 0, TEXT)]
    pastes.copied(1)
    tasks.append(await start(pastes, 0, TEXT))
    assert viewer == [(0, TEXT)]
    pastes.copied(0)
    tasks += [await start(pastes, 0, TEXT), await start(pastes, 0, TEXT)]
    assert viewer == [(0, TEXT)] * 2
    pastes.data(0, TEXT, b"new")
    assert [await t for t in tasks] == [b"new"] * 4


async def test_what_is_on_its_way_at_another_copy_is_the_former_one() -> None:
    viewer, pastes = setup()
    former = await start(pastes, 0, TEXT)
    pastes.begin(0, TEXT, 4)
    part(pastes, b"ol")
    pastes.copied(0)
    latter = await start(pastes, 0, TEXT)
    assert viewer == [(0, TEXT)] * 2
    part(pastes, b"d!")
    pastes.end()
    assert await former == b"old!"
    pastes.data(0, TEXT, b"new")
    assert await latter == b"new"


async def test_what_is_on_its_way_ends_with_the_viewer() -> None:
    _, pastes = setup()
    former = await start(pastes, 0, TEXT)
    pastes.begin(0, TEXT, 4)
    pastes.copied(0)
    pastes.cancel()
    assert await former == b""
    latter = await start(pastes, 0, TEXT)
    part(pastes, b"late")
    pastes.end()
    pastes.data(0, TEXT, b"new")
    assert await latter == b"new"


async def test_equal_pastes_share_a_request() -> None:
    viewer, pastes = setup()
    tasks = [await start(pastes, 0, TEXT) for _ in range(3)]
    tasks[0].cancel()
    pastes.data(0, TEXT, b"text")
    assert [await t for t in tasks[1:]] == [b"text"] * 2
    assert viewer == [(0, TEXT)]
    again = await start(pastes, 0, TEXT)
    pastes.data(0, TEXT, b"new")
    assert await again == b"new"
    assert viewer == [(0, TEXT)] * 2


async def test_none_answers_the_oldest_of_its_selection() -> None:
    _, pastes = setup()
    other, first, second = [await start(pastes, *key) for key in ((1, PNG), (0, PNG), (0, TEXT))]
    pastes.data(0, 0, b"")
    assert await first == b""
    assert not other.done()
    assert not second.done()
    pastes.cancel()


@pytest.mark.parametrize("selection", [0, None])
async def test_cancelled_pastes_end_empty(selection: int | None) -> None:
    _, pastes = setup()
    task, other = await start(pastes, 0, TEXT), await start(pastes, 1, TEXT)
    pastes.begin(0, TEXT, 6)
    part(pastes, b"abc")
    pastes.cancel(selection)
    assert await task == b""
    await settle()
    assert other.done() == (selection is None)
    pastes.cancel()


async def test_a_silent_viewer() -> None:
    _, pastes = setup(first_s=0.01)
    assert await (await start(pastes, 0, TEXT)) == b""


async def test_a_viewer_that_stops_in_the_middle() -> None:
    _, pastes = setup(progress_s=0.01)
    task = await start(pastes, 0, TEXT)
    pastes.begin(0, TEXT, 6)
    part(pastes, b"abc")
    assert await task == b""


async def test_a_slow_one_is_waited_for() -> None:
    _, pastes = setup(first_s=1.0, progress_s=1.0)
    task = await start(pastes, 0, TEXT)
    await asyncio.sleep(0.4)
    pastes.begin(0, TEXT, 3)
    for piece in (b"a", b"b", b"c"):
        await asyncio.sleep(0.4)
        part(pastes, piece)
    pastes.end()
    assert await task == b"abc"


async def test_more_than_we_take_ends_the_paste() -> None:
    _, pastes = setup()
    task = await start(pastes, 0, TEXT)
    pastes.begin(0, TEXT, 1001)
    assert await task == b""
    part(pastes, b"x" * 1001)
    pastes.end()


async def test_what_nobody_asked_for_is_ignored() -> None:
    _, pastes = setup()
    pastes.data(0, TEXT, b"x")
    pastes.begin(0, TEXT, 3)
    part(pastes, b"abc")
    pastes.end()
    task = await start(pastes, 0, TEXT)
    pastes.data(0, PNG, b"x")
    pastes.data(1, TEXT, b"x")
    pastes.data(0, TEXT, b"text")
    assert await task == b"text"


async def test_the_rest_of_a_late_answer_is_not_the_next_ones() -> None:
    _, pastes = setup(progress_s=0.01)
    late = await start(pastes, 0, TEXT)
    pastes.begin(0, TEXT, 6)
    part(pastes, b"abc")
    assert await late == b""
    task = await start(pastes, 0, TEXT)
    part(pastes, b"def")
    pastes.end()
    await settle()
    assert not task.done()
    pastes.data(0, TEXT, b"new")
    assert await task == b"new"
