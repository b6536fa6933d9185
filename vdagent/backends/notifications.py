# SPDX-License-Identifier: MIT
"""How does the desktop show a note to the user? org.freedesktop.Notifications, silence where it is not.

Specification: Desktop Notifications 1.2.
"""

from __future__ import annotations

import asyncio
import logging

from ..errors import DesktopError
from .base import Action, Note
from .dbus import Bus, Variant, session_bus_address

log = logging.getLogger("desktop")

SERVICE = (
    "org.freedesktop.Notifications",
    "/org/freedesktop/Notifications",
    "org.freedesktop.Notifications",
)
# Where notes cannot be shown it is not tried again for each.
SILENCE_S = 30.0
# A result with a button is listened to for that long, if it stays.
LISTEN_S = 600.0


class DesktopNotes:
    """Implements base.Notes: one notification, replaced by the next note."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bus: Bus | None = None
        self._next: tuple[Note, Action | None] | None = None
        self._action: Action | None = None
        self._id = 0  # what is shown now, 0: nothing
        self._is_result = False  # what is shown: it stays, and the next note is another one
        self._deaf: asyncio.TimerHandle | None = None
        self._closing = False
        self.dismissed = False  # the user has closed the progress of what goes on
        self._silent_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def show(self, note: Note, action: Action | None = None) -> None:
        # Only the newest counts: a slow bus skips progress.
        self._next = note, action
        self._work()

    def close(self) -> None:
        self._next, self._closing = None, True
        self._work()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be shown."""
        return self._task is None or self._task.done()

    def _work(self) -> None:
        if self.idle:
            self._task = self._loop.create_task(self._show_all())

    async def _show_all(self) -> None:
        try:
            while self._next is not None:
                (note, action), self._next = self._next, None
                if self._loop.time() >= self._silent_until:
                    await self._show(note, action)
            if self._closing:
                await self._close()
        except DesktopError as error:
            log.info("desktop: cannot show what happens to files: %s", error)
            self._silent_until = self._loop.time() + SILENCE_S
            self._forget_bus()
        self._closing = False

    async def _show(self, note: Note, action: Action | None) -> None:
        is_progress = note.percent is not None
        if self._is_result:
            self._forget_note()
        if is_progress and self.dismissed:
            return
        bus = self._bus or await self._connect()
        self._action = action
        await self._notify(bus, note, action)
        if is_progress:
            return
        # The last word is said: the connection is needed for its button only.
        self._is_result = True
        if action is None or not self._id:
            self._forget_bus()
        else:
            self._deaf = self._loop.call_later(LISTEN_S, self._forget_bus)

    async def _notify(self, bus: Bus, note: Note, action: Action | None) -> None:
        actions = [action.key, action.label] if action is not None else []
        if note.percent is None:
            hints = {"urgency": Variant("y", 1)}
        else:
            hints = {
                "urgency": Variant("y", 0),
                "value": Variant("i", note.percent),
                "transient": Variant("b", True),
            }
        await bus.call(
            SERVICE,
            "Notify",
            "susssasa{sv}i",
            "SPICE agent",
            self._id,
            "document-save",
            note.summary,
            _escape(note.body),
            actions,
            hints,
            -1,
            on_answer=self._on_shown,
        )

    async def _close(self) -> None:
        if self._bus is not None and self._id and not self._is_result:
            await self._bus.call(SERVICE, "CloseNotification", "u", self._id)
        self._forget_bus()

    async def _connect(self) -> Bus:
        bus = await Bus.connect(session_bus_address())
        self._bus = bus
        signals = {"sender": SERVICE[0], "interface": SERVICE[2]}
        await bus.watch(self._on_action, **signals, member="ActionInvoked")
        await bus.watch(self._on_closed, **signals, member="NotificationClosed")
        return bus

    def _on_shown(self, id_: int) -> None:
        self._id = id_

    def _on_action(self, path: str, id_: int, action: str) -> None:
        wanted = self._action
        if id_ == self._id and wanted is not None and action == wanted.key:
            wanted.call()

    def _on_closed(self, path: str, id_: int, reason: int) -> None:
        if id_ == self._id:
            self._id, self.dismissed = 0, True
            if self._is_result:
                self._forget_bus()

    def _forget_bus(self) -> None:
        if self._bus is not None:
            self._bus.close()
            self._bus = None
        self._forget_note()

    def _forget_note(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None
        self._id, self._action, self.dismissed, self._is_result = 0, None, False, False


def _escape(text: str) -> str:
    """The body is markup, the summary is not."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
