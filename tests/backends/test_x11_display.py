# SPDX-License-Identifier: MIT
"""What is particular to RandR: modes, rotation, CRTCs, roll-back, other programs' changes?"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.desks import x11_desk
from tests.support.waiting import until
from tests.support.xservers import XServer, xorg_dummy, xvfb
from vdagent.backends.base import Rect
from vdagent.backends.x11.arrange import Head, choose_crtcs
from vdagent.backends.x11.modes import reduced_blanking
from vdagent.backends.x11.screen import Crtc, OutputInfo, transform_of
from vdagent.errors import DesktopError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[XServer]:
    with xorg_dummy(tmp_path) as server:
        yield server


def xrandr(server: XServer, *arguments: str) -> str:
    argv = ["xrandr", "-d", server.display, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout


def our_modes(server: XServer) -> set[str]:
    return {word for word in xrandr(server).split() if word.startswith("vdagent-")}


async def test_xrandr_sees_60_hz_and_96_dpi(server: XServer) -> None:
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(1111, 777), "DUMMY1": Rect(803, 601, 1111, 0)})
        listing = xrandr(server)
        assert "current 1914 x 777" in listing
        shown = [line for line in listing.splitlines() if "*" in line]
        rates = [float(line.split()[1].rstrip("*+")) for line in shown]
        assert rates == pytest.approx([60, 60], abs=0.6)  # the clock comes in steps of 250 kHz
        size = subprocess.run(
            ["xdpyinfo", "-display", server.display], capture_output=True, text=True, check=True
        ).stdout
        assert "96x96 dots per inch" in size


async def test_modes_that_show_nothing_are_deleted(server: XServer) -> None:
    async with x11_desk(server) as desk:
        for width in range(1001, 1011):
            await desk.display.apply({"DUMMY0": Rect(width, 700)})
        assert len(our_modes(server)) == 1
        await desk.display.apply({"DUMMY0": Rect(1024, 768)})
        assert not our_modes(server)
        await desk.display.apply({"DUMMY0": Rect(1003, 701), "DUMMY1": Rect(1003, 701, 1003, 0)})
    # A session that has ended leaves its modes to the next one.
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(1024, 768)})
        assert not our_modes(server)


async def test_the_primary_output_is_kept(server: XServer) -> None:
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(1000, 700), "DUMMY1": Rect(900, 600, 1000, 0)})
        xrandr(server, "--output", "DUMMY1", "--primary")
        await desk.display.apply({"DUMMY0": Rect(800, 600), "DUMMY1": Rect(611, 907, 800, 0)})
        assert "DUMMY1 connected primary 611x907+800+0" in xrandr(server)


@pytest.mark.parametrize("distance", [32_000, 40_000, 70_000, 4_000_000])
async def test_a_desktop_no_server_can_have_changes_nothing(server: XServer, distance: int) -> None:
    """Beyond 65535 the request cannot even be packed."""
    async with x11_desk(server) as desk:
        wanted = {"DUMMY0": Rect(1000, 700), "DUMMY1": Rect(900, 800, 1000, 0)}
        await desk.display.apply(wanted)
        before = await desk.display.layout()
        far = {"DUMMY0": Rect(999, 700), "DUMMY1": Rect(900, 800, distance, 0)}
        with pytest.raises(DesktopError):
            await desk.display.apply(far)
        assert await desk.display.layout() == before


def test_rotations_are_numbered_as_on_wayland() -> None:
    turned = [transform_of(rotation) for rotation in (0, 1, 2, 4, 8)]
    assert turned == [0, 0, 1, 2, 3]
    mirrored = [transform_of(rotation | 16) for rotation in (1, 2, 4, 8)]
    assert mirrored == [4, 5, 6, 7]
    assert transform_of(1 | 32) == 6  # upside down
    assert transform_of(1 | 16 | 32) == 2


@pytest.mark.parametrize("rotation", [1, 2, 4, 8, 2 | 16])
def test_a_turned_output_has_a_lying_mode(rotation: int) -> None:
    """No server that runs without hardware turns its outputs."""
    crtc = Crtc(11, Rect(600, 900), 21, rotation, (1,))
    head = Head(output(1, 11, 11), crtc, Rect(611, 907))
    assert head.mode_size() == ((611, 907) if rotation in (1, 4) else (907, 611))


async def test_changes_of_other_programs_are_told(server: XServer) -> None:
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(1024, 768)})
        xrandr(server, "--output", "DUMMY0", "--mode", "800x600")
        desk.listener.layouts = 0
        xrandr(server, "--output", "DUMMY0", "--mode", "1024x768")
        await until(lambda: desk.listener.layouts, "the change told")
        assert (await desk.outputs())["DUMMY0"] == Rect(1024, 768)
        xrandr(server, "--output", "DUMMY0", "--mode", "800x600", "--fb", "1000x900")
        layout = await desk.display.layout()
        assert (layout.width, layout.height) == (1000, 900)
        await desk.display.apply({"DUMMY0": Rect(800, 600)})
        layout = await desk.display.layout()
        assert (layout.width, layout.height) == (800, 600)


async def test_one_change_is_told_about_once(server: XServer) -> None:
    async with x11_desk(server) as desk:
        wanted = {f"DUMMY{n}": Rect(800 + n, 600, 900 * n, 0) for n in range(4)}
        await desk.display.apply(wanted)
        await until(lambda: desk.listener.layouts, "the change told")
        await desk.display.layout()  # whatever else was due has come before its answer
        assert desk.listener.layouts <= 2


async def test_a_cancelled_change_is_completed(server: XServer) -> None:
    async with x11_desk(server) as desk:
        change = asyncio.create_task(desk.display.apply({"DUMMY1": Rect(1001, 701)}))
        await asyncio.sleep(0)
        change.cancel()
        await desk.display.apply({"DUMMY2": Rect(1002, 702), "DUMMY3": Rect(803, 603, 1002, 0)})
        outputs = await desk.outputs()
        assert {name: rect for name, rect in outputs.items() if rect} == {
            "DUMMY2": Rect(1002, 702),
            "DUMMY3": Rect(803, 603, 1002, 0),
        }
        assert change.cancelled()


async def test_clones_are_taken_apart(server: XServer) -> None:
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(1024, 768), "DUMMY1": Rect(1024, 768)})
        await desk.display.apply({"DUMMY0": Rect(1024, 768), "DUMMY1": Rect(800, 600, 1024, 0)})
        outputs = await desk.outputs()
        assert outputs["DUMMY0"] == Rect(1024, 768)
        assert outputs["DUMMY1"] == Rect(800, 600, 1024, 0)


async def test_large_and_refused(server: XServer) -> None:
    async with x11_desk(server) as desk:
        await desk.display.apply({"DUMMY0": Rect(7680, 4096)})
        assert (await desk.outputs())["DUMMY0"] == Rect(7680, 4096)
        await desk.display.apply({"DUMMY0": Rect(1000, 700), "DUMMY1": Rect(900, 600, 1000, 0)})
        before = await desk.display.layout()
        heads = {f"DUMMY{n}": Rect(800, 600, 800 * n, 0) for n in range(16)}
        heads["DUMMY15"] = Rect(800, 600, 31_000, 31_000)  # no such memory
        with pytest.raises(DesktopError, match="is as before"):
            await desk.display.apply(heads)
        assert await desk.display.layout() == before
        assert len(our_modes(server)) == 2


async def test_no_randr_means_a_fixed_layout(tmp_path: Path) -> None:
    with xvfb(tmp_path, "640x480", "-extension", "RANDR") as server:
        async with x11_desk(server) as desk:
            assert await desk.outputs() == {"screen": Rect(640, 480)}
            with pytest.raises(DesktopError, match="no RandR"):
                await desk.display.apply({"screen": Rect(800, 600)})


@pytest.mark.parametrize(
    ("size", "clock_mhz", "h_total", "v_total", "sync_lines"),
    [  # from VESA's CVT generator, reduced blanking, 60 Hz
        ((1024, 768), 56.0, 1184, 790, 4),
        ((1280, 1024), 91.0, 1440, 1054, 7),
        ((1920, 1080), 138.5, 2080, 1111, 5),
        ((1920, 1200), 154.0, 2080, 1235, 6),
        ((3840, 2160), 533.0, 4000, 2222, 5),
    ],
)
def test_reduced_blanking(
    size: tuple[int, int], clock_mhz: float, h_total: int, v_total: int, sync_lines: int
) -> None:
    timing = reduced_blanking(*size)
    assert (timing.width, timing.height) == size
    assert (timing.h_total, timing.v_total) == (h_total, v_total)
    assert timing.v_sync_end - timing.v_sync_start == sync_lines
    assert timing.clock_hz == pytest.approx(clock_mhz * 1e6, abs=500_000)


def test_clocks_fit_their_field() -> None:
    assert reduced_blanking(32767, 32767).clock_hz < 2**32
    assert reduced_blanking(1, 1).clock_hz > 0


def output(number: int, crtc: int, *crtcs: int) -> OutputInfo:
    return OutputInfo(number, f"OUT-{number}", crtc, crtcs, ())


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        ([output(1, 11, 11, 12), output(2, 12, 11, 12)], {1: 11, 2: 12}),
        ([output(1, 12, 11, 12), output(2, 0, 12)], {1: 11, 2: 12}),  # the first moves over
        ([output(1, 0, 11, 12), output(2, 0, 11)], {1: 12, 2: 11}),
        ([output(1, 11, 11, 12), output(2, 11, 11, 12)], {1: 11, 2: 12}),  # clones
    ],
)
def test_every_output_gets_a_crtc_it_can_use(
    outputs: list[OutputInfo], chosen: dict[int, int]
) -> None:
    assert choose_crtcs(outputs) == chosen


def test_more_outputs_than_crtcs() -> None:
    with pytest.raises(DesktopError, match="cannot light 3 outputs"):
        choose_crtcs([output(1, 11, 11, 12), output(2, 12, 11, 12), output(3, 0, 11, 12)])
