# SPDX-License-Identifier: MIT
"""Do clipboard, resolution and pointer work on Debian's kernel, with its own drivers and devices?"""

from __future__ import annotations

import re

import pytest

from tests.guest.conftest import attach
from tests.support.guest.agent import Agent
from tests.support.guest.clipboard import copy_to_viewer, fetch_in_viewer, paste_in_guest
from tests.support.guest.machine import Guest
from tests.support.guest.tablet import BUTTONS, KEY, REL, REL_WHEEL, Tablet
from tests.support.processes import wait_for
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest


def screen_size(guest: Guest) -> tuple[int, int]:
    """The size of the X screen, as RandR reports it."""
    found = re.search(r"current (\d+) x (\d+)", guest.output("xrandr"))
    assert found
    return int(found[1]), int(found[2])


def x_pointer(guest: Guest) -> tuple[int, int]:
    """Where the X server has the pointer."""
    found = re.search(r"x:(\d+) y:(\d+)", guest.output("xdotool getmouselocation"))
    assert found
    return int(found[1]), int(found[2])


def near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] - other[0]) <= 1 and abs(one[1] - other[1]) <= 1


@pytest.mark.parametrize("selection", ["clipboard", "primary"])
def test_text_goes_both_ways(guest: Guest, viewer: ViewerProcess, selection: str) -> None:
    paste_in_guest(viewer, guest, f"from the viewer: {selection} ✓", selection)
    text = f"from the guest: {selection} ✓"
    assert copy_to_viewer(viewer, guest, text, selection) == text


# 2200x1400 is none of the modes the monitor lists, and needs more than the usual 16 MiB twice.
@pytest.mark.parametrize(("width", "height"), [(1000, 700), (2200, 1400), (1280, 800)])
def test_the_screen_follows_the_viewer(
    guest: Guest, viewer: ViewerProcess, width: int, height: int
) -> None:
    since = viewer.do("resize", monitors=[[width, height, 0, 0]])
    guest.wait_until(f"xrandr | grep -q 'current {width} x {height},'", 10, "the new size")
    if (width, height) != (1280, 800):
        viewer.wait("primary", 10, lambda e: (e["width"], e["height"]) == (width, height), since)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (321, 123), (1279, 799)])
def test_positions_hit_their_pixel(guest: Guest, viewer: ViewerProcess, x: int, y: int) -> None:
    width, height = screen_size(guest)
    with Tablet(guest) as tablet:
        viewer.do("position", x=640, y=400)  # the kernel drops events that change nothing
        viewer.do("position", x=x, y=y)
        tablet.wait_position()
        # Xorg's libinput driver scales to 65535 steps and rounds down: it may end a pixel short.
        wait_for(lambda: near(x_pointer(guest), (x, y)), 5, f"the X pointer at {x}, {y}")
        found_x, found_y = tablet.position()
        assert found_x is not None and found_y is not None
        low, high = tablet.x_range
        assert found_x == pytest.approx(x * (high - low) / (width - 1), abs=1)
        low, high = tablet.y_range
        assert found_y == pytest.approx(y * (high - low) / (height - 1), abs=1)


def test_buttons_arrive(guest: Guest, viewer: ViewerProcess) -> None:
    with Tablet(guest) as tablet:
        for name, code in BUTTONS.items():
            viewer.do("press", button=name)
            tablet.wait_event([KEY, code, 1], f"{name} pressed")
            viewer.do("release_button", button=name)
            tablet.wait_event([KEY, code, 0], f"{name} released")


def test_the_wheel_arrives(guest: Guest, viewer: ViewerProcess) -> None:
    with Tablet(guest) as tablet:
        viewer.do("wheel", direction="up")
        tablet.wait_event([REL, REL_WHEEL, 1], "wheel up")
        viewer.do("wheel", direction="down")
        tablet.wait_event([REL, REL_WHEEL, -1], "wheel down")


def test_another_viewer_takes_over(guest: Guest, agent: Agent, viewer: ViewerProcess) -> None:
    assert copy_to_viewer(viewer, guest, "offered to both viewers") == "offered to both viewers"
    with ViewerProcess() as second:
        since = attach(second, guest)
        viewer.wait(
            "channel",
            predicate=lambda e: e["channel"] == "MainChannel" and e["state"] != "opened",
        )
        assert fetch_in_viewer(second, since) == "offered to both viewers"
        paste_in_guest(second, guest, "from the second viewer")
    assert agent.survived()
