# SPDX-License-Identifier: MIT
"""The session agent: one desktop, one connection to the daemon.

Composition root: `_FROM_DAEMON` is the whole of what it does with each message. The desktop is there for
as long as the process; the daemon may come and go.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from . import lean
from .backends.base import FileStore, Mixer, Notes
from .backends.drm import DrmWatch, find_connector, preferred_modes, watch
from .backends.webdav import find_mount
from .daemon_link import DaemonLink
from .desktops import Desktop, Listeners
from .desktops import connect as connect_desktop
from .errors import DesktopError
from .handlers.clipboard import ClipboardHandler
from .handlers.file_transfer import FileTransferHandler
from .handlers.follow import Follow
from .handlers.resolution import ResolutionHandler
from .handlers.volume import VolumeHandler
from .pointer_scales import PointerScales
from .protocol import messages as m
from .protocol import udscs
from .protocol.events import Skipped

log = logging.getLogger("session")

# Behind the first report: pyudev is a good part of the start-up time.
WATCH_AFTER_S = 1.0


@dataclass(frozen=True)
class Settings:
    """The session agent's command line."""

    port: str = "/dev/virtio-ports/com.redhat.spice.0"
    socket: str = "/run/spice-vdagentd/spice-vdagent-sock"
    save_dir: str | None = None
    open_dir: bool | None = None
    display: str | None = None
    follow: bool = True


class Session:
    """Everything the session agent owns, wired."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.daemon = DaemonLink(settings.socket, self._connected, self._received, self._lost)
        self.clipboard = ClipboardHandler(self.daemon.send, find_mount)
        self._scales = PointerScales(settings.socket)
        self.resolution = ResolutionHandler(self.daemon.send, self._scales.tell, find_connector)
        self.files = FileTransferHandler(
            self.daemon.send, lambda: _downloads(settings), _desktop_notes, self.daemon.pause
        )
        self.volume = VolumeHandler(_mixer)
        self._desktop: Desktop | None = None
        self._follow = Follow(preferred_modes) if settings.follow else None
        self._drm_watch: DrmWatch | None = None
        self._FROM_DAEMON: dict[type, Callable[[Any], None]] = {
            m.MonitorsConfig: self.resolution.monitors,
            m.ClipboardGrab: self.clipboard.grab,
            m.ClipboardRequest: self.clipboard.request,
            m.Clipboard: self.clipboard.data,
            m.ClipboardBegin: self.clipboard.begin,
            m.ClipboardPart: self.clipboard.part,
            m.ClipboardEnd: self.clipboard.end,
            m.ClipboardRelease: self.clipboard.release,
            m.ClientDisconnected: self._on_client_disconnected,
            m.FileXferStart: self.files.start,
            m.FileXferData: self.files.data,
            m.FileXferStatus: self.files.status,
            m.AudioVolumeSync: self.volume.sync,
            m.GraphicsDeviceInfo: self.resolution.devices,
            udscs.FileXferDisable: self.files.disable,
            udscs.Version: self._on_version,
            Skipped: _log_skipped,
        }

    async def start(self, connecting: Awaitable[Desktop]) -> None:
        """Take the desktop, then look for the daemon. Raises DesktopError without a desktop."""
        desktop = self._desktop = await connecting
        self.clipboard.attach(desktop.clipboard)
        self.resolution.attach(desktop.display)
        self.daemon.start()
        if self._follow is not None:
            self._follow.attach(desktop.display)
            asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch_drm, self._follow)

    def _watch_drm(self, follow: Follow) -> None:
        if not self.ended.done():
            self._drm_watch = watch(follow.on_hotplug)
            follow.on_hotplug()  # what came before we looked

    def desktop_lost(self, reason: str) -> None:
        """The desktop has gone, and this session with it."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self) -> None:
        """Let go of everything."""
        await self.files.close()
        self.daemon.close()
        await self.volume.close()
        self.clipboard.disconnected()
        self.resolution.close()
        self._scales.close()
        if self._follow is not None:
            self._follow.close()
        if self._drm_watch is not None:
            self._drm_watch.close()
        if self._desktop is not None:
            await self._desktop.close()

    def _connected(self) -> None:
        self._scales.connected()
        self.resolution.connected()
        self.clipboard.connected()
        self.files.connected()
        self._on_ready()

    def _lost(self) -> None:
        self.resolution.disconnected()
        self.clipboard.disconnected()
        self.files.disconnected()

    def _received(self, messages: list[udscs.FromDaemon]) -> None:
        for msg in messages:
            if not isinstance(msg, m.ClipboardPart):
                log.debug("daemon → %s", msg)
            self._FROM_DAEMON[type(msg)](msg)

    def _on_version(self, msg: udscs.Version) -> None:
        log.info("session: the daemon is spice-vdagentd %s", msg.text)
        self.clipboard.daemon_is_foreign()

    def _on_client_disconnected(self, msg: m.ClientDisconnected) -> None:
        self.clipboard.client_disconnected(msg)
        self.files.client_disconnected(msg)


def _log_skipped(event: Skipped) -> None:
    log.warning("session: skipped %s", event.reason)


# What many sessions never use is imported when it is used.


def _downloads(settings: Settings) -> FileStore:
    from .backends.downloads import Downloads

    async def has_desktop_icons() -> bool:
        if settings.display is None and os.environ.get("WAYLAND_DISPLAY"):
            return False  # and asking X would start XWayland
        from .backends.x11.window_manager import has_desktop_icons

        return await has_desktop_icons(settings.display)

    return Downloads(settings.save_dir, settings.open_dir, has_desktop_icons)


def _desktop_notes() -> Notes:
    from .backends.notifications import DesktopNotes

    return DesktopNotes()


def _mixer() -> Mixer:
    from .backends.pulse import PulseMixer

    return PulseMixer()


async def run(settings: Settings, stop: asyncio.Event, on_ready: Callable[[], None]) -> int:
    """Serve this session until `stop` is set or its desktop ends; the exit status."""
    session = Session(settings, on_ready)
    listeners = Listeners(session.clipboard, session.resolution, session.desktop_lost)
    stopping = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(session.start(connect_desktop(listeners, settings.display)))
    await asyncio.wait((stopping, starting), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # a desktop that does not answer keeps nobody here
        starting.cancel()
        await asyncio.wait((starting,))
        return 0
    starting.result()
    lean.after_start()
    await asyncio.wait((stopping, session.ended), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await session.close()
    if session.ended.done():
        raise DesktopError(f"session: the desktop has gone: {session.ended.result()}")
    return 0
