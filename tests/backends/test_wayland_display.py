# SPDX-License-Identifier: MIT
"""Are a Wayland desktop's outputs read and set right: scaled, turned, side by side, refused?"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.backends.wayland_desks import WaylandDesk, open_wayland_desk, wayland_desk
from tests.support.compositors import sway
from tests.support.tools import require
from tests.support.waiting import until
from vdagent.backends.base import Patience, Rect
from vdagent.backends.logical import Shown, describe, to_logical
from vdagent.backends.wayland.plan import Plan
from vdagent.backends.wayland.wlr_management import WlrManagement
from vdagent.errors import DesktopError

HEAD, SECOND = "HEADLESS-1", "HEADLESS-2"


def sway_outputs(desk: WaylandDesk) -> dict[str, dict[str, Any]]:
    """What sway itself says, by output: its mode, its place and size in logical space, its scale."""
    outputs = json.loads(desk.compositor.run("swaymsg", "-r", "-t", "get_outputs"))
    return {
        output["name"]: {
            "mode": (output["current_mode"]["width"], output["current_mode"]["height"]),
            "rect": Rect(*(output["rect"][key] for key in ("width", "height", "x", "y"))),
            "scale": output["scale"],
            "transform": output["transform"],
        }
        for output in outputs
        if output["active"]
    }


async def test_a_size_read_back_from_sway(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        await desk.display.apply({HEAD: Rect(1111, 777)})
        assert sway_outputs(desk)[HEAD]["mode"] == (1111, 777)
        await desk.display.apply({HEAD: Rect(1280, 800), SECOND: Rect(900, 700, 1280, 100)})
        outputs = sway_outputs(desk)
        assert {name: output["rect"] for name, output in outputs.items()} == {
            HEAD: Rect(1280, 800, 0, 0),
            SECOND: Rect(900, 700, 1280, 100),
        }


@pytest.mark.since("sway", 1, 8)
async def test_a_layout_read_back_by_wlr_randr(tmp_path: Path) -> None:
    """To it, outputs of sway 1.7 with a mode that is not listed are off."""
    require("wlr-randr")
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        await desk.display.apply({HEAD: Rect(1111, 777), SECOND: Rect(900, 700, 1111, 0)})
        said = desk.compositor.run("wlr-randr")
        shown = {
            output[:10]: re.findall(r"(\d+x\d+) px.*current|Position: (\d+,\d+)", output)
            for output in re.split(r"^(?=HEADLESS)", said, flags=re.M)
            if "Enabled: yes" in output
        }
        assert shown == {
            HEAD: [("1111x777", ""), ("", "0,0")],
            SECOND: [("900x700", ""), ("", "1111,0")],
        }, said


async def test_what_the_user_changes_is_told(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.compositor.run("swaymsg", f"output {HEAD} resolution 803x601")
        await until(lambda: desk.listener.layouts, "the change told")
        assert (await desk.outputs())[HEAD] == Rect(803, 601)
        desk.compositor.run("swaymsg", f"output {SECOND} enable")
        await until(lambda: desk.listener.layouts >= 2, "the second output told")
        desk.compositor.run("swaymsg", "create_output")
        async with asyncio.timeout(10):
            while (await desk.outputs()).get("HEADLESS-5") is None:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("scale", [2, 1.5, 1.25])
async def test_scaled(scale: float, tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.compositor.run("swaymsg", f"output {HEAD} scale {scale}")
        await until(lambda: sway_outputs(desk)[HEAD]["scale"] == scale, "the scale set")
        await desk.display.apply({HEAD: Rect(1110, 770)})
        layout = await desk.display.layout()
        assert layout.outputs[0].rect == Rect(1110, 770)
        assert (layout.width, layout.height) == (1110, 770)
        desk.compositor.run("swaymsg", f"output {SECOND} enable scale {scale}")
        await desk.display.apply({HEAD: Rect(1110, 770), SECOND: Rect(900, 700, 1110, 0)})
        outputs = sway_outputs(desk)
        assert {output["scale"] for output in outputs.values()} == {scale}
        assert outputs[SECOND]["rect"].x == outputs[HEAD]["rect"].width
        second = (await desk.outputs())[SECOND]
        assert second is not None
        assert second[:2] == (900, 700)
        assert abs(second.x - 1110) <= scale


async def test_turned(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.compositor.run("swaymsg", f"output {HEAD} transform 90")
        await until(lambda: desk.listener.layouts, "the turn told")
        assert (await desk.outputs())[HEAD] == Rect(720, 1280)
        assert (await desk.display.layout()).outputs[0].transform == 3  # sway counts clockwise
        await desk.display.apply({HEAD: Rect(1111, 777)})
        assert (await desk.outputs())[HEAD] == Rect(1111, 777)
        output = sway_outputs(desk)[HEAD]
        assert (output["mode"], output["transform"]) == ((777, 1111), "90")


async def test_scales_1_and_2_side_by_side(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        desk.compositor.run("swaymsg", f"output {SECOND} enable scale 2")
        await desk.display.apply({HEAD: Rect(1000, 800), SECOND: Rect(2000, 1600, 1000, 0)})
        rects = {name: output["rect"] for name, output in sway_outputs(desk).items()}
        assert rects == {HEAD: Rect(1000, 800), SECOND: Rect(1000, 800, 1000, 0)}
        layout = await desk.display.layout()
        assert (layout.width, layout.height) == (4000, 1600)
        assert layout.outputs[:2] == (
            (HEAD, Rect(1000, 800, 0, 0), 2.0, 0),
            (SECOND, Rect(2000, 1600, 2000, 0), 1.0, 0),
        )
        desk.listener.layouts = 0
        await desk.display.apply({HEAD: Rect(1000, 800), SECOND: Rect(2000, 1600, 1000, 0)})
        assert desk.listener.layouts == 0


@pytest.mark.parametrize(
    ("scales", "wanted"),
    [
        ((1, 1), (Rect(1000, 800), Rect(900, 700, 1000, 0))),
        ((2, 2), (Rect(1000, 800), Rect(900, 700, 1000, 0))),
        ((1.5, 1.5), (Rect(1110, 777), Rect(900, 700, 1110, 0))),
        ((1, 2), (Rect(1000, 800), Rect(2000, 1600, 1000, 0))),
        ((2, 1), (Rect(2000, 1600), Rect(1000, 800, 0, 1600))),
        ((1.25, 2), (Rect(1000, 800), Rect(2000, 1600, 1000, 0))),
    ],
)
async def test_the_pointer_lands_where_the_viewer_put_it(
    scales: tuple[float, float], wanted: tuple[Rect, Rect], tmp_path: Path
) -> None:
    """A tablet as large as the layout, moved to pixels of each output; off by a logical pixel at most."""
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        for name, scale in zip((HEAD, SECOND), scales, strict=True):
            desk.compositor.run("swaymsg", f"output {name} enable scale {scale}")
        await desk.display.apply(dict(zip((HEAD, SECOND), wanted, strict=True)))
        layout = await desk.display.layout()
        app = desk.guest.app("wayland_pointer")
        assert await app.show() == 2
        for output, scale in zip(layout.outputs, scales, strict=False):
            rect = output.rect
            assert rect is not None
            for x, y in [(10, 10), (rect.width // 2, rect.height // 3), (rect.width - 9, 99)]:
                at = await app.move(
                    x=round(rect.x + x * output.pointer_scale),
                    y=round(rect.y + y * output.pointer_scale),
                    width=layout.width,
                    height=layout.height,
                )
                assert at[0] == output.name
                assert abs(at[1] * scale - x) <= scale
                assert abs(at[2] * scale - y) <= scale


@pytest.mark.before("sway", 1, 8)
async def test_an_output_that_cannot_be_switched_off_stays(tmp_path: Path) -> None:
    """wlroots 0.15 refuses it for headless ones; the viewer's window counts nevertheless."""
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        await desk.display.apply({HEAD: Rect(1280, 800), SECOND: Rect(800, 600, 1280, 0)})
        await desk.display.apply({HEAD: Rect(1111, 777)})
        shown = await desk.outputs() | {HEAD: Rect(1111, 777), SECOND: Rect(800, 600, 1111, 0)}
        assert await desk.outputs() == shown
        await desk.display.apply({HEAD: Rect(1111, 777)})
        assert await desk.outputs() == shown


async def test_a_refused_layout_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def submit(self: WlrManagement, plans: Mapping[str, Plan], request: str) -> str:
        asked.append(request)
        return "failed" if len(asked) == 2 else await honest(self, plans, request)

    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        both = {HEAD: Rect(1280, 800), SECOND: Rect(1111, 777, 1280, 100)}
        await desk.display.apply(both)
        before = await desk.display.layout()
        honest = WlrManagement._submit
        monkeypatch.setattr(WlrManagement, "_submit", submit)
        with pytest.raises(DesktopError, match="is as before"):
            await desk.display.apply(both | {HEAD: Rect(1000, 700)})
        assert asked == ["test", "apply", "test", "apply"]
        assert await desk.display.layout() == before


@pytest.mark.since("sway", 1, 8)
async def test_heads_come_and_go_on_newer_wlroots(tmp_path: Path) -> None:
    async with open_wayland_desk("sway", tmp_path, Patience()) as desk:
        one, two = Rect(1280, 800), Rect(1111, 777, 1280, 0)
        for wanted in [{HEAD: one, SECOND: two}, {HEAD: one}, {SECOND: two}, {HEAD: one}]:
            await desk.display.apply(wanted)
            left = min(rect.x for rect in wanted.values())
            shown = {name: rect for name, rect in (await desk.outputs()).items() if rect}
            assert shown == {name: r._replace(x=r.x - left) for name, r in wanted.items()}


@pytest.mark.since("kwin_wayland", 6, 6)
async def test_custom_modes_of_newer_kwin(tmp_path: Path) -> None:
    """It takes modes of a client's from 6.6 on, and makes them by CVT: eight pixels more or less."""
    async with open_wayland_desk("kwin", tmp_path, Patience()) as desk:
        for width, height in [(1111, 777), (1920, 1080), (803, 601)]:
            await desk.display.apply({"Virtual-0": Rect(width, height)})
            outputs = await desk.outputs()
            rect = outputs["Virtual-0"]
            assert rect is not None
            assert (width - rect.width in range(8), height - rect.height in range(8)) == (
                True,
                True,
            )
            assert outputs["Virtual-1"] is None


@pytest.mark.before("kwin_wayland", 6, 6)
async def test_kwin(tmp_path: Path) -> None:
    """Its virtual outputs have one mode each, where newer ones take any, and can be moved."""
    async with open_wayland_desk("kwin", tmp_path, Patience()) as desk:
        one, two = "Virtual-0", "Virtual-1"
        same, right = Rect(1280, 720), Rect(1280, 720, 1280, 0)
        assert await desk.outputs() == {one: same, two: right}
        await desk.display.apply({one: right, two: same})
        assert await desk.outputs() == {one: right, two: same}
        await until(lambda: desk.listener.layouts, "the change told")
        # The largest listed mode that fits is taken.
        await desk.display.apply({one: Rect(1300, 730, 1400, 0), two: same})
        assert (await desk.outputs())[one] == Rect(1280, 720, 1400, 0)
        # Smaller than asked for, they touch as they would have.
        await desk.display.apply({one: Rect(1300, 730), two: Rect(1300, 730, 1300, 0)})
        assert await desk.outputs() == {one: same, two: right}
        with pytest.raises(DesktopError, match="Virtual-0 has no mode within 1111x777: 1280x720"):
            await desk.display.apply({one: Rect(1111, 777), two: Rect(1280, 720, 1111, 0)})
        with pytest.raises(DesktopError, match="no output NOSUCH"):
            await desk.display.apply({"NOSUCH": same})
        await desk.display.apply({two: same})
        assert await desk.outputs() == {one: None, two: same}
        await desk.display.apply({one: same, two: Rect(1280, 720, 0, 720)})
        assert await desk.outputs() == {one: same, two: Rect(1280, 720, 0, 720)}


def test_spaces() -> None:
    """Fine and coarse outputs, in columns and rows, away from the corner."""
    rects = {
        "fine": Rect(2000, 1600, 1000, 0),
        "coarse": Rect(1000, 800, 0, 0),
        "below": Rect(3000, 1000, 0, 1600),
    }
    scales = {"fine": 2.0, "coarse": 1.0, "below": 1.25}
    places = to_logical(rects, scales)
    assert places == {"fine": (1000, 0), "coarse": (0, 0), "below": (0, 800)}
    shown = [
        Shown("fine", 2000, 1600, Rect(1000, 800, 1500, 300)),
        Shown("coarse", 1000, 800, Rect(1000, 800, 500, 300)),
    ]
    layout = describe(shown, ["off"])
    assert (layout.width, layout.height) == (4000, 1600)
    assert layout.outputs == (
        ("coarse", Rect(1000, 800, 0, 0), 2.0, 0),
        ("fine", Rect(2000, 1600, 2000, 0), 1.0, 0),
        ("off", None, 1.0, 0),
    )


async def test_a_desktop_without_outputs_gets_some_later(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as private:
        os.chmod(private, 0o755)
        with sway(Path(private), outputs=0) as compositor:
            async with wayland_desk(compositor) as desk:
                with pytest.raises(DesktopError, match="on no output"):
                    await desk.display.layout()
                assert desk.listener.layouts == 0
                compositor.run("swaymsg", "create_output")
                await until(lambda: desk.listener.layouts, "the output told")
                assert len((await desk.display.layout()).outputs) == 1


def test_a_scale_is_read_back_as_it_was_set() -> None:
    """Logical sizes are cut off or rounded to whole numbers; Mutter's own scales make them whole."""
    for width, height, logical, scale in [
        (1147, 1135, (917, 908), 1.25),
        (927, 431, (463, 215), 2.0),
        (1000, 777, (750, 583), 4 / 3),
        (1920, 1080, (1096, 616), 1920 / 1096),
    ]:
        assert abs(Shown("one", width, height, Rect(*logical)).scale - scale) < 1e-9
    rects = {"one": Rect(1147, 1135), "two": Rect(800, 600, 0, 1135)}
    assert to_logical(rects, dict.fromkeys(rects, 1.25))["two"] == (0, 908)
