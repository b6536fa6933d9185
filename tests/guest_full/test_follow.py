# SPDX-License-Identifier: MIT
"""Does the desktop follow the viewer's window where the host tells the GPU of it, and not the agent?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.guest.conftest import attach
from tests.support.guest.agent import Agent
from tests.support.guest.machine import Guest
from tests.support.guest.roots import PROJECT
from tests.support.guest.sway import ENVIRONMENT, Sway
from tests.support.processes import wait_for
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

FIRST, SECOND = "Virtual-1", "Virtual-2"
FOLLOW_S = 60.0  # without KVM, on a busy machine
CELL = 8  # sway 1.7 makes the modes it does not list by CVT


@contextmanager
def x_desktop(guest: Guest) -> Iterator[None]:
    """Xorg with a window manager that knows nothing of monitors."""
    server = guest.start_xorg()
    guest.start("twm", "/run/twm.log")
    try:
        yield
    finally:
        guest.run(f"kill {server}; timeout 10 tail --pid={server} -f /dev/null")


@contextmanager
def agent_of(guest: Guest, *options: str, **environment: str) -> Iterator[Agent]:
    """Our programs; what they said is shown if the test fails."""
    agent = Agent(guest, *options, environment=environment)
    agent.forget_log()
    try:
        yield agent
    finally:
        print(agent.new_log())
        agent.stop()


def wait_x_size(guest: Guest, width: int, height: int) -> None:
    wait_for(lambda: x_size(guest) == f"{width}x{height}", FOLLOW_S, f"{width}x{height}")


def x_size(guest: Guest) -> str:
    # Without --current it would have the server probe its connectors, which is ours to do.
    return guest.output(
        "xrandr --current | sed -n 's/.*current \\([0-9]*\\) x \\([0-9]*\\),.*/\\1x\\2/p'"
    ).strip()


def preferred(guest: Guest) -> str:
    """The mode the host wants, as far as anybody has asked the connector since."""
    return guest.output(f"head -1 /sys/class/drm/card0-{FIRST}/modes").strip()


def test_x_with_a_bare_window_manager_follows(guest: Guest, viewer: ViewerProcess) -> None:
    with x_desktop(guest), agent_of(guest):
        attach(viewer, guest, timeout_s=FOLLOW_S)
        for width, height in [(1111, 777), (1400, 1050), (803, 601)]:
            viewer.do("resize", monitors=[[width, height, 0, 0]])
            wait_x_size(guest, width, height)


def test_x_lights_the_display_that_a_viewer_opens(guest: Guest, viewer: ViewerProcess) -> None:
    with x_desktop(guest), agent_of(guest):
        attach(viewer, guest, timeout_s=FOLLOW_S)
        first, second = [800, 600, 0, 0], [640, 480, 800, 0]
        viewer.do("resize", monitors=[first])
        wait_x_size(guest, 800, 600)
        viewer.do("resize", monitors=[first, second])
        wait_x_size(guest, 1440, 600)
        guest.output(f"xrandr --current | grep -q '^{SECOND} connected 640x480+800+0'")
        viewer.do("resize", monitors=[first, []])
        wait_x_size(guest, 800, 600)


def test_x_stays_as_it_is_where_following_is_switched_off(
    guest: Guest, viewer: ViewerProcess
) -> None:
    """So nobody but the agent has made it follow before."""
    with x_desktop(guest), agent_of(guest, "--no-follow"):
        attach(viewer, guest, timeout_s=FOLLOW_S)
        before = x_size(guest)
        viewer.do("resize", monitors=[[1200, 900, 0, 0]])
        wait_for(lambda: preferred(guest) == "1200x900", FOLLOW_S, "the host's word")
        guest.output("sleep 3")  # longer than following takes
        assert x_size(guest) == before


def wait_sway(sway: Sway, sizes: set[tuple[int, int]]) -> None:
    """Until its first output has one of these sizes."""
    wait_for(lambda: sway.size(FIRST) in sizes, FOLLOW_S, f"one of {sizes}")


def test_sway_follows(guest: Guest, viewer: ViewerProcess) -> None:
    """wlroots does not read a connected output's modes again, and sway does not follow by itself."""
    with Sway(guest) as sway, agent_of(guest, **ENVIRONMENT) as agent:
        attach(viewer, guest, timeout_s=FOLLOW_S)
        for width, height in [(1111, 777), (1400, 1050), (803, 601)]:
            viewer.do("resize", monitors=[[width, height, 0, 0]])
            wait_sway(sway, {(width, height), (width - width % CELL, height)})
        assert agent.survived(), sway.log()


class Pointer:
    """A client of sway's that knows where the pointer is: tests.support.wayland_pointer."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        guest.output("rm -f /run/pointer /run/pointer.out; mkfifo /run/pointer")
        program = (
            f"{sys.executable} -m tests.support.wayland_pointer {ENVIRONMENT['WAYLAND_DISPLAY']}"
        )
        self._pid = guest.start(
            f"env PYTHONPATH={PROJECT} {program} 0<>/run/pointer 2>/run/pointer.log",
            "/run/pointer.out",
        )
        self._answers = 0
        self.at: object = None

    def ask(self, command: str, **arguments: object) -> object:
        """Its answer to a command."""
        self._answers += 1
        line = json.dumps({"do": command, **arguments}) + "\n"
        self._guest.output("cat > /run/pointer", input=line)
        arrived = f'[ "$(wc -l < /run/pointer.out)" -ge {self._answers} ]'
        self._guest.wait_until(arrived, FOLLOW_S, f"the answer to {command}")
        return json.loads(self._guest.output("tail -1 /run/pointer.out"))

    def wait_at(self, name: str, x: float, y: float) -> None:
        """Until it is there, in the logical pixels of that output."""

        def arrived() -> bool:
            self.at = self.ask("where")
            return (
                isinstance(self.at, list)
                and self.at[0] == name
                and abs(self.at[1] - x) <= 1
                and abs(self.at[2] - y) <= 1
            )

        try:
            wait_for(arrived, FOLLOW_S, f"the pointer at {x}, {y} on {name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is at {self.at}") from None

    def close(self) -> None:
        print(self._guest.run(f"kill {self._pid}; cat /run/pointer.log").output)


@pytest.mark.parametrize("guest", ["virtio-vga"], indirect=True)
def test_the_pointer_on_two_outputs_of_different_scales(
    guest: Guest, viewer: ViewerProcess
) -> None:
    """The viewer's pixels, through kernel and libinput, to a client's window; off by 1 at most."""
    with Sway(guest) as sway, agent_of(guest, **ENVIRONMENT) as agent:
        attach(viewer, guest, timeout_s=FOLLOW_S)
        viewer.do("resize", monitors=[[600, 500, 0, 0], [1200, 1000, 600, 0]])
        wait_for(
            lambda: (sway.size(FIRST), sway.size(SECOND)) == ((600, 500), (1200, 1000)),
            FOLLOW_S,
            "two outputs",
        )
        sway.message(f"output {SECOND} scale 2")
        agent.wait_log("ready for a desktop of 2400x1000", FOLLOW_S)
        pointer = Pointer(guest)
        try:
            assert pointer.ask("show", device=False) == 2
            for display, name, scale in [(0, FIRST, 1), (1, SECOND, 2)]:
                for x, y in [(10, 10), (300 * scale, 200 * scale), (590 * scale, 499 * scale - 3)]:
                    viewer.do("position", x=x, y=y, display=display)
                    pointer.wait_at(name, x / scale, y / scale)
        finally:
            pointer.close()
