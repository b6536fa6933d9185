# SPDX-License-Identifier: MIT
"""The session agent: one desktop, one connection to the daemon.

Composition root: `_FROM_DAEMON` is the whole of what it does with each message. The desktop is there for
as long as the process; the daemon may come and go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .backends.base import Clipboard, Display
from .backends.drm import DrmWatch, find_connector, preferred_modes, watch
from .daemon_link import DaemonLink
from .errors import DesktopError
from .handlers.clipboard import ClipboardHandler
from .handlers.follow import Follow
from .handlers.resolution import ResolutionHandler
from .protocol import messages as m
from .protocol import udscs
from .protocol.constants import FileXferResult
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


Desktop = tuple[Clipboard, Display]
ConnectDesktop = Callable[["Session"], Awaitable[Desktop]]


class Session:
    """Everything the session agent owns, wired."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.daemon = DaemonLink(settings.socket, self._connected, self._received, self._lost)
        self.clipboard = ClipboardHandler(self.daemon.send)
        self.resolution = ResolutionHandler(self.daemon.send, find_connector)
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
            m.ClientDisconnected: self.clipboard.client_disconnected,
            m.FileXferStart: self._refuse_file,
            m.FileXferData: _nothing,
            m.FileXferStatus: _nothing,
            m.AudioVolumeSync: _nothing,
            m.GraphicsDeviceInfo: self.resolution.devices,
            udscs.FileXferDisable: _nothing,
            udscs.Version: self._on_version,
            Skipped: _log_skipped,
        }

    async def start(self, connect_desktop: ConnectDesktop) -> None:
        """Take the desktop, then look for the daemon. Raises DesktopError without a desktop."""
        clipboard, display = self._desktop = await connect_desktop(self)
        self.clipboard.attach(clipboard)
        self.resolution.attach(display)
        self.daemon.start()
        if self._follow is not None:
            self._follow.attach(display)
            asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch_drm, self._follow)

    def _watch_drm(self, follow: Follow) -> None:
        if not self.ended.done():
            self._drm_watch = watch(follow.on_hotplug)

    def desktop_lost(self, reason: str) -> None:
        """The desktop has gone, and this session with it."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self) -> None:
        """Let go of everything."""
        self.daemon.close()
        self.clipboard.disconnected()
        self.resolution.close()
        if self._follow is not None:
            self._follow.close()
        if self._drm_watch is not None:
            self._drm_watch.close()
        if self._desktop is not None:
            for part in self._desktop:
                await part.close()

    def _connected(self) -> None:
        self.resolution.connected()
        self.clipboard.connected()
        self._on_ready()

    def _lost(self) -> None:
        self.resolution.disconnected()
        self.clipboard.disconnected()

    def _received(self, messages: list[udscs.FromDaemon]) -> None:
        for msg in messages:
            self._FROM_DAEMON[type(msg)](msg)

    def _on_version(self, msg: udscs.Version) -> None:
        log.info("session: the daemon is spice-vdagentd %s", msg.text)
        self.clipboard.daemon_is_foreign()

    def _refuse_file(self, msg: m.FileXferStart) -> None:
        self.daemon.send(m.FileXferStatus(msg.id, FileXferResult.DISABLED))


def _nothing(msg: object) -> None:
    """A message that is understood and means nothing here."""


def _log_skipped(event: Skipped) -> None:
    log.warning("session: skipped %s", event.reason)


async def connect_x11(session: Session, display: str | None) -> Desktop:
    """The X11 desktop of this session."""
    from .backends.x11.desktop import connect

    return await connect(display, session.clipboard, session.resolution, session.desktop_lost)


async def run(settings: Settings, stop: asyncio.Event, on_ready: Callable[[], None]) -> int:
    """Serve this session until `stop` is set or its desktop ends; the exit status."""
    session = Session(settings, on_ready)
    await session.start(lambda s: connect_x11(s, settings.display))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopping, session.ended), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await session.close()
    if session.ended.done():
        raise DesktopError(f"session: the desktop has gone: {session.ended.result()}")
    return 0
