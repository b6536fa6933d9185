# SPDX-License-Identifier: MIT
"""Which desktop does this session have, and which way to it is the best one?

By feature, never by the desktop's name. Selections: data-control (ext before zwlr), then Mutter's
D-Bus services, then X11, which on Wayland is XWayland. Outputs: the compositor's output management or
Mutter's, else only their layout; on X11 RandR. What one way does not serve another one may, so that
PRIMARY can come from elsewhere. Each decision is logged once, with its reason.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .backends.base import (
    ALWAYS_OURS,
    Claim,
    Clipboard,
    ClipboardListener,
    Display,
    DisplayListener,
    Selection,
)
from .backends.split import OnlyFor, SplitClipboard
from .display_names import compositor_at
from .errors import DesktopError

if TYPE_CHECKING:
    from .backends.mutter.desktop import MutterDesktop
    from .backends.wayland.desktop import WaylandDesktop

log = logging.getLogger("desktop")

FLATPAK_INFO = "/.flatpak-info"

# What compositors do with the selections of X11 programs.
BOTH_WAYS = "Mutter passes it on both ways"
NO_XWAYLAND = "the compositor does not serve it, and no XWayland runs"
NOT_TOLD = (
    "this X server is an XWayland, so clipboard and outputs pass in part only: WAYLAND_DISPLAY is not set "
    "where the session agent was started"
)
ONE_WAY = "most compositors pass it on in one direction, or only while an X11 window has the focus"


class Desktop(NamedTuple):
    """What a session works with; `close` lets go of all of it."""

    clipboard: Clipboard
    display: Display
    close: Callable[[], Awaitable[None]]


class Choice(NamedTuple):
    """By which means a part of the desktop is served: a selection's name, or "outputs"."""

    part: str
    by: str
    why: str


class Listeners(NamedTuple):
    """Whom the desktop tells; `on_lost(reason)` is called once, when it has gone for good."""

    clipboard: ClipboardListener
    display: DisplayListener
    on_lost: Callable[[str], None]
    on_choice: Callable[[Choice], None] = lambda choice: None
    claim: Claim = ALWAYS_OURS

    @property
    def ends(self) -> tuple[ClipboardListener, DisplayListener, Callable[[str], None]]:
        """Those a backend knows."""
        return self[:3]

    def chose(self, parts: Iterable[Selection], by: str, why: str, outputs: str = "") -> None:
        """Tell by which means these selections are served, and the outputs if `outputs` says so."""
        for selection in sorted(parts):
            self.on_choice(Choice(selection.name, by, why))
        if outputs:
            self.on_choice(Choice("outputs", outputs, why))


async def connect(
    listeners: Listeners,
    x_display: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Desktop:
    """The desktop of this session; an `x_display` that was asked for is taken. Raises DesktopError."""
    x_name = x_display or environment.get("DISPLAY") or None
    compositor = compositor_at(environment) if x_display is None else None
    if compositor is None:
        if x_name is None:
            raise DesktopError(
                "this session has no desktop: neither WAYLAND_DISPLAY nor DISPLAY is set",
                "start it from the desktop's autostart, or import both into systemd's user manager",
            )
        why = "as asked for" if x_display else "no Wayland"
        log.info("desktop: X11 at %s, %s", x_name, why)
        listeners.chose(Selection, f"X11 at {x_name}", why, "RandR")
        desktop = await _x11(listeners, x_name)
        if x_display is None and await _is_xwayland(desktop.display):
            log.warning("desktop: %s", NOT_TOLD)
            listeners.chose(Selection, f"XWayland at {x_name}", NOT_TOLD, "RandR")
        return desktop
    try:
        return await _wayland(compositor, listeners, x_name, environment)
    except DesktopError as error:
        if x_name is None:
            raise
        log.warning("desktop: X11 at %s, for %s", x_name, error)
        listeners.chose(Selection, f"X11 at {x_name}", str(error), "RandR")
        return await _x11(listeners, x_name)


async def _x11(listeners: Listeners, name: str) -> Desktop:
    with _importing("X11", "xlib"):
        from .backends.x11.desktop import connect as connect_x11

    clipboard, display = await connect_x11(name, *listeners.ends)

    async def close() -> None:
        await clipboard.close()
        await display.close()

    return Desktop(clipboard, display, close)


async def _is_xwayland(display: Display) -> bool:
    try:
        outputs = (await display.layout()).outputs
    except DesktopError:
        return False  # told when the outputs are needed
    return any(output.name.startswith("XWAYLAND") for output in outputs)


async def _wayland(
    compositor: str, listeners: Listeners, x_name: str | None, environment: Mapping[str, str]
) -> Desktop:
    with _importing("Wayland", "pywayland"):
        from .backends.wayland.clipboard import data_control
        from .backends.wayland.desktop import WaylandDesktop
        from .backends.wayland.display import output_management

    wayland = WaylandDesktop(compositor, *listeners.ends, claim=listeners.claim)
    connection = await wayland.open()
    protocol = data_control(connection)
    if protocol is None and (mutter := await _mutter(listeners, environment)) is not None:
        await wayland.close()
        return await _native(mutter, mutter.clipboard.selections, listeners, x_name, BOTH_WAYS)
    selections = wayland.clipboard.selections if protocol is not None else frozenset[Selection]()
    if protocol is not None:
        log.info("desktop: %s by %s, Wayland at %s", _names(selections), protocol.name, compositor)
        listeners.chose(selections, protocol.name, f"{compositor} offers it")
    else:
        problem = no_data_control(environment)
        log.warning("desktop: %s", problem)
        listeners.chose(Selection, "nothing", problem)
    management = output_management(connection)
    if management is None:
        log.info("desktop: this compositor lets no program set its outputs, only read them")
        listeners.chose((), "", "this compositor lets no program set its outputs", "reading only")
    else:
        log.info("desktop: outputs by %s", management.protocol)
        listeners.chose((), "", f"{compositor} offers it", management.protocol)
    return await _native(wayland, selections, listeners, x_name, ONE_WAY)


async def _mutter(listeners: Listeners, environment: Mapping[str, str]) -> MutterDesktop | None:
    """GNOME's desktop, None if this is none."""
    try:
        with _importing("D-Bus", "dbus_next"):
            from .backends.dbus import session_bus_address
            from .backends.mutter.desktop import MutterDesktop
    except DesktopError as error:
        log.warning("desktop: whether this is GNOME cannot be told: %s", error)
        return None
    address = session_bus_address(environment)
    mutter = MutterDesktop(address, *listeners.ends, claim=listeners.claim)
    try:
        await mutter.open()
    except DesktopError as error:
        log.debug("desktop: not GNOME: %s", error)
        return None
    log.info(
        "desktop: %s and outputs by Mutter's D-Bus services, for it has no data-control",
        _names(mutter.clipboard.selections),
    )
    dbus = "Mutter's D-Bus services"
    listeners.chose(mutter.clipboard.selections, dbus, "it has no data-control", dbus)
    return mutter


async def _native(
    desktop: WaylandDesktop | MutterDesktop,
    selections: frozenset[Selection],
    listeners: Listeners,
    x_name: str | None,
    bridge: str,
) -> Desktop:
    """A desktop that serves `selections`, and the others by XWayland."""
    parts: dict[Selection, Clipboard] = dict.fromkeys(selections, desktop.clipboard)
    missing = frozenset(Selection) - selections
    if missing and x_name is not None:
        parts |= await _xwayland(listeners, x_name, missing, bridge, start=not selections)
    elif missing and selections:
        listeners.chose(missing, "nothing", NO_XWAYLAND)
    desktop.deliver()
    clipboard = SplitClipboard(parts)

    async def close() -> None:
        await clipboard.close()
        await desktop.close()

    return Desktop(clipboard, desktop.display, close)


async def _xwayland(
    listeners: Listeners, x_name: str, selections: frozenset[Selection], bridge: str, start: bool
) -> dict[Selection, Clipboard]:
    """What the compositor does not serve, from its X server, while one runs.

    For all of the clipboard it is worth an X server that nothing else may need: `start` it then.
    """
    names = _names(selections)

    async def x11(heard: ClipboardListener, on_lost: Callable[[str], None]) -> Clipboard:
        only = OnlyFor(selections, heard)
        desktop = await _x11(listeners._replace(clipboard=only, on_lost=on_lost), x_name)
        await desktop.display.close()  # the compositor's own word counts
        log.warning("desktop: %s by XWayland at %s; %s", names, x_name, bridge)
        listeners.chose(selections, f"XWayland at {x_name}", bridge)
        return desktop.clipboard

    def gone(reason: str) -> None:
        log.warning("desktop: no %s: %s", names, reason)
        listeners.chose(selections, "nothing", reason)

    with _importing("X11", "xlib"):
        from .backends.x11.starts import XWaylandStarts, runs
        from .backends.xwayland import XWaylandClipboard
    clipboard = XWaylandClipboard(selections, listeners.clipboard, x11, gone)
    starts = XWaylandStarts(x_name)
    try:
        if start or runs(x_name):
            await clipboard.open()
        else:
            log.info("desktop: no %s until an XWayland runs, which is not started for it", names)
            listeners.chose(selections, "nothing", NO_XWAYLAND)
    except DesktopError as error:
        gone(str(error))
    clipboard.follow(starts)
    return dict.fromkeys(selections, clipboard)


@contextmanager
def _importing(what: str, module: str) -> Iterator[None]:
    """What needs another package, which an upgrade of Python or half an installation can break."""
    try:
        yield
    except ImportError as error:
        hint = f"the Python module {module} is missing or broken: install vdagent anew"
        raise DesktopError(f"{what} cannot be used: {error}", hint) from error


def no_data_control(environment: Mapping[str, str]) -> str:
    """One sentence on why there is no clipboard by Wayland's own means."""
    if os.path.exists(FLATPAK_INFO) or environment.get("container") == "flatpak":
        return _sandboxed("Flatpak")
    if environment.get("SNAP"):
        return _sandboxed("Snap")
    return (
        "this compositor has neither ext_data_control_v1 nor zwlr_data_control_v1, so its clipboard "
        "is out of reach of programs without a window"
    )


def _sandboxed(sandbox: str) -> str:
    return (
        f"this compositor hides its clipboard from programs in a sandbox such as this {sandbox}: "
        "install vdagent as a package of the system and start it from the desktop's autostart"
    )


def _names(selections: Mapping[Selection, object] | frozenset[Selection]) -> str:
    return " and ".join(selection.name for selection in sorted(selections)) or "no selection"
