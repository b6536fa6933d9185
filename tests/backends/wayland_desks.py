# SPDX-License-Identifier: MIT
"""How do tests get a Wayland desktop with guest programs: sway or KWin, wl-copy and wl-paste?"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.backends.desks import ClipboardDesk, Listener
from tests.support.app_process import AppProcess
from tests.support.compositors import Compositor, kwin, sway
from tests.support.processes import spawn, stop
from tests.support.tools import require
from vdagent.backends.base import Format, Patience, Rect, Selection
from vdagent.backends.mime import MIME_TYPES
from vdagent.backends.wayland.clipboard import WaylandClipboard
from vdagent.backends.wayland.desktop import WaylandDesktop
from vdagent.errors import DesktopError

ONE_HEAD_ON = "\n".join(f"output HEADLESS-{n} disable" for n in (2, 3, 4))

STARTERS: dict[str, Callable[[Path], AbstractContextManager[Compositor]]] = {
    "sway": lambda directory: sway(directory, 4, ONE_HEAD_ON),
    "kwin": kwin,
}


def wayland_program(compositor: Compositor, program: str = "wayland_app") -> AppProcess:
    """A program of tests.support on this compositor."""
    return AppProcess(program, str(compositor.socket), compositor.directory / "app.log")


class WaylandGuest:
    """wl-paste pastes, wl-copy copies one format; the app of tests.support copies several."""

    def __init__(self, compositor: Compositor, stack: AsyncExitStack) -> None:
        require("wl-copy", "wl-paste")
        self.compositor = compositor
        self._stack = stack
        self._owners: list[Callable[[], Any]] = []
        self._looks: AppProcess | None = None
        self._look = asyncio.Lock()

    def app(self, program: str = "wayland_app") -> AppProcess:
        app = wayland_program(self.compositor, program)
        self._stack.callback(app.close)
        return app

    async def copy(self, selection: Selection, contents: Mapping[Format, bytes]) -> None:
        # KWin 5.27 does not tell of a PRIMARY that nobody owns; wl-copy takes that for "has none".
        if len(contents) == 1 and (self.compositor.kind, selection) != ("kwin", Selection.PRIMARY):
            ((fmt, data),) = contents.items()
            self.wl_copy(selection, MIME_TYPES[fmt][0], data)
            return
        app = self.app()
        self._owners.append(app.close)
        texts = {MIME_TYPES[fmt][0]: content.decode("latin-1") for fmt, content in contents.items()}
        await app.own(selection=selection.name, contents=texts)

    async def copy_unsupported(self, selection: Selection) -> None:
        self.wl_copy(selection, "application/x-other", b"?")

    async def exit(self) -> None:
        while self._owners:
            self._owners.pop()()

    def wl_copy(self, selection: Selection, mime: str, data: bytes) -> None:
        """-f: otherwise it goes on in the background, where nobody ends it."""
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            argv = ["wl-copy", "-f", "-t", mime, *_primary(selection)]
            process = spawn(argv, stdin=file, env=self.compositor.environment)
        self._owners.append(lambda: stop(process))
        self._stack.callback(stop, process)

    async def _anything(self, selection: Selection) -> bool:
        """Whether a paste would end: wl-paste waits for a word that KWin 5.27 never says of nothing."""
        async with self._look:
            self._looks = self._looks or self.app()
            return bool(await self._looks.holds(selection=selection.name))

    async def paste(self, selection: Selection, fmt: Format, mime: str = "") -> bytes:
        if self.compositor.kind == "kwin" and not await self._anything(selection):
            raise DesktopError("the clipboard is empty")
        argv = ["wl-paste", "-n", "-t", mime or MIME_TYPES[fmt][0], *_primary(selection)]
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=1 << 22,
            env=self.compositor.environment,
            start_new_session=True,
        )
        try:
            out, _ = await process.communicate()
        except asyncio.CancelledError:
            os.killpg(process.pid, signal.SIGKILL)  # wl-paste has a `cat` do its work
            await process.wait()
            raise
        # A pipe cannot say "refused": a picture that does not come is an empty one.
        if process.returncode or (not out and fmt is not Format.TEXT):
            raise DesktopError("wl-paste got nothing")
        return out


def _primary(selection: Selection) -> list[str]:
    return ["--primary"] if selection is Selection.PRIMARY else []


class WaylandDesk(ClipboardDesk):
    """One on a compositor, with guest programs."""

    clipboard: WaylandClipboard
    compositor: Compositor
    guest: WaylandGuest

    async def outputs(self) -> dict[str, Rect | None]:
        layout = await self.display.layout()
        return {output.name: output.rect for output in layout.outputs}


@asynccontextmanager
async def wayland_desk(
    compositor: Compositor,
    patience: Patience = Patience(),
) -> AsyncIterator[WaylandDesk]:
    """Connected to `compositor`."""
    listener = Listener()
    async with AsyncExitStack() as stack:
        wayland = WaylandDesktop(
            str(compositor.socket), listener, listener, listener.lost.append, patience
        )
        await wayland.open()
        stack.push_async_callback(wayland.close)
        wayland.deliver()
        desk = WaylandDesk(wayland.clipboard, wayland.display, listener)
        desk.compositor = compositor
        desk.guest = WaylandGuest(compositor, stack)
        yield desk


@asynccontextmanager
async def open_wayland_desk(
    kind: str, directory: Path, patience: Patience
) -> AsyncIterator[WaylandDesk]:
    """A desktop of this kind: "sway" (one of four outputs on) or "kwin" (two of two)."""
    # pytest's directories are for their user alone, and sway runs as another one.
    with tempfile.TemporaryDirectory() as private:
        os.chmod(private, 0o755)
        with STARTERS[kind](Path(private)) as compositor:
            async with wayland_desk(compositor, patience) as desk:
                yield desk
