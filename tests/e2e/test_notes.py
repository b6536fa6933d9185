# SPDX-License-Identifier: MIT
"""Does the desktop tell of files that a real viewer dropped, and of those that were refused?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.e2e.conftest import not_with_the_c_peer
from tests.e2e.test_policy import configure, drop, started, vdagent
from tests.support.buses import private_bus
from tests.support.lab_guest import Guest
from tests.support.notification_server import Server, serving
from tests.support.waiting import until

FILES = 12
NOTE_S = 15.0


@not_with_the_c_peer
async def test_what_the_desktop_shows(guest: Guest) -> None:
    place, opened = guest.directory / "in", guest.directory / "opened"
    place.mkdir()
    _stand_in_for_xdg_open(guest, opened)
    bus_directory = guest.directory / "bus"
    bus_directory.mkdir()
    with private_bus(bus_directory) as bus:
        guest.desktop.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
        async with serving(bus.address) as server:
            started_at = time.monotonic()
            await asyncio.to_thread(started, guest, f'files.directory = "{place}"')
            await _received(guest, server, place, opened)
            await _refused(guest, server)
            assert len(server.notes) <= 2 + (time.monotonic() - started_at) / 3
            await _silent(guest, server)


async def _received(guest: Guest, server: Server, place: Path, opened: Path) -> None:
    assert await asyncio.to_thread(drop, guest, "letter.txt", 10) is None
    await until(lambda: server.notes, "the note", NOTE_S)
    note = server.notes[-1]
    assert (note["summary"], note["body"]) == ("letter.txt received", f"In {place}")
    assert note["actions"] == ["open", "Open folder"]
    opened.unlink(missing_ok=True)  # the directory is shown after a drop where there are no icons
    await server.signal("ActionInvoked", "us", 7, "open")
    await until(
        lambda: opened.exists() and opened.read_text() == f"{place}\n", "the folder", NOTE_S
    )


async def _refused(guest: Guest, server: Server) -> None:
    """A dozen at once are told of in two notes: the first, and the rest together."""
    configure(guest, "files.enabled = false")
    done = await asyncio.to_thread(vdagent, guest, "reload", "-S", str(guest.socket))
    assert done.returncode == 0
    before = len(server.notes)
    for number in range(FILES):
        assert await asyncio.to_thread(drop, guest, f"{number}", 1)
    await until(lambda: len(server.notes) > before, "a note", NOTE_S)
    await until(lambda: _refusals(server, before) == FILES, "every refusal", NOTE_S)
    assert "files are switched off in the settings" in server.notes[-1]["body"]


def _refusals(server: Server, since: int) -> int:
    count = 0
    for note in server.notes[since:]:
        lines = note["body"].splitlines()
        more = [int(line.split()[1]) for line in lines if line.startswith("and ")]
        count += len(lines) - len(more) + sum(more)
    return count


async def _silent(guest: Guest, server: Server) -> None:
    configure(guest, "files.enabled = false\nfiles.notify = false")
    done = await asyncio.to_thread(vdagent, guest, "reload", "-S", str(guest.socket))
    assert done.returncode == 0
    before = len(server.notes)
    assert await asyncio.to_thread(drop, guest, "silent", 1)
    assert len(server.notes) == before


def _stand_in_for_xdg_open(guest: Guest, opened: Path) -> None:
    """What is opened is written to a file."""
    programs = guest.directory / "bin"
    programs.mkdir()
    program = programs / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" >{opened}.new; mv {opened}.new {opened}\n')
    program.chmod(0o755)
    guest.desktop.environment["PATH"] = f"{programs}:{guest.desktop.environment['PATH']}"
