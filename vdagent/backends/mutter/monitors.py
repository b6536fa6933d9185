# SPDX-License-Identifier: MIT
"""What does Mutter say of the monitors, and what has to be said to change them?

The shapes are those of org.gnome.Mutter.DisplayConfig: GetCurrentState's results go in, the arguments
of ApplyMonitorsConfig come out. Mutter sets listed modes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import DesktopError
from ..base import Layout, Rect
from ..dbus import Variant, plain
from ..logical import Shown, describe, to_logical

PHYSICAL = 2  # layout-mode: scales do not count in positions


class Mode(NamedTuple):
    """A size that a monitor can have, before it is turned."""

    id: str
    width: int
    height: int
    refresh: float
    preferred_scale: float
    scales: tuple[float, ...]
    current: bool
    preferred: bool

    def nearest_scale(self, wanted: float) -> float:
        """The supported scale next to `wanted`: small modes do not take every one."""
        return min(self.scales, key=lambda scale: abs(scale - wanted), default=wanted)


class Place(NamedTuple):
    """Where monitors show the desktop, in logical pixels; several that share one are mirrors."""

    x: int
    y: int
    scale: float
    transform: int
    primary: bool


class Monitors(NamedTuple):
    """The monitors at one time; `serial` says which."""

    serial: int
    modes: dict[str, tuple[Mode, ...]]  # by connector
    places: dict[str, Place]  # of those that are on
    physical: bool  # all places are in physical pixels
    properties: dict[str, Variant]  # to be handed back

    @classmethod
    def read(cls, state: Sequence[Any]) -> Monitors:
        """From the results of GetCurrentState."""
        serial, monitors, logical, properties = plain(list(state))
        modes = {names[0]: tuple(map(_mode, listed)) for names, listed, _ in monitors}
        places = {
            names[0]: Place(x, y, scale, transform, primary)
            for x, y, scale, transform, primary, shown, _ in logical
            for names in shown
        }
        layout_mode = properties.get("layout-mode", 0)
        kept = {}
        if properties.get("supports-changing-layout-mode"):
            kept["layout-mode"] = Variant("u", layout_mode)
        return cls(serial, modes, places, layout_mode == PHYSICAL, kept)

    def layout(self) -> Layout:
        """The desktop in our terms."""
        return describe((self._shown(name) for name in self.places if self._mode(name)), self.modes)

    def _shown(self, name: str) -> Shown:
        mode, place = self._mode(name), self.places[name]
        assert mode is not None
        width, height = _turned(mode.width, mode.height, place.transform)
        scale = 1.0 if self.physical else place.scale
        size = round(width / scale), round(height / scale)
        return Shown(name, width, height, Rect(*size, place.x, place.y), place.transform)

    def _mode(self, name: str) -> Mode | None:
        return next((mode for mode in self.modes.get(name, ()) if mode.current), None)

    def plan(self, rects: Mapping[str, Rect]) -> list[list[Any]]:
        """The logical monitors for ApplyMonitorsConfig: exactly these monitors on, as they are now.

        Scale, transform and primary stay. A single monitor gets the largest size that fits, several
        have to touch: DesktopError if a size is not listed.
        """
        modes = {name: self._listed(name, rect, len(rects) == 1) for name, rect in rects.items()}
        scales = {name: self._scale(name, mode) for name, mode in modes.items()}
        positions = to_logical(rects, dict.fromkeys(rects, 1.0) if self.physical else scales)
        primary = next((n for n, p in self.places.items() if p.primary and n in rects), None)
        primary = primary or min(rects, key=lambda name: positions[name])
        logical: dict[Rect, list[Any]] = {}
        for name, rect in rects.items():
            at = [*positions[name], scales[name], self._transform(name), False, []]
            entry = logical.setdefault(rect, at)
            entry[4] = entry[4] or name == primary
            entry[5].append([name, modes[name].id, {}])
        return list(logical.values())

    def present(self) -> list[list[Any]]:
        """What `plan` gives for the layout as it is."""
        outputs = self.layout().outputs
        return self.plan({output.name: output.rect for output in outputs if output.rect})

    def _transform(self, name: str) -> int:
        return self.places[name].transform if name in self.places else 0

    def _scale(self, name: str, mode: Mode) -> float:
        if name in self.places:
            return mode.nearest_scale(self.places[name].scale)
        if self.physical and self.places:
            return next(iter(self.places.values())).scale
        return mode.preferred_scale

    def _listed(self, name: str, rect: Rect, smaller_will_do: bool) -> Mode:
        width, height = _turned(rect.width, rect.height, self._transform(name))
        listed = [m for m in self.modes[name] if m.width <= width and m.height <= height]
        if not smaller_will_do:
            listed = [mode for mode in listed if (mode.width, mode.height) == (width, height)]
        if not listed:
            raise DesktopError(
                f"GNOME knows no {width}x{height} for {name}, and sets no size it does not know",
                "a virtio-gpu or QXL graphics device lets the window set any size",
            )
        return max(listed, key=lambda m: (m.width * m.height, m.current, m.preferred, m.refresh))


def _mode(listed: Sequence[Any]) -> Mode:
    id_, width, height, refresh, preferred_scale, scales, properties = listed
    current, preferred = (bool(properties.get(f"is-{what}")) for what in ("current", "preferred"))
    return Mode(id_, width, height, refresh, preferred_scale, tuple(scales), current, preferred)


def _turned(width: int, height: int, transform: int) -> tuple[int, int]:
    return (height, width) if transform & 1 else (width, height)
