# SPDX-License-Identifier: MIT
"""Does the desktop get the size that the host gave the graphics card, and only if it does not take it?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.support.waiting import until
from vdagent.backends.base import Layout, Output, Rect
from vdagent.backends.memory import MemoryDisplay
from vdagent.errors import DesktopError
from vdagent.handlers import follow
from vdagent.handlers.follow import Follow, followed

pytestmark = pytest.mark.virtual_time

ONE = (Output("Virtual-1", Rect(1024, 768)),)
LEFT, RIGHT = Output("Virtual-1", Rect(800, 600)), Output("Virtual-2", Rect(640, 480, 800, 0))


class Listener:
    def on_layout_changed(self) -> None: ...


class Desktop(MemoryDisplay):
    """Counts what was applied; may refuse."""

    def __init__(self) -> None:
        super().__init__(Listener(), ONE)
        self.applied: list[Mapping[str, Rect | None]] = []
        self.refuses = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        self.applied.append(wanted)
        await self.gate.wait()
        if self.refuses:
            raise DesktopError("no such mode")
        await super().apply(wanted)


class Guest:
    """The kernel's list of preferred modes, and a desktop."""

    def __init__(self) -> None:
        self.preferred = {"Virtual-1": (1024, 768)}
        self.follow = Follow(lambda: self.preferred)
        self.desktop = Desktop()
        self.follow.attach(self.desktop)

    async def hotplug(self, width: int, height: int) -> None:
        """The host changes the size, the kernel tells; until nothing more happens."""
        self.preferred = {"Virtual-1": (width, height)}
        self.follow.on_hotplug()
        await self.settled()

    async def settled(self) -> None:
        work = self.follow._work
        if work is not None:
            await asyncio.wait((work,))
            assert work.cancelled() or work.exception() is None


async def test_a_desktop_that_does_not_follow_is_given_the_size() -> None:
    guest = Guest()
    await guest.hotplug(1111, 777)
    assert guest.desktop.applied == [{"Virtual-1": Rect(1111, 777)}]
    await guest.hotplug(640, 480)
    assert guest.desktop.applied[1:] == [{"Virtual-1": Rect(640, 480)}]


async def test_one_that_follows_by_itself_is_left_alone() -> None:
    guest = Guest()
    guest.desktop.change([Output("Virtual-1", Rect(1111, 777))])
    await guest.hotplug(1111, 777)
    assert guest.desktop.applied == []


async def test_a_size_that_the_user_chose_stays() -> None:
    """The host says the same again; that is no news."""
    guest = Guest()
    guest.desktop.change([Output("Virtual-1", Rect(800, 600))])
    await guest.hotplug(1024, 768)
    assert guest.desktop.applied == []


async def test_the_list_may_be_late() -> None:
    """It is filled when somebody has probed the connector again."""
    guest = Guest()
    guest.follow.on_hotplug()
    await asyncio.sleep(follow.PROBE_STEP_S)
    guest.preferred = {"Virtual-1": (1111, 777)}
    await guest.settled()
    assert guest.desktop.applied == [{"Virtual-1": Rect(1111, 777)}]


async def test_of_a_burst_the_last_counts() -> None:
    guest = Guest()
    for width in range(800, 900):
        guest.preferred = {"Virtual-1": (width, 600)}
        guest.follow.on_hotplug()
    await guest.settled()
    assert guest.desktop.applied == [{"Virtual-1": Rect(899, 600)}]


async def test_a_change_is_not_broken_off_for_the_next() -> None:
    """Setting a mode is a hotplug itself with some drivers."""
    guest = Guest()
    guest.desktop.gate.clear()
    guest.preferred = {"Virtual-1": (1111, 777)}
    guest.follow.on_hotplug()
    await until(lambda: guest.desktop.applied)
    guest.follow.on_hotplug()
    guest.preferred = {"Virtual-1": (640, 480)}
    guest.follow.on_hotplug()
    guest.desktop.gate.set()
    await guest.settled()
    assert guest.desktop.applied == [
        {"Virtual-1": Rect(1111, 777)},
        {"Virtual-1": Rect(640, 480)},
    ]
    assert (await guest.desktop.layout()).outputs[0].rect == Rect(640, 480)


async def test_a_desktop_that_refuses_is_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    guest = Guest()
    guest.desktop.refuses = True
    await guest.hotplug(1111, 777)
    await guest.hotplug(1111, 777)
    assert len(guest.desktop.applied) == 1
    assert "could not be set" in caplog.text


async def test_closed_it_does_nothing() -> None:
    guest = Guest()
    guest.preferred = {"Virtual-1": (1111, 777)}
    guest.follow.on_hotplug()
    guest.follow.close()
    await asyncio.sleep(follow.PROBE_S)
    assert guest.desktop.applied == []


async def test_the_desktop_is_asked_to_look_at_its_connectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bare X server does not by itself, and until somebody does the list stays the old one."""
    guest = Guest()

    async def probe() -> None:
        guest.preferred = {"Virtual-1": (1111, 777)}

    monkeypatch.setattr(guest.desktop, "probe", probe)
    guest.follow.on_hotplug()
    await guest.settled()
    assert guest.desktop.applied == [{"Virtual-1": Rect(1111, 777)}]


FIRST, BOTH = {"Virtual-1": (800, 600)}, {"Virtual-1": (800, 600), "Virtual-2": (640, 480)}
SECOND_OFF = Layout(800, 600, (LEFT, Output("Virtual-2", None)))


def test_a_turned_output_is_as_high_as_its_display_is_wide() -> None:
    def of(rect: Rect) -> Layout:
        return Layout(*rect[:2], (Output("Virtual-1", rect, transform=3),))

    before, now = {"Virtual-1": (1024, 768)}, {"Virtual-1": (1111, 777)}
    assert followed(of(Rect(768, 1024)), before, now) == {"Virtual-1": Rect(777, 1111)}
    assert followed(of(Rect(777, 1111)), before, now) is None


def test_what_is_to_the_right_moves_along() -> None:
    layout = Layout(1440, 600, (LEFT, RIGHT))
    assert followed(layout, BOTH, BOTH | {"Virtual-1": (1000, 700)}) == {
        "Virtual-1": Rect(1000, 700),
        "Virtual-2": Rect(640, 480, 1000, 0),
    }
    assert followed(layout, FIRST, BOTH) is None  # the desktop has lit it


def test_what_is_connected_anew_comes_to_the_right() -> None:
    assert followed(SECOND_OFF, FIRST, BOTH) == {
        "Virtual-1": Rect(800, 600),
        "Virtual-2": Rect(640, 480, 800, 0),
    }


def test_what_the_user_switched_off_stays_off() -> None:
    assert followed(SECOND_OFF, BOTH, BOTH | {"Virtual-2": (1024, 768)}) is None


def test_what_is_connected_no_more_goes() -> None:
    layout = Layout(1440, 600, (LEFT, RIGHT))
    assert followed(layout, BOTH, FIRST) == {"Virtual-1": Rect(800, 600)}
    other = {"Virtual-2": (640, 480)}
    assert followed(layout, BOTH, other) == {"Virtual-2": Rect(640, 480)}
    assert followed(layout, BOTH, {}) == {"Virtual-2": Rect(640, 480)}  # one stays on
    assert followed(SECOND_OFF, BOTH, FIRST) is None


def test_names_that_count_from_zero() -> None:
    layout = Layout(1024, 768, (Output("Virtual-0", Rect(1024, 768)), Output("Virtual-1", None)))
    assert followed(layout, {}, {"Virtual-1": (800, 600)}) == {"Virtual-0": Rect(800, 600)}


def test_the_only_output_whatever_its_name() -> None:
    layout = Layout(1024, 768, (Output("screen", Rect(1024, 768)),))
    assert followed(layout, {}, {"Virtual-1": (800, 600)}) == {"screen": Rect(800, 600)}
    two = Layout(1440, 600, (LEFT, RIGHT))
    assert followed(two, {}, {"DP-1": (100, 100)}) is None
