# SPDX-License-Identifier: MIT
"""The session agent: one desktop, one connection to the daemon.

Composition root: `_daemon_rows` is the whole of what it does with each message. The desktop is there for
as long as the process; the daemon may come and go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import __version__, lean, single
from .backends.base import Claim, FileStore, Mixer, Notes
from .backends.drm import DrmWatch, find_connector, preferred_modes, watch
from .backends.webdav import find_mount
from .config.configuration import ConfigFiles, user_paths
from .config.meaning import clipboard_policy, file_policy, held_back, save_directory
from .control_link import ControlLink
from .daemon_link import DaemonLink
from .desktops import Choice, Desktop, Listeners
from .desktops import connect as connect_desktop
from .errors import DesktopError
from .handlers.clipboard import ClipboardHandler
from .handlers.file_transfer import FileTransferHandler
from .handlers.follow import Follow
from .handlers.resolution import ResolutionHandler
from .handlers.volume import VolumeHandler
from .log import LastError
from .options import CONFIG, PORT, SOCKET
from .protocol import messages as m
from .protocol import udscs
from .protocol.events import Skipped

if TYPE_CHECKING:
    import socket

    from .backends.downloads import Downloads
    from .control import Caller, ControlServer, Line

log = logging.getLogger("session")

# Behind the first report: pyudev and ctypes are a good part of the start-up time, json some of it.
WATCH_AFTER_S = 1.0
CONTROL_AFTER_S = 0.2


@dataclass(frozen=True)
class Settings:
    """The session agent's command line."""

    port: str = PORT
    socket: str = SOCKET
    control: str = ""  # the socket for `vdagent reload`; "": none
    config: str = CONFIG
    save_dir: str | None = None
    open_dir: bool | None = None
    display: str | None = None
    follow: bool = True


class Session:
    """Everything the session agent owns, wired."""

    def __init__(
        self,
        settings: Settings,
        on_ready: Callable[[], None],
        connection: socket.socket | None = None,
    ) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.daemon = DaemonLink(
            settings.socket, self._connected, self._received, self._lost, connection
        )
        self.control = ControlLink(settings.socket, self._told)
        self.clipboard = ClipboardHandler(self.daemon.send, find_mount)
        self.resolution = ResolutionHandler(self.daemon.send, self._tell_pointing, find_connector)
        self._save_dir: str | None = None
        self._store: Downloads | None = None
        self.files = FileTransferHandler(
            self.daemon.send, self._make_store, _desktop_notes, self.daemon.pause
        )
        self.volume = VolumeHandler(_mixer)
        self._desktop: Desktop | None = None
        self._follow: Follow | None = None
        self._drm_watch: DrmWatch | None = None
        self._choices: dict[str, Choice] = {}
        self._introduce()
        self._own_control: ControlServer | None = None
        self._control_start: asyncio.Task[None] | None = None  # kept from the garbage collector
        self._config = ConfigFiles(user_paths(settings.config), _from_command_line(settings))
        self._FROM_DAEMON = self._daemon_rows()
        self.load_config()

    def _daemon_rows(self) -> dict[type, Callable[[Any], None]]:
        return {
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
            m.GraphicsDeviceInfo: self._on_devices,
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
        loop = asyncio.get_running_loop()
        loop.call_later(WATCH_AFTER_S, lean.give_back_large_blocks)
        if self._follow is not None:
            self._follow.attach(desktop.display)
        loop.call_later(WATCH_AFTER_S, self._watch_drm)
        if self._settings.control:
            loop.call_later(CONTROL_AFTER_S, self._open_control)

    def _introduce(self) -> None:
        """What `vdagent status` is to know of us."""
        self.control.tell(
            version=__version__, desktop=os.environ.get("XDG_CURRENT_DESKTOP", ""), backends=[]
        )
        loop = asyncio.get_running_loop()

        def told(text: str) -> None:
            if not loop.is_closed():  # the last word of all comes when it is
                loop.call_soon_threadsafe(lambda: self.control.tell(last_error=text))

        self._last_error = LastError(told)
        logging.getLogger().addHandler(self._last_error)

    def chose(self, choice: Choice) -> None:
        """By which means a part of the desktop is served was decided."""
        self._choices[choice.part] = choice
        self.control.tell(backends=[choice._asdict() for choice in self._choices.values()])

    def _watch_drm(self) -> None:
        if self._follow is not None and self._drm_watch is None and not self.ended.done():
            self._drm_watch = watch(self._on_hotplug)
            self._follow.on_hotplug()  # what came before we looked

    def _on_hotplug(self) -> None:
        if self._follow is not None:
            self._follow.on_hotplug()

    # -- settings --------------------------------------------------------------------------------

    def load_config(self) -> list[str]:
        """Go by what the files of settings say now; what is wrong with them."""
        config = self._config.load()
        for mistake in config.mistakes:
            log.warning("config: %s", mistake)
        self.clipboard.set_policy(clipboard_policy(config))
        self.files.set_policy(file_policy(config))
        self._save_dir = save_directory(config)
        if self._store is not None:
            self._store.use(self._save_dir)
        self._set_follow(config.value("display.follow"))
        self.control.tell(held_back=held_back(config))
        return [str(mistake) for mistake in config.mistakes]

    def _set_follow(self, follows: bool) -> None:
        if not follows and self._follow is not None:
            self._follow.close()
            self._follow = None
        elif follows and self._follow is None:
            self._follow = Follow(preferred_modes)
            if self._desktop is not None:
                self._follow.attach(self._desktop.display)
                self._watch_drm()
        way = "the GPU's preferred mode" if follows else "nothing"
        self.chose(Choice("resize", way, "the desktop may not follow the host by itself"))

    def _open_control(self) -> None:
        from .control import ControlServer

        if self.ended.done():
            return
        with contextlib.suppress(OSError):  # binding will say why there is none
            os.makedirs(os.path.dirname(self._settings.control), 0o700, exist_ok=True)
        self._own_control = ControlServer(self._settings.control, {"reload": self._reload})
        self._control_start = asyncio.ensure_future(self._own_control.start())

    async def _reload(self, question: Line, caller: Caller) -> Line:
        caller.must_be_root()  # or this user
        return {"mistakes": self.load_config()}

    def _make_store(self) -> FileStore:
        self._store = _downloads(self._settings, self._save_dir)
        return self._store

    # -- the daemon ------------------------------------------------------------------------------

    def _tell_pointing(self, scales: Mapping[int, float], transforms: Mapping[int, int]) -> None:
        self.control.tell(
            pointer_scales={str(display): scale for display, scale in scales.items()},
            pointer_transforms={str(display): turned for display, turned in transforms.items()},
        )

    def _told(self, line: Mapping[str, Any]) -> None:
        """The daemon wants something udscs has no word for."""
        log.debug("control: the daemon says %s", line.get("do"))
        if line.get("do") == "reload":
            self.load_config()

    def _connected(self) -> None:
        self.control.connected()
        self.resolution.connected()
        self.clipboard.connected()
        self.files.connected()
        self._on_ready()

    def _lost(self) -> None:
        self.control.disconnected()
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

    def _on_devices(self, msg: m.GraphicsDeviceInfo) -> None:
        self.resolution.devices(msg)
        self.clipboard.client_came()  # spice-server says it for every client that comes

    def _on_client_disconnected(self, msg: m.ClientDisconnected) -> None:
        self.clipboard.client_disconnected(msg)
        self.files.client_disconnected(msg)

    # -- the end ---------------------------------------------------------------------------------

    def desktop_lost(self, reason: str) -> None:
        """The desktop has gone, and this session with it."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self) -> None:
        """Let go of everything."""
        logging.getLogger().removeHandler(self._last_error)
        if self._own_control is not None:
            self._own_control.close()
        await self.files.close()
        self.daemon.close()
        self.control.disconnected()
        await self.volume.close()
        self.clipboard.disconnected()
        self.resolution.close()
        if self._follow is not None:
            self._follow.close()
        if self._drm_watch is not None:
            self._drm_watch.close()
        if self._desktop is not None:
            await self._desktop.close()


def _log_skipped(event: Skipped) -> None:
    log.warning("session: skipped %s", event.reason)


def _from_command_line(settings: Settings) -> dict[str, Any]:
    """The options that are settings, too."""
    values: dict[str, Any] = {}
    if settings.save_dir is not None:
        values["files.directory"] = settings.save_dir
    if not settings.follow:
        values["display.follow"] = False
    return values


# What many sessions never use is imported when it is used.


def _downloads(settings: Settings, save_dir: str | None) -> Downloads:
    from .backends.downloads import Downloads

    async def has_desktop_icons() -> bool:
        if settings.display is None and os.environ.get("WAYLAND_DISPLAY"):
            return False  # and asking X would start XWayland
        from .backends.x11.window_manager import has_desktop_icons

        return await has_desktop_icons(settings.display)

    return Downloads(save_dir, settings.open_dir, has_desktop_icons)


def _desktop_notes() -> Notes:
    from .backends.notifications import DesktopNotes

    return DesktopNotes()


def _mixer() -> Mixer:
    from .backends.pulse import PulseMixer

    return PulseMixer()


async def run(
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
    connection: socket.socket | None = None,
) -> int:
    """Serve this session until `stop` is set or its desktop ends; the exit status."""
    session = Session(settings, on_ready, connection)
    claim = Claim(single.leave, single.claim_again)
    listeners = Listeners(
        session.clipboard, session.resolution, session.desktop_lost, session.chose, claim
    )
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
