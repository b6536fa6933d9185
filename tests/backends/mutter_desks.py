# SPDX-License-Identifier: MIT
"""How do tests get a GNOME desktop with guest programs: Mutter, wl-copy and wl-paste?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.backends.desks import ClipboardDesk, Listener
from tests.backends.wayland_desks import WaylandGuest
from tests.support.app_process import AppProcess
from tests.support.compositors import Compositor, mutter
from tests.support.mutter_keyboard import add_keyboard
from tests.support.tools import require
from vdagent.backends import pipes
from vdagent.backends.base import Format, Patience, Selection
from vdagent.backends.dbus import Bus
from vdagent.backends.mime import MIME_TYPES
from vdagent.backends.mutter.clipboard import MutterClipboard
from vdagent.backends.mutter.desktop import MutterDesktop
from vdagent.backends.mutter.session import ClipboardSession
from vdagent.backends.split import OnlyFor, SplitClipboard
from vdagent.backends.x11.desktop import connect as connect_x11
from vdagent.errors import DesktopError


def bus_address(compositor: Compositor) -> str:
    return compositor.environment["DBUS_SESSION_BUS_ADDRESS"]


async def ready(compositor: Compositor) -> Bus:
    """Wait for Mutter, and give it a keyboard for as long as the bus that is returned."""
    bus, _ = await add_keyboard(bus_address(compositor))
    return bus


class MutterApp:
    """A program that copies several types, by a clipboard session of its own."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._session: ClipboardSession | None = None
        self._contents: Mapping[str, bytes] = {}
        self._mute: Iterable[str] = ()
        self._stall: Iterable[str] = ()
        self._held: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        self.owners: list[tuple[str, ...]] = []

    @classmethod
    async def start(cls, compositor: Compositor) -> MutterApp:
        app = cls(await Bus.connect(bus_address(compositor), fds=True))
        app._session = await ClipboardSession.open(app._bus, app)
        return app

    async def own(
        self, contents: Mapping[str, bytes], mute: Iterable[str] = (), stall: Iterable[str] = ()
    ) -> None:
        """Copy; nothing comes of types that are `mute`, and `stall` stops in the middle."""
        self._contents, self._mute, self._stall = contents, mute, stall
        assert self._session is not None
        await self._session.own(list(contents), lambda: None)

    async def pipe(self, mime_type: str) -> int:
        """Paste, as far as the pipe."""
        assert self._session is not None
        return await self._session.read(mime_type)

    async def read(self, mime_type: str) -> bytearray:
        """Paste."""
        return await pipes.receive(await self.pipe(mime_type), Patience())

    def on_owner(self, mime_types: Sequence[str], ours: bool) -> None:
        self.owners.append(tuple(mime_types))

    def on_closed(self) -> None:
        pass

    def on_transfer(self, mime_type: str, serial: int) -> None:
        self.asked.append(mime_type)
        task = asyncio.create_task(self._serve(mime_type, serial))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, mime_type: str, serial: int) -> None:
        assert self._session is not None
        if mime_type in self._mute:
            return
        fd = await self._session.write(serial)
        if mime_type in self._stall:
            os.write(fd, self._contents[mime_type][:7])
            self._held.append(fd)
            return
        try:
            await pipes.send(fd, self._contents[mime_type], 10.0)
            await self._session.written(serial, True)
        except DesktopError:
            pass

    def close(self) -> None:
        """Exit."""
        self._bus.close()
        while self._held:
            os.close(self._held.pop())


class MutterGuest(WaylandGuest):
    """wl-copy and wl-paste; several types at once are copied by a `MutterApp`."""

    async def start_app(self) -> MutterApp:
        app = await MutterApp.start(self.compositor)
        self._stack.callback(app.close)
        self._owners.append(app.close)
        return app

    async def copy(self, selection: Selection, contents: Mapping[Format, bytes]) -> None:
        by_type = {MIME_TYPES[fmt][0]: data for fmt, data in contents.items()}
        if len(contents) == 1:
            ((mime_type, data),) = by_type.items()
            self.wl_copy(selection, mime_type, data)
        elif selection is Selection.CLIPBOARD:
            await (await self.start_app()).own(by_type)
        else:
            app = AppProcess("x11_app", self.compositor.environment["DISPLAY"])
            self._stack.callback(app.close)
            texts = {name: data.decode("latin-1") for name, data in by_type.items()}
            await app.own(selection=selection.name, contents=texts)


class MutterDesk(ClipboardDesk):
    """One on a Mutter, with guest programs."""

    clipboard: MutterClipboard
    compositor: Compositor
    guest: MutterGuest


@asynccontextmanager
async def mutter_desk(
    compositor: Compositor,
    patience: Patience = Patience(),
) -> AsyncIterator[MutterDesk]:
    """Connected to `compositor`."""
    require("wl-copy", "wl-paste")
    listener = Listener()
    async with AsyncExitStack() as stack:
        stack.callback((await ready(compositor)).close)
        desktop = MutterDesktop(
            bus_address(compositor), listener, listener, listener.lost.append, patience
        )
        await desktop.open()
        stack.push_async_callback(desktop.close)
        desktop.deliver()
        desk = MutterDesk(desktop.clipboard, desktop.display, listener)
        desk.compositor = compositor
        desk.guest = MutterGuest(compositor, stack)
        yield desk


@asynccontextmanager
async def open_mutter_desk(
    directory: Path,
    patience: Patience = Patience(),
    *monitors: str,
) -> AsyncIterator[MutterDesk]:
    """A desktop of its own on a Mutter with these virtual monitors, one of 1280x720 by default."""
    with mutter(directory, *monitors) as compositor:
        async with mutter_desk(compositor, patience) as desk:
            yield desk


@asynccontextmanager
async def open_gnome_desk(directory: Path, patience: Patience) -> AsyncIterator[ClipboardDesk]:
    """One whose PRIMARY comes from XWayland, as on GNOME."""
    with mutter(directory, x11=True) as compositor:
        async with mutter_desk(compositor, patience) as desk, AsyncExitStack() as stack:
            patch = pytest.MonkeyPatch()
            stack.callback(patch.undo)
            patch.setenv("XAUTHORITY", compositor.environment["XAUTHORITY"])
            primary = frozenset({Selection.PRIMARY})
            clipboard, display = await connect_x11(
                compositor.environment["DISPLAY"],
                OnlyFor(primary, desk.listener),
                Listener(),
                desk.listener.lost.append,
                patience,
            )
            stack.push_async_callback(clipboard.close)
            await display.close()
            both = SplitClipboard(
                {Selection.CLIPBOARD: desk.clipboard, Selection.PRIMARY: clipboard}
            )
            gnome = ClipboardDesk(both, desk.display, desk.listener)
            gnome.guest = desk.guest
            yield gnome
