# SPDX-License-Identifier: MIT
"""Are GNOME's monitors read, changed and followed, at any scale?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.backends.desks import Listener
from tests.backends.mutter_desks import bus_address, ready
from tests.support.compositors import Compositor, mode_monitors, mutter, mutter_with_modes
from tests.support.waiting import until
from vdagent.backends.base import Layout, Output, Rect
from vdagent.backends.dbus import Bus, plain
from vdagent.backends.mutter.display import _SERVICE, MutterDisplay
from vdagent.errors import DesktopError

ONE, TWO = mode_monitors()


class Desk:
    def __init__(self, compositor: Compositor, listener: Listener, display: MutterDisplay) -> None:
        self.compositor = compositor
        self.listener = listener
        self.display = display

    async def rects(self) -> dict[str, Rect | None]:
        return {output.name: output.rect for output in (await self.display.layout()).outputs}

    async def state(self) -> tuple[list[list[object]], dict[str, str]]:
        """What Mutter itself says: logical monitors, and current modes by connector."""
        bus = await Bus.connect(bus_address(self.compositor))
        try:
            _, monitors, logical, _ = plain(await bus.call(_SERVICE, "GetCurrentState"))
        finally:
            bus.close()
        modes = {
            names[0]: mode[0]
            for names, listed, _ in monitors
            for mode in listed
            if mode[6].get("is-current")
        }
        return [[*place, [m[0] for m in shown]] for *place, shown, _ in logical], modes


@asynccontextmanager
async def display_of(compositor: Compositor) -> AsyncIterator[Desk]:
    listener = Listener()
    async with AsyncExitStack() as stack:
        stack.callback((await ready(compositor)).close)
        display = MutterDisplay(bus_address(compositor), listener)
        display.on_lost = listener.lost.append
        await display.open()
        stack.push_async_callback(display.close)
        yield Desk(compositor, listener, display)


async def test_a_listed_mode_is_set_and_told(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1) as compositor:
        async with display_of(compositor) as desk:
            assert await desk.rects() == {ONE: Rect(1280, 720)}
            await desk.display.apply({ONE: Rect(1024, 768, 30, 40)})
            assert await desk.rects() == {ONE: Rect(1024, 768)}
            assert (await desk.state())[1] == {ONE: "1024x768@60.000"}
            await until(lambda: desk.listener.layouts == 1, "the change told")
            await desk.display.apply({ONE: Rect(1024, 768)})
            await desk.display.apply({ONE: Rect(800, 600)})
            await until(lambda: desk.listener.layouts == 2, "one more change told")


async def test_one_monitor_gets_the_largest_size_that_fits(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1) as compositor:
        async with display_of(compositor) as desk:
            for wanted, found in [
                ((1111, 777), (1024, 768)),
                ((5000, 1000), (1280, 720)),
                ((5000, 1080), (1920, 1080)),
            ]:
                await desk.display.apply({ONE: Rect(*wanted)})
                assert await desk.rects() == {ONE: Rect(*found)}
            with pytest.raises(DesktopError, match=f"GNOME knows no 700x500 for {ONE}"):
                await desk.display.apply({ONE: Rect(700, 500)})


async def test_an_unlisted_size_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1, 1) as compositor:
        async with display_of(compositor) as desk:
            before = await desk.display.layout()
            with pytest.raises(DesktopError, match=f"GNOME knows no 1111x777 for {TWO}"):
                await desk.display.apply({ONE: Rect(800, 600), TWO: Rect(1111, 777, 800)})
            for wanted in ({}, {ONE: None}, {ONE: Rect(0, 0)}):
                with pytest.raises(DesktopError, match="at least one output"):
                    await desk.display.apply(wanted)
            with pytest.raises(DesktopError, match="no output NOSUCH"):
                await desk.display.apply({"NOSUCH": Rect(800, 600)})
            with pytest.raises(DesktopError, match="is as before"):
                await desk.display.apply({ONE: Rect(800, 600), TWO: Rect(800, 600, 400)})
            assert await desk.display.layout() == before
            assert desk.listener.layouts == 0


async def test_two_monitors_are_arranged_and_mirrored(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1, 1) as compositor:
        async with display_of(compositor) as desk:
            wanted = {ONE: Rect(1024, 768, 800, 0), TWO: Rect(800, 600, 0, 0)}
            await desk.display.apply(wanted)
            assert await desk.rects() == wanted
            assert (await desk.state())[0][0][4] is True, (
                "the first monitor is the primary one still"
            )
            wanted = {ONE: Rect(1024, 768, 0, 600), TWO: Rect(800, 600, 0, 0)}
            await desk.display.apply(wanted)
            assert await desk.rects() == wanted
            mirrored = {ONE: Rect(1280, 720), TWO: Rect(1280, 720)}
            await desk.display.apply(mirrored)
            assert await desk.rects() == mirrored


async def test_virtual_monitors_are_rearranged(tmp_path: Path) -> None:
    with mutter(tmp_path, "1280x720", "1024x768") as compositor:
        async with display_of(compositor) as desk:
            assert await desk.rects() == {
                "Meta-0": Rect(1280, 720),
                "Meta-1": Rect(1024, 768, 1280, 0),
            }
            wanted = {"Meta-0": Rect(1280, 720, 1024, 0), "Meta-1": Rect(1024, 768)}
            await desk.display.apply(wanted)
            assert await desk.rects() == wanted


async def test_a_monitor_is_switched_off(tmp_path: Path) -> None:
    with mutter(tmp_path, "1280x720", "1024x768") as compositor:
        async with display_of(compositor) as desk:
            await desk.display.apply({"Meta-1": Rect(1024, 768)})
            assert await desk.rects() == {"Meta-0": None, "Meta-1": Rect(1024, 768)}
            wanted = {"Meta-1": Rect(1024, 768), "Meta-0": Rect(1280, 720, 1024, 360)}
            await desk.display.apply(wanted)
            assert await desk.rects() == wanted


async def test_scales_in_a_logical_layout(tmp_path: Path) -> None:
    """Beside scale 2 a monitor of scale 1 counts double, so that the pointer hits."""
    with mutter_with_modes(tmp_path, 1, 2, logical=True) as compositor:
        async with display_of(compositor) as desk:
            assert await desk.display.layout() == Layout(
                1280 * 2 + 1280,
                720 * 2,
                (
                    Output(ONE, Rect(1280, 720, 0, 0), 2.0),
                    Output(TWO, Rect(1280, 720, 2560, 0), 1.0),
                ),
            )
            await desk.display.apply({ONE: Rect(1024, 768), TWO: Rect(1920, 1080, 1024, 0)})
            places, modes = await desk.state()
            assert modes == {ONE: "1024x768@60.000", TWO: "1920x1080@60.000"}
            assert places == [
                [0, 0, 1.0, 0, True, [ONE]],
                [1024, 0, 2.0, 0, False, [TWO]],
            ]
            # 800x600 is too small for scale 2.
            await desk.display.apply({ONE: Rect(1024, 768), TWO: Rect(800, 600, 1024, 0)})
            places, modes = await desk.state()
            assert places[1] == [1024, 0, 1.0, 0, False, [TWO]]


@pytest.mark.before("mutter", 49)  # where we could choose that layout
async def test_scales_in_a_physical_layout(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1, 2) as compositor:
        async with display_of(compositor) as desk:
            assert await desk.rects() == {
                ONE: Rect(1280, 720),
                TWO: Rect(1280, 720, 1280, 0),
            }
            wanted = {ONE: Rect(1920, 1080), TWO: Rect(1280, 720, 1920, 0)}
            await desk.display.apply(wanted)
            assert await desk.rects() == wanted


async def test_a_turned_monitor_stays_turned(tmp_path: Path) -> None:
    with mutter_with_modes(tmp_path, 1) as compositor:
        async with display_of(compositor) as desk:
            bus = await Bus.connect(bus_address(compositor))
            serial, *_ = await bus.call(_SERVICE, "GetCurrentState")
            turned = [[0, 0, 1.0, 1, True, [[ONE, "1280x720@60.000", {}]]]]
            signature = "uua(iiduba(ssa{sv}))a{sv}"
            await bus.call(_SERVICE, "ApplyMonitorsConfig", signature, serial, 1, turned, {})
            bus.close()
            assert await desk.rects() == {ONE: Rect(720, 1280)}
            await until(lambda: desk.listener.layouts, "the change told")
            await desk.display.apply({ONE: Rect(768, 1024)})
            assert await desk.rects() == {ONE: Rect(768, 1024)}
            places, modes = await desk.state()
            assert (places[0][3], modes) == (1, {ONE: "1024x768@60.000"})


async def test_mutter_comes_back(tmp_path: Path) -> None:
    with mutter(tmp_path, "1280x720") as compositor:
        async with display_of(compositor) as desk:
            compositor.kill()

            async def away() -> bool:
                try:
                    await desk.display.layout()
                except DesktopError:
                    return True
                return False

            async with asyncio.timeout(10):
                while not await away():
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(compositor.restart)
            async with asyncio.timeout(10):
                while await away():
                    await asyncio.sleep(0.01)
            assert await desk.rects() == {"Meta-0": Rect(1280, 720)}
            assert desk.listener.lost == []
