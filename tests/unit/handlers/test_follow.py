# SPDX-License-Identifier: MIT
"""Is the size the host gave the GPU taken where the desktop does not, once, and never half?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from vdagent.backends.base import Layout, Output, Rect
from vdagent.backends.memory import MemoryDisplay
from vdagent.errors import DesktopError
from vdagent.handlers import follow
from vdagent.handlers.follow import Follow, with_sizes

OLD, NEW, NEWER = (1280, 800), (1111, 777), (803, 601)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PROBE_S", 0.1)
    monkeypatch.setattr(follow, "PROBE_STEP_S", 0.01)
    monkeypatch.setattr(follow, "OWN_WAY_S", 0.05)


class Silent:
    def on_layout_changed(self) -> None:
        pass


class Guest(MemoryDisplay):
    """A desktop with one output, and a GPU whose preferred mode is `preferred`."""

    def __init__(self) -> None:
        super().__init__(Silent(), [Output("Virtual-1", Rect(*OLD))])
        self.preferred = {"Virtual-1": OLD}
        self.applied: list[tuple[int, int]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.refuses = False
        self.follow = Follow(lambda: self.preferred)
        self.follow.attach(self)

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        rect = wanted["Virtual-1"]
        assert rect is not None
        self.applied.append((rect.width, rect.height))
        await self.may_go_on.wait()
        if self.refuses:
            raise DesktopError("no such mode")
        await super().apply(wanted)

    def host_wants(self, size: tuple[int, int]) -> None:
        self.preferred = {"Virtual-1": size}
        self.follow.on_hotplug()

    async def follows_itself(self, size: tuple[int, int]) -> None:
        await super().apply({"Virtual-1": Rect(*size)})

    async def settled(self) -> None:
        async with asyncio.timeout(5):
            while self.follow._work is not None:
                await asyncio.sleep(0.005)


async def test_a_desktop_that_does_not_follow_is_taken_there() -> None:
    guest = Guest()
    guest.host_wants(NEW)
    await guest.settled()
    assert guest.applied == [NEW]
    guest.follow.on_hotplug()
    await guest.settled()
    assert guest.applied == [NEW]


async def test_a_desktop_that_follows_by_itself_is_left_alone() -> None:
    guest = Guest()
    guest.host_wants(NEW)
    await guest.follows_itself(NEW)
    await guest.settled()
    assert guest.applied == []


async def test_a_mode_that_is_listed_late_is_waited_for() -> None:
    """The desktop's own probe fills the list."""
    guest = Guest()
    guest.follow.on_hotplug()
    await asyncio.sleep(0.03)
    guest.preferred = {"Virtual-1": NEW}
    await guest.settled()
    assert guest.applied == [NEW]


async def test_a_hotplug_that_changes_no_size() -> None:
    guest = Guest()
    guest.follow.on_hotplug()
    await guest.settled()
    assert guest.applied == []


async def test_of_a_burst_only_the_last_size_counts() -> None:
    guest = Guest()
    for width in range(900, 910):
        guest.host_wants((width, 600))
        await asyncio.sleep(0.01)
    await guest.settled()
    assert guest.applied == [(909, 600)]


async def test_a_change_is_not_broken_off_for_the_next() -> None:
    """Setting a mode is a hotplug itself for some drivers."""
    guest = Guest()
    guest.may_go_on.clear()
    guest.host_wants(NEW)
    async with asyncio.timeout(5):
        while not guest.applied:
            await asyncio.sleep(0.005)
    guest.follow.on_hotplug()
    guest.host_wants(NEWER)
    guest.may_go_on.set()
    await guest.settled()
    assert guest.applied == [NEW, NEWER]
    assert (await guest.layout()).outputs[0].rect == Rect(*NEWER)


async def test_a_refusal_is_told_and_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    guest = Guest()
    guest.refuses = True
    guest.host_wants(NEW)
    await guest.settled()
    guest.follow.on_hotplug()
    await guest.settled()
    assert guest.applied == [NEW]
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "resolution: the host's new size could not be set: no such mode"
    ]


async def test_the_end_ends_it() -> None:
    guest = Guest()
    guest.host_wants(NEW)
    await asyncio.sleep(0)
    guest.follow.close()
    await guest.settled()
    assert guest.applied == []


def layout(*outputs: Any) -> Layout:
    return Layout(0, 0, tuple(Output(*output) for output in outputs))


def test_what_is_to_the_right_moves_along() -> None:
    before = layout(
        ("Virtual-1", Rect(1000, 800)),
        ("Virtual-2", Rect(900, 700, 1000, 0)),
        ("Virtual-3", None),
    )
    assert with_sizes(before, {"Virtual-1": NEW}) == {
        "Virtual-1": Rect(1111, 777),
        "Virtual-2": Rect(900, 700, 1111, 0),
    }
    assert with_sizes(before, {"Virtual-1": (1000, 800), "Virtual-3": NEW}) is None


def test_names_of_kernel_and_desktop() -> None:
    """Drivers of X that count from 0, and one output of another name."""
    assert with_sizes(layout(("Virtual-0", Rect(*OLD))), {"Virtual-1": NEW}) == {
        "Virtual-0": Rect(*NEW)
    }
    assert with_sizes(layout(("XWAYLAND0", Rect(*OLD))), {"Virtual-1": NEW}) == {
        "XWAYLAND0": Rect(*NEW)
    }
