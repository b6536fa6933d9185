# SPDX-License-Identifier: MIT
"""How is Mutter's clipboard spoken with over D-Bus?

A remote-desktop session that is never started: so nobody is asked for consent, and the shell shows no
"screen shared" sign. Its clipboard has an interface of its own from Mutter 51 on; until then (and
there as well) the session has the same methods. CLIPBOARD only. The API is private to GNOME.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..dbus import Bus, BusError, Variant, plain

NAME = "org.gnome.Mutter.RemoteDesktop"
MAX_TYPES = 256
BUSY_S = 1.0
AGAIN_S = 0.01

_REMOTE_DESKTOP = (NAME, "/org/gnome/Mutter/RemoteDesktop", NAME)
# The clipboard's interface, and what its method for enabling it is called.
_NEWER = ("org.gnome.Mutter.Clipboard", "Enable")
_OLDER = (f"{NAME}.Session", "EnableClipboard")
_BUSY = "org.freedesktop.DBus.Error.LimitsExceeded"
_UNKNOWN = tuple(
    f"org.freedesktop.DBus.Error.Unknown{what}" for what in ("Method", "Interface", "Object")
)

log = logging.getLogger("mutter")


class SessionListener(Protocol):
    """Who is told what happens to the clipboard."""

    def on_owner(self, mime_types: Sequence[str], ours: bool) -> None:
        """Somebody owns it from now on; without MIME types nobody does."""

    def on_transfer(self, mime_type: str, serial: int) -> None:
        """Somebody reads what we own. Mutter waits for 15 s."""

    def on_closed(self) -> None:
        """Mutter has ended the session."""


class ClipboardSession:
    """A session of Mutter's that has the clipboard; it ends with its bus connection."""

    def __init__(self, bus: Bus, path: str, interface: str) -> None:
        self._bus = bus
        self._clipboard = (NAME, path, interface)

    @classmethod
    async def open(cls, bus: Bus, listener: SessionListener) -> ClipboardSession:
        """Begin; the present owner is told before this returns. Raises BusError if Mutter refuses."""
        (path,) = await bus.call(_REMOTE_DESKTOP, "CreateSession")
        closed = {"path": path, "interface": f"{NAME}.Session", "member": "Closed"}
        await bus.watch(lambda _: listener.on_closed(), sender=NAME, **closed)
        session = cls(bus, path, _NEWER[0])
        try:
            await session._enable(listener, _NEWER[1])
        except BusError as error:
            if error.name not in _UNKNOWN:
                raise
            session = cls(bus, path, _OLDER[0])
            await session._enable(listener, _OLDER[1])
        log.debug("clipboard: using %s", session._clipboard[2])
        return session

    async def _enable(self, listener: SessionListener, member: str) -> None:
        _, path, interface = self._clipboard
        match = {"sender": NAME, "path": path, "interface": interface}
        await self._bus.watch(_told(listener), member="SelectionOwnerChanged", **match)
        await self._bus.watch(
            lambda _, mime_type, serial: listener.on_transfer(mime_type, serial),
            member="SelectionTransfer",
            **match,
        )
        await self._bus.call(self._clipboard, member, "a{sv}", {})

    async def own(self, mime_types: Sequence[str], owned: Callable[[], None]) -> None:
        """Own the clipboard; transfers told before `owned()` is called were asked meanwhile."""
        options = {"mime-types": Variant("as", list(mime_types))}
        await self._bus.call(self._clipboard, "SetSelection", "a{sv}", options, on_answer=owned)

    async def disown(self) -> None:
        """Own it no longer."""
        await self._bus.call(self._clipboard, "SetSelection", "a{sv}", {})

    async def read(self, mime_type: str) -> int:
        """The reading end of a pipe for what somebody else owns; one at a time.

        Mutter closes its end of a pipe a moment before it is ready for the next read.
        """
        deadline = asyncio.get_running_loop().time() + BUSY_S
        while True:
            try:
                return await self._bus.call_fd(self._clipboard, "SelectionRead", "s", mime_type)
            except BusError as error:
                if error.name != _BUSY or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(AGAIN_S)

    async def write(self, serial: int) -> int:
        """The writing end of a pipe to whoever reads what we own. Ends the 15 s."""
        return await self._bus.call_fd(self._clipboard, "SelectionWrite", "u", serial)

    async def written(self, serial: int, well: bool) -> None:
        """The pipe of `write` is closed."""
        await self._bus.call(self._clipboard, "SelectionWriteDone", "ub", serial, well)


def _told(listener: SessionListener) -> Callable[..., None]:
    def told(path: str, options: dict[str, Any]) -> None:
        known = plain(options)
        mime_types = known.get("mime-types", [])
        if len(mime_types) == 1 and isinstance(mime_types[0], list):
            (mime_types,) = mime_types  # before Mutter 51 a list in a struct
        listener.on_owner(mime_types[:MAX_TYPES], bool(known.get("session-is-owner")))

    return told
