# SPDX-License-Identifier: MIT
"""Does the pointer land where the viewer put it, on outputs of different scales and turned ones?

A scripted viewer, our daemon, our session on a real compositor. What the daemon writes to its tablet is
played by a pointing device of the compositor's, and a client's windows there say where it arrived.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.backends.wayland_desks import wayland_program
from tests.support import compositors, wire
from tests.support.agent_processes import AgentProcess
from tests.support.compositors import Compositor
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import FACTS_S, Rig, program
from tests.support.tools import require
from tests.support.wire import Port
from vdagent.control import ask, control_path
from vdagent.errors import SessionError

ABS, ABS_X, ABS_Y = 3, 0, 1


class Head(NamedTuple):
    """An output: its size in pixels, its scale."""

    name: str
    width: int
    height: int
    scale: float


def sway_scale(compositor: Compositor, head: Head) -> None:
    compositor.run("swaymsg", f"output {head.name} scale {head.scale}")


def sway_turn(compositor: Compositor, head: Head) -> None:
    """Clockwise: what was the upper left corner is the upper right one."""
    compositor.run("swaymsg", f"output {head.name} transform 90")


def kwin_scale(compositor: Compositor, head: Head) -> None:
    require("kscreen-doctor")
    compositor.run(
        "env", "QT_QPA_PLATFORM=wayland", "kscreen-doctor", f"output.{head.name}.scale.{head.scale}"
    )


Start = Callable[[Path], AbstractContextManager[Compositor]]
DESKTOPS: dict[str, tuple[Start, Callable[[Compositor, Head], None]]] = {
    "sway": (compositors.sway, sway_scale),
    "kwin": (compositors.kwin, kwin_scale),
    "sway, turned": (lambda directory: compositors.sway(directory, 1), sway_turn),
}
CASES = [
    ("sway", [Head("HEADLESS-1", 1000, 800, 1), Head("HEADLESS-2", 2000, 1600, 2)]),
    ("sway", [Head("HEADLESS-1", 2000, 1600, 2), Head("HEADLESS-2", 1000, 800, 1)]),
    ("sway", [Head("HEADLESS-1", 1110, 777, 1.5), Head("HEADLESS-2", 900, 700, 1.5)]),
    ("kwin", [Head("Virtual-0", 1280, 720, 1), Head("Virtual-1", 1280, 720, 2)]),
    ("kwin", [Head("Virtual-0", 1280, 720, 2), Head("Virtual-1", 1280, 720, 1)]),
]


def control_of(rig: Rig) -> str:
    """The daemon's control socket, once it listens."""
    path = control_path(str(rig.socket))

    def listens() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    wait_for(listens, what="the control socket")
    return path


class Scaled:
    """What our daemon knows of its session's outputs, and does with its tablet."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._control = control_of(rig)

    def desktop(self) -> dict[str, Any]:
        """The session's desktop as the daemon knows it; empty before it does."""
        status = ask(self._control, {"do": "status"})["status"]
        desktops = [session["desktop"] for session in status["sessions"]]
        return dict((desktops and desktops[0]) or {"monitors": []})

    def monitors(self) -> list[tuple[int, int, int, float]]:
        """Width, height, place from the left and pointer scale of each."""
        keys = ("width", "height", "x", "pointer_scale")
        return [tuple(monitor[key] for key in keys) for monitor in self.desktop()["monitors"]]

    def tablet(self) -> tuple[int, int]:
        """Where the daemon's tablet is."""
        last = {code: value for kind, code, value in self.rig.events() if kind == ABS}
        return last[ABS_X], last[ABS_Y]


def side_by_side(heads: list[Head]) -> list[tuple[int, int, int, float]]:
    """What `Scaled.monitors` is then."""
    finest = max(head.scale for head in heads)
    found, x = [], 0.0
    for head in heads:
        found.append((head.width, head.height, round(x), finest / head.scale))
        x += head.width * finest / head.scale
    return found


@contextmanager
def session_of(
    directory: Path, kind: str, heads: list[Head], daemon: str = "ours"
) -> Iterator[tuple[Compositor, Rig]]:
    """A session on outputs of these scales; the viewer wants these sizes."""
    start, set_scale = DESKTOPS[kind]
    with ExitStack() as stack:
        private = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        private.chmod(0o755)  # sway runs as another user
        compositor = stack.enter_context(start(private))
        for head in heads:
            set_scale(compositor, head)
        rig = stack.enter_context(Rig(directory, daemon))
        argv = [*program("session"), "-x", "-s", str(directory / "port"), "-S", str(rig.socket)]
        environment = compositor.environment | {"WAYLAND_DISPLAY": str(compositor.socket)}
        session = spawn([*argv, "-o", "0"], log=directory / "session.log", env=environment)
        stack.callback(stop, session)
        rig.host.greet()
        rig.host.send(wire.monitors(*((head.width, head.height) for head in heads)))
        rig.host.until(Port.REPLY)
        yield compositor, rig


@pytest.mark.parametrize(("kind", "heads"), CASES)
async def test_the_pointer_lands_where_the_viewer_put_it(
    kind: str, heads: list[Head], tmp_path: Path
) -> None:
    """Off by a logical pixel at most: clients are told no fractions of one, and KWin rounds them up."""
    with session_of(tmp_path, kind, heads) as (compositor, rig), ExitStack() as stack:
        scaled = Scaled(rig)
        wait_for(lambda: scaled.monitors() == side_by_side(heads), FACTS_S, "the wanted layout")
        app, desktop = wayland_program(compositor, "wayland_pointer"), scaled.desktop()
        stack.callback(app.close)
        assert await app.show() == len(heads)
        for display, head in enumerate(heads):
            for x, y in [
                (10, 10),
                (head.width // 2, head.height // 3),
                (head.width - 3, head.height - 3),
            ]:
                rig.host.send(wire.mouse(x, y, 0, display))
                rig.host.fence()
                at_x, at_y = scaled.tablet()
                size = {"width": desktop["width"], "height": desktop["height"]}
                at = await app.move(x=at_x, y=at_y, **size)
                assert at[0] == head.name
                assert abs(at[1] * head.scale - x) <= head.scale
                assert abs(at[2] * head.scale - y) <= head.scale


async def test_on_a_turned_output(tmp_path: Path) -> None:
    """The viewer shows what the card does: its pixels are those of the mode, which is not turned."""
    head = Head("HEADLESS-1", 1000, 800, 1)
    with session_of(tmp_path, "sway, turned", [head]) as (compositor, rig), ExitStack() as stack:
        scaled = Scaled(rig)
        wait_for(lambda: scaled.monitors() == [(800, 1000, 0, 1.0)], FACTS_S, "the layout")
        (output,) = json.loads(compositor.run("swaymsg", "-r", "-t", "get_outputs"))
        mode = output["current_mode"]
        assert (mode["width"], mode["height"], output["transform"]) == (1000, 800, "90")
        app = wayland_program(compositor, "wayland_pointer")
        stack.callback(app.close)
        assert await app.show() == 1
        for x, y in [(10, 10), (990, 20), (500, 700), (997, 797)]:

            def arrived(x: int = x, y: int = y) -> bool:
                rig.host.send(wire.mouse(x, y, 0, 0))
                rig.host.fence()
                return scaled.tablet() == (y, 999 - x)

            wait_for(arrived, what=f"the place of {x}, {y}")
            at = await app.move(x=y, y=999 - x, width=800, height=1000)
            assert abs(at[1] - y) <= 1 and abs(at[2] - (999 - x)) <= 1


def test_a_daemon_that_cannot_learn_it_is_served_all_the_same(tmp_path: Path) -> None:
    with session_of(tmp_path, *CASES[0], daemon="C") as (_, rig):
        log = tmp_path / "session.log"
        wait_for(lambda: "pointer is off" in log.read_text(), FACTS_S, "the warning")
        rig.host.send(wire.monitors((900, 700), (2000, 1600)))
        wait_for(lambda: "now HEADLESS-1 900x700" in log.read_text(), what="the next layout")
        assert log.read_text().count("pointer is off") == 1


def test_only_a_session_agent_may_say_it(tmp_path: Path) -> None:
    question = {"do": "session", "pointer_scales": {"0": 2.0}}
    with Rig(tmp_path) as rig:
        path = control_of(rig)
        stranger = AgentProcess()
        try:
            stranger.connect(rig.socket).report()
            with pytest.raises(SessionError, match="only a connected session agent"):
                ask(path, question)
            rig.ready()
            assert ask(path, question) == {"ok": True}
            rig.host.send(wire.mouse(100, 50))
            rig.host.fence()
            last = {code: value for kind, code, value in rig.events() if kind == ABS}
            assert (last[ABS_X], last[ABS_Y]) == (200, 100)
        finally:
            stranger.close()
