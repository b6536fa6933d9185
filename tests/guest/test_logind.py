# SPDX-License-Identifier: MIT
"""Does the real logind's word about seat0 reach the viewer: switch, lock, greeter, log-out?

Our package is installed in the guest; its units start both programs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guest.conftest import attach
from tests.support.guest.clipboard import fetch_in_viewer
from tests.support.guest.machine import Guest
from tests.support.guest.seat import Desktop, log_in, switch_console
from tests.support.processes import wait_for
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def first(installed_guest: Guest) -> Desktop:
    """The user "guest", who was logged in by the boot."""
    return Desktop(installed_guest, "guest", vt=1, display=0)


@pytest.fixture(scope="module")
def second(first: Desktop) -> Desktop:
    """Another user, on the next console of the same seat."""
    desktop = log_in(first.guest, "second", vt=2)
    wait_served(desktop)
    return desktop


@pytest.fixture
def viewer(
    installed_guest: Guest, first: Desktop, second: Desktop, tmp_path: Path
) -> Iterator[ViewerProcess]:
    """A viewer of the first user's desktop."""
    first.activate()
    with (tmp_path / "viewer.log").open("wb") as log, ViewerProcess(log) as process:
        attach(process, installed_guest, timeout_s=30)
        yield process
    print(
        installed_guest.output("journalctl -b -u vdagentd -o short-precise --no-pager | tail -50")
    )


def wait_served(desktop: Desktop) -> None:
    """Wait until the daemon serves the session agent of that login."""
    served = f"vdagent status | grep -q 'uid '$(id -u {desktop.user})', .*, active'"
    desktop.guest.wait_until(served, 60, f"the daemon serves {desktop.user}")


def points(viewer: ViewerProcess, desktop: Desktop, x: int, y: int) -> None:
    """Point somewhere until the pointer of that desktop is there.

    A new tablet's first moves may come before the X server has found it.
    """
    there = re.compile(rf"x:({x - 1}|{x}) y:({y - 1}|{y}) ")

    def arrives() -> bool:
        viewer.do("position", x=x + 10, y=y)  # the kernel drops events that change nothing
        viewer.do("position", x=x, y=y)
        return there.match(desktop.output("xdotool getmouselocation")) is not None

    wait_for(arrives, 20, f"{desktop.user}'s pointer at {x}, {y}")


def takes_size(viewer: ViewerProcess, desktop: Desktop, width: int, height: int) -> None:
    """The viewer's window has this size, and so has that desktop soon."""
    viewer.do("resize", monitors=[[width, height, 0, 0]])
    size = f"xrandr | grep -q 'current {width} x {height},'"
    desktop.wait_until(size, 10, f"{desktop.user}'s desktop of {width}x{height}")


def refused_file(viewer: ViewerProcess, directory: Path) -> str:
    """A file is dropped; the error that the viewer shows."""
    path = directory / "dropped.txt"
    path.write_text("dropped")
    since = viewer.do("send_files", paths=[str(path)])
    return str(viewer.wait("transfer-finished", 10, since=since)["error"])


def test_another_user_comes_to_the_seat(
    viewer: ViewerProcess, first: Desktop, second: Desktop
) -> None:
    since = viewer.mark()
    first.copy("of the first user")
    assert fetch_in_viewer(viewer, since) == "of the first user"
    viewer.do("offer", text="of the viewer")
    first.wait_paste("of the viewer")
    viewer.do("offer", selection="primary", text="handed on")
    since = viewer.mark()
    first.copy("again of the first user")
    viewer.wait("guest-grab", since=since)

    since = viewer.mark()
    second.activate()
    viewer.wait("guest-release", since=since)
    second.wait_until("timeout 5 xclip -o -selection primary | grep -qx 'handed on'")
    points(viewer, second, 321, 123)
    takes_size(viewer, second, 1000, 700)
    second.copy("of the second user")
    assert fetch_in_viewer(viewer, since) == "of the second user"

    since = viewer.mark()
    first.activate()
    viewer.wait("guest-release", since=since)
    assert fetch_in_viewer(viewer, since) == "again of the first user"
    takes_size(viewer, first, 1280, 800)
    points(viewer, first, 1200, 750)


def by_request(desktop: Desktop, locked: bool) -> None:
    verb = "lock-session" if locked else "unlock-session"
    desktop.guest.output(f"loginctl {verb} {desktop.session}")


def by_locker(desktop: Desktop, locked: bool) -> None:
    """A locker tells logind by itself that it has locked the screen."""
    name = "org.freedesktop.login1"
    path = f'$(busctl call {name} /org/freedesktop/login1 {name}.Manager GetSession s "$id")'
    path = f'"$(echo {path} | cut -d\\" -f2)"'
    word = "true" if locked else "false"
    call = f"busctl call {name} {path} {name}.Session SetLockedHint b {word}"
    desktop.output(f"id={desktop.session}; {call}")


@pytest.mark.parametrize("lock", [by_request, by_locker])
def test_a_lock_and_its_end(
    viewer: ViewerProcess,
    first: Desktop,
    tmp_path: Path,
    lock: Callable[[Desktop, bool], None],
) -> None:
    since = viewer.mark()
    first.copy("secret")
    viewer.wait("guest-grab", since=since)
    lock(first, True)
    said = "journalctl -b -u vdagentd -o cat | tail -1 | grep -q 'wait for the unlock'"
    first.guest.wait_until(said, 10, "the lock")
    since = viewer.do("request")
    assert viewer.wait("guest-data", since=since)["size"] == 0
    assert "locked" in refused_file(viewer, tmp_path)
    viewer.do("offer", text="copied meanwhile")
    points(viewer, first, 40, 50)
    assert first.paste() == "secret"  # its own; nothing of the viewer's came
    lock(first, False)
    first.wait_paste("copied meanwhile")
    since = viewer.mark()
    first.copy("no secret")
    assert fetch_in_viewer(viewer, since) == "no secret"


def test_a_greeter_has_pointer_and_monitors_only(
    viewer: ViewerProcess, first: Desktop, tmp_path: Path
) -> None:
    since = viewer.mark()
    first.copy("of the user")
    viewer.wait("guest-grab", since=since)
    since = viewer.mark()
    greeter = log_in(first.guest, "greeter", vt=3, class_="greeter")
    try:
        viewer.wait("guest-release", 30, since=since)
        viewer.wait_announced(since, 60)
        viewer.wait("mouse-mode", 30, lambda e: e["mode"] == "client", since)
        takes_size(viewer, greeter, 1000, 700)
        points(viewer, greeter, 321, 123)
        since = viewer.mark()
        greeter.copy("of the greeter")
        viewer.do("offer", text="of the viewer")
        assert "disabled" in refused_file(viewer, tmp_path)
        assert greeter.paste() == "of the greeter"
        assert not viewer.saw("guest-grab", since=since)
        first.activate()
        first.wait_paste("of the viewer")
    finally:
        greeter.log_out()


def test_a_text_console_takes_the_agent_away(viewer: ViewerProcess, first: Desktop) -> None:
    since = viewer.mark()
    switch_console(first.guest, 5)
    viewer.wait("agent-connected", 10, lambda e: not e["connected"], since)
    since = viewer.mark()
    first.activate()
    viewer.wait_announced(since)
    viewer.wait("mouse-mode", 10, lambda e: e["mode"] == "client", since)
    points(viewer, first, 321, 123)


def test_a_user_logs_out(viewer: ViewerProcess, first: Desktop, second: Desktop) -> None:
    """The last of this file: the second user is not there any more."""
    viewer.do("offer", text="of the viewer")
    second.activate()
    second.wait_paste("of the viewer")
    since = viewer.mark()
    second.log_out()
    gone = viewer.wait("agent-connected", 10, lambda e: not e["connected"], since)
    first.activate()  # if the kernel has not gone back to that console already
    viewer.wait_announced(viewer.events.index(gone))
    since = viewer.mark()
    first.copy("still here")
    assert fetch_in_viewer(viewer, since) == "still here"
