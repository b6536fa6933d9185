# SPDX-License-Identifier: MIT
"""Where on the desktop is the viewer's pointer, and does the guest have a device to show it? (daemon)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..backends.base import Pointer, PointerFactory
from ..errors import SystemFault
from ..protocol.udscs import GuestResolution

log = logging.getLogger("tablet")

State = tuple[int, int, int]

_ALL_ALIKE: Mapping[int, float] = {}
_ALL_UPRIGHT: Mapping[int, int] = {}


class Place(NamedTuple):
    """Where on the desktop a display is, how many of the desktop's pixels each of its pixels is, and where
    in the rectangle it shows a pixel is that is not at its own place there."""

    left: int
    top: int
    scale: float = 1.0
    turn: Callable[[int, int], tuple[int, int]] | None = None


def turned(transform: int, width: int, height: int) -> Callable[[int, int], tuple[int, int]] | None:
    """A display's pixel → that of the rectangle of this size, which it shows with that `Output.transform`."""
    right, bottom = width - 1, height - 1
    return (
        None,
        lambda x, y: (right - y, x),
        lambda x, y: (right - x, bottom - y),
        lambda x, y: (y, bottom - x),
        lambda x, y: (right - x, y),
        lambda x, y: (y, x),
        lambda x, y: (x, bottom - y),
        lambda x, y: (right - y, bottom - x),
    )[transform]


class Mouse:
    """Maps pointer messages to the desktop and plays them on a tablet that fits it.

    The viewer sends pixels of one display; the tablet covers the whole desktop, which may be finer
    than that display (`Output.pointer_scale`). What is held and where survives the tablet: a new one
    starts with the state of the old one.
    """

    def __init__(self, make_pointer: PointerFactory) -> None:
        self._make_pointer = make_pointer
        self.pointer: Pointer | None = None
        self._size = (0, 0)
        self._places: dict[int, Place] = {}
        self._last: State | None = None

    def show(
        self,
        desktop: GuestResolution,
        scales: Mapping[int, float] = _ALL_ALIKE,
        transforms: Mapping[int, int] = _ALL_UPRIGHT,
    ) -> None:
        """Have a tablet for this desktop. Raises SystemFault if there can be none.

        `scales` has the displays whose pixels are not the desktop's, `transforms` those that show it
        turned. The device is made anew only if the desktop's size changed: X and compositors take a
        moment to pick a new one up.
        """
        self._places = {}
        for screen in desktop.screens:
            if screen.width > 0 and screen.height > 0:
                of = screen.display_id
                turn = turned(transforms.get(of, 0), screen.width, screen.height)
                place = Place(screen.x, screen.y, scales.get(of, 1.0), turn)
                self._places.setdefault(of, place)
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
        places = self._places
        played = []
        for x, y, buttons, display in states:
            place = places.get(display)
            if place is None:
                continue
            left, top, scale, turn = place
            if turn is not None:
                x, y = turn(x, y)
            if scale != 1.0:
                x, y = round(x * scale), round(y * scale)
            x += left
            y += top
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
