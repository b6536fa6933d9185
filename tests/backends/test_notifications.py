# SPDX-License-Identifier: MIT
"""Are notes shown as one notification that is replaced, and is a desktop without them no error?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.buses import private_bus
from tests.support.notification_server import serving
from tests.support.waiting import until
from vdagent.backends import notifications
from vdagent.backends.base import Action, Note
from vdagent.backends.notifications import DesktopNotes


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a private bus, which is this session's."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with private_bus(tmp_path) as bus:
        yield bus.address


def cancel(call: Callable[[], None]) -> Action:
    return Action("cancel", "Cancel", call)


async def closed(notes: DesktopNotes) -> None:
    notes.close()
    await until(lambda: notes.idle)


async def test_progress_then_the_result_in_one_notification(bus: str) -> None:
    async with serving(bus) as server:
        notes = DesktopNotes()
        notes.show(Note("Receiving a", "1 of 2 MB", 50), cancel(lambda: None))
        await until(lambda: len(server.notes) == 1)
        notes.show(Note("a received", "In /home/R&D <x>"))
        await until(lambda: len(server.notes) == 2)
        first, last = server.notes
        assert (first["summary"], first["replaces"], first["value"]) == ("Receiving a", 0, 50)
        assert first["actions"] == ["cancel", "Cancel"]
        assert (last["summary"], last["replaces"], last["value"]) == ("a received", 7, None)
        assert last["body"] == "In /home/R&amp;D &lt;x&gt;"
        assert last["actions"] == []
        notes.show(Note("b received"))  # the next drop, a new notification
        await until(lambda: len(server.notes) == 3)
        assert server.notes[2]["replaces"] == 0
        await closed(notes)


async def test_cancel(bus: str) -> None:
    async with serving(bus) as server:
        notes, cancelled = DesktopNotes(), []
        notes.show(Note("Receiving a", "", 1), cancel(lambda: cancelled.append(True)))
        await until(lambda: server.notes)
        await server.signal("ActionInvoked", "us", 8, "cancel")  # another program's
        await server.signal("ActionInvoked", "us", 7, "default")
        await server.signal("ActionInvoked", "us", 7, "cancel")
        await until(lambda: cancelled)
        assert cancelled == [True]
        notes.close()
        await until(lambda: server.closed == [7] and notes.idle)


async def test_progress_that_was_dismissed_does_not_come_back(bus: str) -> None:
    async with serving(bus) as server:
        notes = DesktopNotes()
        notes.show(Note("Receiving a", "", 1))
        await until(lambda: server.notes)
        await server.signal("NotificationClosed", "uu", 7, 2)
        await until(lambda: notes.dismissed)
        notes.show(Note("Receiving a", "", 2))
        notes.show(Note("a received"))
        await until(lambda: len(server.notes) == 2)
        assert server.notes[1]["summary"] == "a received"
        await closed(notes)


async def test_a_slow_desktop_skips_progress(bus: str) -> None:
    async with serving(bus) as server:
        server.stuck = []
        notes = DesktopNotes()
        notes.show(Note("Receiving a", "", 0))
        await asyncio.sleep(0)
        for percent in range(1, 100):
            notes.show(Note("Receiving a", "", percent))
            await asyncio.sleep(0)
        await until(lambda: server.stuck)
        await server.unstick()
        await until(lambda: server.notes and server.notes[-1]["value"] == 99)
        assert len(server.notes) <= 3
        await closed(notes)


async def test_no_server(bus: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    notes = DesktopNotes()
    for _ in range(3):
        notes.show(Note("a received"))
        await until(lambda: notes.idle)
    assert len(caplog.records) == 1


async def test_no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    notes = DesktopNotes()
    notes.show(Note("a received"))
    await until(lambda: notes.idle)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "rubbish")
    notes = DesktopNotes()
    notes.show(Note("a received"))
    notes.close()
    await until(lambda: notes.idle)


async def test_the_button_of_a_result(bus: str) -> None:
    async with serving(bus) as server:
        notes, opened = DesktopNotes(), []
        notes.show(Note("Receiving a", "", 1))
        await until(lambda: server.notes)
        open_folder = Action("open", "Open folder", lambda: opened.append(True))
        notes.show(Note("a received"), open_folder)
        await until(lambda: len(server.notes) == 2 and notes.idle)
        assert server.notes[1]["actions"] == ["open", "Open folder"]
        await server.signal("ActionInvoked", "us", 7, "cancel")
        await server.signal("ActionInvoked", "us", 7, "open")
        await until(lambda: opened)
        notes.show(Note("b received"), open_folder)
        await until(lambda: len(server.notes) == 3 and notes.idle)
        assert server.notes[2]["replaces"] == 0  # the first one stays
        await closed(notes)
        assert server.closed == []  # so does this one


@pytest.mark.parametrize("end", ["closed by the user", "not looked at"])
async def test_a_result_is_not_listened_to_for_ever(
    bus: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "LISTEN_S", 60 if end == "closed by the user" else 0.05)
    async with serving(bus) as server:
        notes = DesktopNotes()
        notes.show(Note("a received"), Action("open", "Open folder", lambda: None))
        await until(lambda: server.notes and notes.idle)
        if end == "closed by the user":
            assert notes._bus is not None
            await server.signal("NotificationClosed", "uu", 7, 2)
        await until(lambda: notes._bus is None)
