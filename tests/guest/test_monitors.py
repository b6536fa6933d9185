# SPDX-License-Identifier: MIT
"""Does the X server's own pointer land on the monitor that the viewer points at?

In a guest, for the kernel's tablet; on an X server with 16 outputs beside the one on the card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.guest.agent import Agent
from tests.support.guest.machine import Guest
from tests.support.processes import wait_for
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

DISPLAY = ":1"
LOG = "/run/monitors-session.log"
LAYOUTS = {
    "two": [[1000, 700, 0, 0], [803, 601, 1000, 0]],
    "three": [[1280, 720, 0, 0], [640, 480, 1280, 240], [800, 600, 0, 720]],
    "four": [[800, 600, x, y] for y in (0, 600) for x in (0, 800)],
}


@pytest.fixture(scope="module")
def desk(guest: Guest, running_agent: Agent) -> Iterator[Guest]:
    """The guest, whose newest session is on the server with many outputs."""
    server = guest.start_xorg(DISPLAY, "vt3", "xorg-dummy.conf")
    program = f"env DISPLAY={DISPLAY} {running_agent.program} session --foreground --debug"
    session = guest.start(program, LOG)
    running_agent.wait_log(rf"active is the session agent \(pid {session},", 30)
    yield guest
    for pid in (session, server):
        guest.run(f"kill {pid}; timeout 10 tail --pid={pid} -f /dev/null")
    print(guest.output(f"cat {LOG}"))


def monitors(guest: Guest) -> list[list[int]]:
    """Width, height, x and y of the outputs that are on, in their order."""
    shown = guest.output(f"xrandr -d {DISPLAY} --current")
    places = re.findall(
        r"^DUMMY\d+ (?:dis)?connected .*?(\d+)x(\d+)\+(\d+)\+(\d+)", shown, re.MULTILINE
    )
    return [[int(number) for number in place] for place in places]


def pointer(guest: Guest) -> tuple[int, int]:
    """Where the X server has it."""
    found = re.search(
        r"x:(\d+) y:(\d+)", guest.output(f"DISPLAY={DISPLAY} xdotool getmouselocation")
    )
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_pointer_lands_on_the_right_monitor(
    desk: Guest, viewer: ViewerProcess, layout: str
) -> None:
    wanted = LAYOUTS[layout]
    viewer.do("resize", monitors=wanted, positions=True)
    wait_for(lambda: monitors(desk) == wanted, 20, f"monitors {wanted}")
    for display, (_, _, left, top) in enumerate(wanted):

        def arrives(display: int = display, x: int = left + 321, y: int = top + 123) -> bool:
            # Again and again: a new tablet's first moves may come before the server has found it.
            viewer.do("position", x=320, y=120, display=display)
            viewer.do("position", x=321, y=123, display=display)
            found_x, found_y = pointer(desk)
            return abs(found_x - x) <= 1 and abs(found_y - y) <= 1

        wait_for(arrives, 20, f"the pointer on monitor {display}; it is at {pointer(desk)}")
