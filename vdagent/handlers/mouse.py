# SPDX-License-Identifier: MIT
"""Where on the desktop is the viewer's pointer, and does the guest have a device to show it? (daemon)"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..backends.base import Pointer, PointerFactory
from ..errors import SystemFault
from ..protocol.udscs import GuestResolution, Screen

log = logging.getLogger("tablet")

State = tuple[int, int, int]


class Mouse:
    """Maps pointer messages to the desktop and plays them on a tablet that fits it.

    The viewer sends pixels of one display; the tablet covers the whole desktop. What is held and
    where survives the tablet: a new one starts with the state of the old one.
    """

    def __init__(self, make_pointer: PointerFactory) -> None:
        self._make_pointer = make_pointer
        self.pointer: Pointer | None = None
        self._size = (0, 0)
        self._screens: dict[int, Screen] = {}
        self._last: State | None = None

    def show(self, desktop: GuestResolution) -> None:
        """Have a tablet for this desktop. Raises SystemFault if there can be none.

        The device is made anew only if the desktop's size changed: X and compositors take a moment
        to pick a new one up.
        """
        self._screens = {}
        for screen in desktop.screens:
            if screen.width > 0 and screen.height > 0:
                self._screens.setdefault(screen.display_id, screen)
        if self.pointer is not None and self._size == (desktop.width, desktop.height):
            return
        self.hide()
        self._size = (desktop.width, desktop.height)
        self.pointer = self._make_pointer(*self._size)
        log.info("tablet: ready for a desktop of %dx%d", *self._size)
        if self._last is not None:
            x, y, buttons = self._last
            width, height = self._size
            if not self._play([(min(x, width - 1), min(y, height - 1), buttons)]):
                raise SystemFault("tablet: the new device did not take its first event")

    def hide(self) -> None:
        """Have no tablet."""
        if self.pointer is not None:
            self.pointer.close()
            self.pointer = None

    def forget(self) -> None:
        """The viewer has gone: nothing is held any more."""
        if self._last is not None and self._last[2]:
            self._play([(self._last[0], self._last[1], 0)])

    def handle(self, states: Sequence[tuple[int, int, int, int]]) -> bool:
        """Play (x, y, buttons, display_id) states; False when the tablet is lost.

        Displays nobody reported are ignored, their buttons too: they are not this desktop's.
        """
        right, bottom = self._size[0] - 1, self._size[1] - 1
        screens = self._screens
        played = []
        for x, y, buttons, display in states:
            screen = screens.get(display)
            if screen is None:
                continue
            x += screen.x
            y += screen.y
            played.append(
                (
                    0 if x < 0 else right if x > right else x,
                    0 if y < 0 else bottom if y > bottom else y,
                    buttons,
                )
            )
        return not played or self._play(played)

    def _play(self, states: list[State]) -> bool:
        self._last = states[-1]
        if self.pointer is None:
            return False
        try:
            self.pointer.play(states)
        except SystemFault as error:
            log.error("%s", error)
            self.hide()
            return False
        return True
