# SPDX-License-Identifier: MIT
"""Does every desktop keep the promises of `base.Display`?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.desks import Desk, open_desk
from tests.support.waiting import until
from vdagent.backends.base import Layout, Rect
from vdagent.errors import DesktopError

all_desktops = pytest.mark.parametrize("kind", ["memory", "xvfb", "xorg-dummy", "sway"])
several_outputs = pytest.mark.parametrize("kind", ["memory", "xorg-dummy", "sway"])
# The headless outputs of wlroots 0.15 cannot be switched off, and are of any size.
real_outputs = pytest.mark.parametrize("kind", ["memory", "xorg-dummy"])
limited = pytest.mark.parametrize("kind", ["memory", "xvfb", "xorg-dummy"])


def rects(layout: Layout) -> list[Rect | None]:
    return [output.rect for output in layout.outputs]


async def apply(desk: Desk, *wanted: Rect | None) -> Layout:
    """Give the first outputs these rectangles; returns the layout as it is then."""
    outputs = (await desk.display.layout()).outputs
    names = [output.name for output in outputs]
    await desk.display.apply(dict(zip(names, wanted, strict=False)))
    return await desk.display.layout()


@all_desktops
async def test_the_layout_names_every_output(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        layout = await desk.display.layout()
        assert layout.outputs[0].rect == Rect(layout.width, layout.height)
        assert all(output.rect is None for output in layout.outputs[1:])
        assert len(layout.outputs) == {"memory": 4, "xvfb": 1, "xorg-dummy": 16, "sway": 4}[kind]
        assert len({output.name for output in layout.outputs}) == len(layout.outputs)


@all_desktops
async def test_any_size(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        for width, height in [(803, 601), (1111, 777), (640, 480), (1920, 1200), (321, 199)]:
            layout = await apply(desk, Rect(width, height))
            assert layout.outputs[0].rect == Rect(width, height)
            assert (layout.width, layout.height) == (width, height)


@all_desktops
async def test_a_change_is_told_and_an_equal_layout_is_none(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        await apply(desk, Rect(1000, 700))
        await until(lambda: desk.listener.layouts, "the change told")
        desk.listener.layouts = 0
        await apply(desk, Rect(1000, 700))
        await apply(desk, Rect(1000, 700, 50, 60))  # the same once it is moved to 0,0
        assert desk.listener.layouts == 0
        await apply(desk, Rect(1001, 700))
        await until(lambda: desk.listener.layouts, "the change told")


@all_desktops
async def test_the_bounding_box_moves_to_the_origin(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        layout = await apply(desk, Rect(900, 700, -200, 50))
        assert layout.outputs[0].rect == Rect(900, 700)
        assert (layout.width, layout.height) == (900, 700)


@several_outputs
@pytest.mark.parametrize(
    "wanted",
    [
        [Rect(1280, 800), Rect(1111, 777, 1280, 0)],
        [Rect(1280, 800, 1111, 0), Rect(1111, 777)],
        [Rect(800, 600, 0, 900), Rect(801, 603, 1000, 0), Rect(640, 480, 2000, 700)],
        [Rect(800, 600), Rect(800, 600, 800, 0), Rect(800, 600, 0, 600), Rect(800, 600, 800, 600)],
    ],
)
async def test_several_heads(kind: str, wanted: list[Rect | None], tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        layout = await apply(desk, *wanted)
        assert rects(layout)[: len(wanted)] == wanted
        assert not any(rects(layout)[len(wanted) :])
        shown = [rect for rect in wanted if rect]
        assert layout.width == max(rect.x + rect.width for rect in shown)
        assert layout.height == max(rect.y + rect.height for rect in shown)


@real_outputs
async def test_not_the_first_heads(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        wanted = [None, Rect(1000, 700), None, Rect(500, 400, 1000, 300)]
        layout = await apply(desk, *wanted)
        assert rects(layout)[: len(wanted)] == wanted
        assert (layout.width, layout.height) == (1500, 700)


@several_outputs
async def test_negative_positions_keep_their_distances(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        layout = await apply(desk, Rect(1280, 800), Rect(900, 700, -900, -100))
        assert rects(layout)[:2] == [Rect(1280, 800, 900, 100), Rect(900, 700, 0, 0)]
        assert (layout.width, layout.height) == (2180, 900)


@real_outputs
async def test_heads_come_and_go(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        one, two = Rect(1280, 800), Rect(1111, 777, 1280, 0)
        for wanted in [(one, two), (one, None), (one, two), (None, one), (two, one), (one,)]:
            layout = await apply(desk, *wanted)
            left = min(rect.x for rect in wanted if rect)
            moved = [rect and rect._replace(x=rect.x - left) for rect in wanted]
            assert rects(layout)[: len(wanted)] == moved
            assert not any(rects(layout)[len(wanted) :])


@all_desktops
async def test_at_least_one_output_stays_on(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        before = await desk.display.layout()
        for wanted in [None, Rect(0, 0)]:
            with pytest.raises(DesktopError, match="at least one output"):
                await apply(desk, wanted)
        with pytest.raises(DesktopError, match="no output NOSUCH"):
            await desk.display.apply({"NOSUCH": Rect(800, 600)})
        assert await desk.display.layout() == before


@limited
async def test_too_large_a_size_is_cut_to_the_limit(kind: str, tmp_path: Path) -> None:
    limit = {"memory": (8192, 8192), "xvfb": (1920, 1200), "xorg-dummy": None}[kind]
    async with open_desk(kind, tmp_path) as desk:
        if limit is None:
            return  # its limit, 32767 x 32767, is more than its memory: see the X11 tests
        layout = await apply(desk, Rect(9000, 9000))
        assert (layout.width, layout.height) == limit


@real_outputs
async def test_a_refused_layout_changes_nothing(kind: str, tmp_path: Path) -> None:
    async with open_desk(kind, tmp_path) as desk:
        before = await apply(desk, Rect(1280, 800), Rect(1111, 777, 1280, 100))
        with pytest.raises(DesktopError, match="is as before"):
            await apply(desk, Rect(1000, 700), Rect(1000, 700, 31000, 31000))
        assert await desk.display.layout() == before
        after = await apply(desk, Rect(1000, 700))
        assert (after.width, after.height) == (1000, 700)
