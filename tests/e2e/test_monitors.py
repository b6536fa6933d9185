# SPDX-License-Identifier: MIT
"""Do several monitors of a real viewer become several monitors of the guest, each with its pointer?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab_guest import ABS_X, ABS_Y, C_DAEMON, C_SESSION, EV_ABS, EV_SYN
from tests.support.monitors_guest import MonitorsGuest, Place
from tests.support.processes import wait_for
from tests.support.tools import require

pytestmark = pytest.mark.unless(C_DAEMON)  # 0.22.1 refuses the sizes in mm of spice-gtk

OFF: list[int] = []
ODD = 800 if C_SESSION else 803  # the C session rounds to multiples of 8
LAYOUTS = {
    "two": [[1000, 700, 0, 0], [ODD, 601, 1000, 0]],
    "one above the other": [[1024, 768, 0, 600], [800, 600, 112, 0]],
    "three in an L": [[1280, 720, 0, 0], [640, 480, 1280, 240], [800, 600, 0, 720]],
    "four in a square": [[800, 600, x, y] for y in (0, 600) for x in (0, 800)],
    "the second is off": [[800, 600, 0, 0], OFF, [640, 480, 800, 120], [1024, 768, 1440, 0]],
    "the first is off": [OFF, [1024, 768, 0, 0], [800, 600, 1024, 0]],
}
ONE_CARD = ("--display-device", "qxl-vga,max_outputs=4")
FOUR_CARDS = ("--more-displays", "3")


@pytest.fixture
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MonitorsGuest]:
    """The host has four displays: the outputs of one card, or what the test asks for."""
    require("qemu-system-x86_64", "Xorg", "xrandr")
    with MonitorsGuest(tmp_path, *getattr(request, "param", ONE_CARD)) as guest:
        guest.start()
        guest.viewer.do("mouse_mode", mode="client")
        guest.viewer.wait("mouse-mode", predicate=lambda e: e["mode"] == "client")
        yield guest


def take(guest: MonitorsGuest, monitors: list[list[int]], positions: bool) -> None:
    guest.viewer.do("resize", monitors=monitors, positions=positions)


def expect(guest: MonitorsGuest, expected: dict[int, Place]) -> None:
    """Wait until the X server shows these monitors and the daemon has heard of them."""
    wait_for(lambda: guest.desktop.monitors() == expected, 10, f"monitors {expected}")
    wait_for(lambda: guest.reported() == expected, 10, f"a report of {expected}")


def tablet_at(guest: MonitorsGuest) -> tuple[int, int]:
    """Where the tablet is; it covers the whole desktop, pixel by pixel."""
    now = {e.code: e.value for e in guest.input_events() if e.type == EV_ABS}
    return now.get(ABS_X, -1), now.get(ABS_Y, -1)


def point(guest: MonitorsGuest, display: int, x: int, y: int, place: Place) -> None:
    """Point at a pixel of one monitor: the tablet is there, within that monitor's part."""
    _, _, left, top = place
    guest.viewer.do("position", x=x, y=y, display=display)
    there = left + x, top + y
    wait_for(lambda: tablet_at(guest) == there, 10, f"tablet at {there}; {tablet_at(guest)}")
    assert guest.input_events()[-1].type == EV_SYN


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "running", [ONE_CARD, FOUR_CARDS], ids=["one card", "cards"], indirect=True
)
def test_a_layout(running: MonitorsGuest, layout: str) -> None:
    monitors = LAYOUTS[layout]
    expected = {n: (m[0], m[1], m[2], m[3]) for n, m in enumerate(monitors) if m}
    take(running, monitors, positions=True)
    expect(running, expected)
    for display, place in expected.items():
        width, height, _, _ = place
        for x, y in ((0, 0), (321, 123), (width - 1, height - 1)):
            point(running, display, x, y, place)


def test_windows_side_by_side(running: MonitorsGuest) -> None:
    """A viewer with windows says no places: theirs on the host's screen are of no interest."""
    take(running, [[800, 600, 0, 0], [640, 480, 0, 0], [1024, 768, 0, 0]], positions=False)
    expect(running, {0: (800, 600, 0, 0), 1: (640, 480, 800, 0), 2: (1024, 768, 1440, 0)})
    point(running, 2, 5, 6, (1024, 768, 1440, 0))


def test_one_is_closed_and_opened_again(running: MonitorsGuest) -> None:
    two = [[800, 600, 0, 0], [640, 480, 800, 0]]
    both = {0: (800, 600, 0, 0), 1: (640, 480, 800, 0)}
    take(running, two, positions=True)
    expect(running, both)
    point(running, 1, 7, 8, both[1])
    take(running, [two[0], OFF], positions=True)
    expect(running, {0: both[0]})
    # What the viewer still says of a monitor that is off moves nothing.
    events = len(running.input_events())
    running.viewer.do("position", x=100, y=100, display=1)
    point(running, 0, 9, 10, both[0])
    positions = [e.value for e in running.input_events()[events:] if e.type == EV_ABS]
    assert positions == [9, 10]
    take(running, two, positions=True)
    expect(running, both)
    point(running, 1, 7, 8, both[1])


def test_a_session_that_comes_later_gets_the_layout(running: MonitorsGuest) -> None:
    two = {0: (800, 600, 0, 0), 1: (640, 480, 800, 0)}
    take(running, [[800, 600, 0, 0], [640, 480, 800, 0]], positions=True)
    expect(running, two)
    running.desktop.run("xrandr", "--output", "DUMMY1", "--off")
    expect(running, {0: (800, 600, 0, 0)})
    running.restart_session()
    expect(running, two)
