# SPDX-License-Identifier: MIT
"""Does the desktop get the viewer's monitors, and the daemon every report it needs? (in memory)"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.support.clock import settle
from tests.support.waiting import until
from vdagent.backends.base import Output, Rect
from vdagent.backends.memory import MemoryDisplay
from vdagent.errors import DesktopError
from vdagent.handlers import resolution
from vdagent.handlers.resolution import ResolutionHandler
from vdagent.protocol.messages import (
    GraphicsDevice,
    GraphicsDeviceInfo,
    MonitorConfig,
    MonitorsConfig,
)
from vdagent.protocol.udscs import GuestResolution, Screen, encode

pytestmark = pytest.mark.virtual_time

TWO = (Output("one", Rect(1024, 768)), Output("two", None))


class Desktop(MemoryDisplay):
    """Counts what was applied; may refuse."""

    def __init__(self, listener: Any, outputs: Any = TWO) -> None:
        super().__init__(listener, outputs)
        self.applied: list[Mapping[str, Rect | None]] = []
        self.refuses = False

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        self.applied.append(wanted)
        await asyncio.sleep(0)
        if self.refuses:
            raise DesktopError(f"no such mode: {wanted}")
        await super().apply(wanted)


class Guest:
    """A session's resolution with its desktop."""

    def __init__(self, *, connected: bool = True) -> None:
        self.sent: list[Any] = []
        self.scales: list[Mapping[int, float]] = []
        self.transforms: list[Mapping[int, int]] = []
        self.handler = ResolutionHandler(
            self.sent.append, self.told_pointing, lambda address, index: None
        )
        self.display = Desktop(self.handler)
        self.handler.attach(self.display)
        if connected:
            self.handler.connected()

    def told_pointing(self, scales: Mapping[int, float], transforms: Mapping[int, int]) -> None:
        self.scales.append(scales)
        if transforms not in self.transforms:
            self.transforms.append(transforms)

    async def wants(self, *sizes: tuple[int, int, int, int], flags: int = 1) -> None:
        monitors = tuple(MonitorConfig(w, h, 32, x, y) for w, h, x, y in sizes)
        self.handler.monitors(MonitorsConfig(monitors, flags))
        await settle()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "BETWEEN_S", 0.0)


def report(width: int, height: int, *screens: tuple[int, ...]) -> GuestResolution:
    return GuestResolution(width, height, tuple(Screen(*s) for s in screens))


FIRST = report(1024, 768, (1024, 768, 0, 0, 0), (0, 0, 0, 0, 1))


async def test_a_daemon_is_told_the_screens_at_once() -> None:
    guest = Guest()
    await settle()
    assert guest.sent == [FIRST]
    guest.handler.disconnected()
    guest.handler.connected()
    await settle()
    assert guest.sent == [FIRST, FIRST]


async def test_nobody_is_told_without_a_daemon() -> None:
    guest = Guest(connected=False)
    guest.display.change([Output("one", Rect(800, 600))])
    await settle()
    assert guest.sent == []


async def test_a_change_by_the_user_is_told_once() -> None:
    guest = Guest()
    await settle()
    guest.display.change([Output("one", Rect(800, 600)), TWO[1]])
    await settle()
    guest.handler.on_layout_changed()
    await settle()
    assert guest.sent == [FIRST, report(800, 600, (800, 600, 0, 0, 0), (0, 0, 0, 0, 1))]


async def test_pixels_that_count_more_are_told_beside_the_report() -> None:
    guest = Guest()
    await settle()
    left, right = Rect(1000, 800), Rect(2000, 1600, 2000, 0)
    guest.display.change([Output("one", left, 2.0), Output("two", right)])
    await settle()
    assert guest.sent[-1].screens == (Screen(1000, 800, 0, 0, 0), Screen(2000, 1600, 2000, 0, 1))
    assert guest.scales == [{}, {0: 2.0}]


async def test_the_viewers_size_is_applied_and_reported() -> None:
    guest = Guest()
    await settle()
    await guest.wants((803, 601, 0, 0))
    assert guest.display.applied == [{"one": Rect(803, 601)}]
    assert guest.sent[-1] == report(803, 601, (803, 601, 0, 0, 0), (0, 0, 0, 0, 1))


async def test_the_viewers_size_is_the_displays_and_not_the_turned_desktops() -> None:
    guest = Guest()
    guest.display.change([Output("one", Rect(768, 1024), transform=1), Output("two", None)])
    await settle()
    await guest.wants((803, 601, 0, 0))
    assert guest.display.applied == [{"one": Rect(601, 803)}]
    assert guest.sent[-1] == report(601, 803, (601, 803, 0, 0, 0), (0, 0, 0, 0, 1))
    await guest.wants((803, 601, 0, 0), (640, 480, 803, 0))
    assert guest.display.applied[1] == {"one": Rect(601, 803), "two": Rect(640, 480, 601, 0)}
    assert guest.transforms == [{0: 1}]


async def test_two_monitors_at_their_places() -> None:
    guest = Guest()
    await settle()
    await guest.wants((800, 600, 100, 0), (640, 480, 900, 120))
    assert guest.sent[-1] == report(1440, 600, (800, 600, 0, 0, 0), (640, 480, 800, 120, 1))


@pytest.mark.parametrize("flags", [0, 1])
async def test_monitors_without_places_stand_side_by_side(flags: int) -> None:
    guest = Guest()
    await guest.wants((800, 600, 0, 0), (640, 480, 0, 0), flags=flags)
    assert guest.display.applied == [{"one": Rect(800, 600), "two": Rect(640, 480, 800, 0)}]


async def test_every_wish_is_answered_by_a_report() -> None:
    guest = Guest()
    await settle()
    await guest.wants((1024, 768, 0, 0))  # as it is
    assert guest.display.applied == []
    assert guest.sent == [FIRST, FIRST]
    guest.display.refuses = True
    await guest.wants((800, 600, 0, 0))
    assert guest.sent == [FIRST, FIRST, FIRST]
    guest.display.refuses = False
    await guest.wants((0, 0, 0, 0), (0, 0, 0, 0))  # all off: not followed
    await guest.wants()
    assert guest.sent == [FIRST] * 5
    assert len(guest.display.applied) == 1


async def test_what_the_desktop_cannot_do_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    guest = Guest()
    await settle()
    guest.display.refuses = True
    for width in range(800, 810):
        await guest.wants((width, 600, 0, 0))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    guest.display.refuses = False
    await guest.wants((800, 600, 0, 0))
    guest.display.refuses = True
    await guest.wants((900, 600, 0, 0))
    assert [record.levelname for record in caplog.records].count("WARNING") == 2


async def test_only_the_last_of_a_burst_counts() -> None:
    guest = Guest()
    await settle()
    for width in range(500, 540):
        guest.handler.monitors(MonitorsConfig((MonitorConfig(width, 400),), 1))
        if width % 8 == 0:
            await asyncio.sleep(0)
    await settle()
    assert len(guest.display.applied) <= 10
    assert guest.display.applied[-1] == {"one": Rect(539, 400)}
    assert guest.sent[-1].width == 539


async def test_a_dragged_window_does_not_keep_the_desktop_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolution, "BETWEEN_S", 0.1)
    guest = Guest()
    await settle()
    loop = asyncio.get_running_loop()
    times: list[float] = []
    apply = guest.display.apply

    async def timed(wanted: Mapping[str, Rect | None]) -> None:
        times.append(loop.time())
        await apply(wanted)

    monkeypatch.setattr(guest.display, "apply", timed)
    began = loop.time()
    for width in range(800, 830):
        await guest.wants((width, 600, 0, 0))
        await asyncio.sleep(0.01)
    await until(lambda: guest.sent[-1].width == 829)
    assert times[0] == began, "the first one is not held back"
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.1] * 3, abs=0.001)
    assert len(guest.sent) == len(times) + 1, "each is reported, for the pointer"


async def test_a_fault_of_the_desktop_does_not_end_the_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest()
    await settle()

    async def broken(wanted: Mapping[str, Rect | None]) -> None:
        raise ValueError("a bug")

    with monkeypatch.context() as faulty:
        faulty.setattr(guest.display, "apply", broken)
        await guest.wants((800, 600, 0, 0))
    await guest.wants((640, 480, 0, 0))
    assert guest.sent[-1].width == 640


async def test_more_monitors_than_outputs() -> None:
    guest = Guest()
    await guest.wants(*((100, 100, 100 * i, 0) for i in range(16)))
    assert guest.display.applied == [{"one": Rect(100, 100), "two": Rect(100, 100, 100, 0)}]


async def test_devices_say_which_output_shows_which_display() -> None:
    guest = Guest()
    await settle()
    devices = GraphicsDevice(0, 0, 1, "pci"), GraphicsDevice(0, 1, 0, "pci")
    guest.handler.devices(GraphicsDeviceInfo(devices))
    await settle()
    assert guest.sent[-1] == report(1024, 768, (0, 0, 0, 0, 0), (1024, 768, 0, 0, 1))
    await guest.wants((800, 600, 0, 0))
    assert guest.display.applied == [{"two": Rect(800, 600)}]


async def test_several_cards_that_cannot_be_found_are_taken_in_their_order() -> None:
    guest = Guest()
    await settle()
    devices = GraphicsDevice(0, 0, 0, "pci/2"), GraphicsDevice(1, 0, 0, "pci/3")
    guest.handler.devices(GraphicsDeviceInfo(devices))
    await guest.wants((800, 600, 0, 0), (640, 480, 800, 0))
    assert guest.display.applied == [{"one": Rect(800, 600), "two": Rect(640, 480, 800, 0)}]


async def test_devices_with_ids_no_pointer_message_can_name() -> None:
    guest = Guest()
    await settle()
    devices = [GraphicsDevice(i, 0, 0, "pci") for i in range(3000)]
    devices.append(GraphicsDevice(0xFFFFFFFF, 0xFFFFFFFF, 0, "pci"))
    guest.handler.devices(GraphicsDeviceInfo(tuple(devices)))
    await settle()
    assert len(guest.sent[-1].screens) <= 256
    assert encode(guest.sent[-1])
