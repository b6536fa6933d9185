# SPDX-License-Identifier: MIT
"""Which desktops do the contract tests run on, and how do their guest programs copy and paste?"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from tests.support.app_process import AppProcess
from tests.support.processes import spawn, stop
from tests.support.tools import require
from tests.support.waiting import until
from tests.support.xservers import XServer, xorg_dummy, xvfb
from vdagent.backends.base import (
    Buffer,
    Clipboard,
    Display,
    Format,
    Output,
    Patience,
    Rect,
    Selection,
)
from vdagent.backends.memory import MemoryClipboard, MemoryDisplay
from vdagent.backends.x11.clipboard import X11Clipboard
from vdagent.backends.x11.desktop import connect
from vdagent.backends.x11.targets import TARGETS
from vdagent.errors import DesktopError

# For programs that never answer; those that do have to within that, on a busy machine, too.
IMPATIENT = Patience(first_s=2.0, progress_s=1.0, max_bytes=64 << 20)


class Listener:
    """A viewer: what the backend told it, and what it hands over when something pastes."""

    def __init__(self) -> None:
        self.owners: list[tuple[Selection, tuple[Format, ...]]] = []
        self.secret = False  # what was said of the newest owner
        self.contents: dict[tuple[Selection, Format], Buffer] = {}
        self.pastes = 0
        self.gate: asyncio.Event | None = None
        self.layouts = 0
        self.lost: list[str] = []

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None:
        self.owners.append((selection, tuple(formats)))
        self.secret = secret

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        self.pastes += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.contents.get((selection, fmt), b"")

    def on_layout_changed(self) -> None:
        self.layouts += 1

    async def heard(self, selection: Selection, *formats: Format) -> None:
        """Wait until this is the newest that was said."""
        await until(
            lambda: self.owners[-1:] == [(selection, formats)], f"{formats} seen in {self.owners}"
        )


class Guest(Protocol):
    """Guest programs of one desktop."""

    async def copy(self, selection: Selection, contents: Mapping[Format, bytes]) -> None: ...
    async def copy_unsupported(self, selection: Selection) -> None: ...
    async def exit(self) -> None: ...
    async def paste(self, selection: Selection, fmt: Format) -> bytes: ...


class MemoryGuest:
    def __init__(self, clipboard: MemoryClipboard) -> None:
        self._clipboard = clipboard

    async def copy(self, selection: Selection, contents: Mapping[Format, bytes]) -> None:
        self._clipboard.copy(selection, contents)

    async def copy_unsupported(self, selection: Selection) -> None:
        self._clipboard.copy(selection, {})

    async def exit(self) -> None:
        for selection in Selection:
            self._clipboard.exit(selection)

    async def paste(self, selection: Selection, fmt: Format) -> bytes:
        return bytes(await self._clipboard.paste(selection, fmt))


class X11Guest:
    """xclip pastes and copies large contents; the app of tests.support copies several formats."""

    def __init__(self, server: XServer, stack: AsyncExitStack) -> None:
        require("xclip")
        self.server = server
        self._stack = stack
        self._app: AppProcess | None = None

    def app(self) -> AppProcess:
        app = AppProcess("x11_app", self.server.display)
        self._stack.callback(app.close)
        return app

    async def copy(self, selection: Selection, contents: Mapping[Format, bytes]) -> None:
        if max(map(len, contents.values()), default=0) > 100_000:
            ((fmt, data),) = contents.items()
            await self.xclip_copy(selection, TARGETS[fmt][0], data)
            return
        self._app = self._app or self.app()
        texts = {TARGETS[fmt][0]: content.decode("latin-1") for fmt, content in contents.items()}
        await self._app.own(selection=selection.name, contents=texts)

    async def copy_unsupported(self, selection: Selection) -> None:
        self._app = self._app or self.app()
        await self._app.own(selection=selection.name, contents={"application/x-other": "?"})

    async def exit(self) -> None:
        if self._app is not None:
            self._app.close()
            self._app = None

    async def xclip_copy(self, selection: Selection, target: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        self._stack.callback(os.unlink, file.name)
        process = spawn([*self._xclip(selection, target), "-i", "-quiet", file.name])
        self._stack.callback(stop, process)

    async def paste(self, selection: Selection, fmt: Format, target: str = "") -> bytes:
        argv = [*self._xclip(selection, target or TARGETS[fmt][0]), "-o"]
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=1 << 22
        )
        try:
            out, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise DesktopError("xclip got nothing")
        return out

    def _xclip(self, selection: Selection, target: str) -> list[str]:
        return [
            "xclip",
            "-d",
            self.server.display,
            "-selection",
            selection.name.lower(),
            "-t",
            target,
        ]


class Desk:
    """A desktop under test."""

    def __init__(self, clipboard: Clipboard, display: Display, listener: Listener) -> None:
        self.clipboard = clipboard
        self.display = display
        self.listener = listener


class ClipboardDesk(Desk):
    guest: Guest


class X11Desk(ClipboardDesk):
    """One on an X server, with guest programs."""

    clipboard: X11Clipboard
    server: XServer
    guest: X11Guest

    async def outputs(self) -> dict[str, Rect | None]:
        layout = await self.display.layout()
        return {output.name: output.rect for output in layout.outputs}


@asynccontextmanager
async def x11_desk(server: XServer, patience: Patience = Patience()) -> AsyncIterator[X11Desk]:
    """Connected to `server`."""
    listener = Listener()
    async with AsyncExitStack() as stack:
        clipboard, display = await connect(
            server.display, listener, listener, listener.lost.append, patience
        )
        stack.push_async_callback(clipboard.close)
        stack.push_async_callback(display.close)
        desk = X11Desk(clipboard, display, listener)
        desk.server = server
        desk.guest = X11Guest(server, stack)
        yield desk


@asynccontextmanager
async def open_desk(
    kind: str,
    directory: Path,
    patience: Patience = Patience(),
) -> AsyncIterator[ClipboardDesk]:
    """A desktop of this kind: "memory", "xvfb", "xorg-dummy", "sway", "kwin" or "gnome"."""
    if kind == "memory":
        listener = Listener()
        clipboard = MemoryClipboard(listener, patience)
        outputs = [Output(f"MEMORY-{n}", Rect(1024, 768) if n == 0 else None) for n in range(4)]
        desk = ClipboardDesk(clipboard, MemoryDisplay(listener, outputs, (8192, 8192)), listener)
        desk.guest = MemoryGuest(clipboard)
        yield desk
    elif kind in ("sway", "kwin"):
        from tests.backends.wayland_desks import open_wayland_desk

        async with open_wayland_desk(kind, directory, patience) as wayland:
            yield wayland
    elif kind == "gnome":
        from tests.backends.mutter_desks import open_gnome_desk

        async with open_gnome_desk(directory, patience) as gnome:
            yield gnome
    else:
        with xvfb(directory) if kind == "xvfb" else xorg_dummy(directory) as server:
            async with x11_desk(server, patience) as x11:
                yield x11
