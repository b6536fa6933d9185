# SPDX-License-Identifier: MIT
"""Do the pointer and the window size of a real viewer arrive in the guest?"""

from __future__ import annotations

import pytest

from tests.e2e.conftest import not_with_the_c_daemon
from tests.support.lab_guest import (
    ABS_X,
    ABS_Y,
    BTN_LEFT,
    EV_ABS,
    EV_KEY,
    EV_REL,
    REL_WHEEL,
    Guest,
    InputEvent,
)
from tests.support.processes import wait_for


@pytest.fixture
def pointing(running: Guest) -> Guest:
    """A guest whose viewer sends positions to the agent."""
    running.viewer.do("mouse_mode", mode="client")
    running.viewer.wait("mouse-mode", predicate=lambda e: e["mode"] == "client")
    return running


def expect(guest: Guest, *expected: tuple[int, int, int]) -> None:
    """Wait until these input events have come, in this order."""

    def have_come() -> bool:
        events = iter(guest.input_events())
        return all(InputEvent(*event) in events for event in expected)

    wait_for(have_come, 10, f"input events {expected}")


def test_position_and_button(pointing: Guest) -> None:
    pointing.viewer.do("position", x=400, y=300)
    expect(pointing, (EV_ABS, ABS_X, 400), (EV_ABS, ABS_Y, 300))
    pointing.viewer.do("press", button="left")
    pointing.viewer.do("release_button", button="left")
    expect(pointing, (EV_ABS, ABS_Y, 300), (EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0))


def test_wheel(pointing: Guest) -> None:
    pointing.viewer.do("position", x=1, y=2)
    pointing.viewer.do("wheel", direction="up")
    pointing.viewer.do("wheel", direction="down")
    expect(pointing, (EV_REL, REL_WHEEL, 1), (EV_REL, REL_WHEEL, -1))


def test_every_frame_ends_with_syn(pointing: Guest) -> None:
    pointing.viewer.do("position", x=7, y=8)
    expect(pointing, (EV_ABS, ABS_X, 7), (0, 0, 0))
    assert pointing.input_events()[-1] == InputEvent(0, 0, 0)


@not_with_the_c_daemon  # 0.22.1 refuses the sizes in millimetres that spice-gtk adds
def test_the_desktop_takes_the_size_of_the_viewers_window(running: Guest) -> None:
    assert running.desktop.size() != (1000, 700)
    running.viewer.do("resize", monitors=[[1000, 700, 0, 0]])
    wait_for(lambda: running.desktop.size() == (1000, 700), 10, "a desktop of 1000x700")


@not_with_the_c_daemon
def test_the_pointer_reaches_the_corner_of_the_new_size(pointing: Guest) -> None:
    pointing.viewer.do("resize", monitors=[[1000, 700, 0, 0]])
    wait_for(lambda: pointing.desktop.size() == (1000, 700), 10, "a desktop of 1000x700")

    def clamped() -> bool:
        pointing.viewer.do("position", x=1500, y=1100)
        return InputEvent(EV_ABS, ABS_X, 999) in pointing.input_events()

    wait_for(clamped, 10, "a position inside the new size")
    expect(pointing, (EV_ABS, ABS_X, 999), (EV_ABS, ABS_Y, 699))
