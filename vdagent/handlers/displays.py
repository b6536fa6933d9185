# SPDX-License-Identifier: MIT
"""Which output of the guest shows which SPICE display? (session)

Without word from the host, display ids are the outputs' indices. GRAPHICS_DEVICE_INFO names the
graphics device and its connector for every display; then only those outputs are the viewer's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..backends.base import Layout, Output, Rect
from ..errors import DesktopError
from ..protocol.constants import MonitorsFlag
from ..protocol.messages import GraphicsDevice, MonitorsConfig
from ..protocol.udscs import MAX_SIDE, GuestResolution, Screen

# (PCI path, index of the connector on that device) → the kernel's name for it
FindConnector = Callable[[str, int], str | None]

MAX_DISPLAYS = 256  # a pointer message names its display with one byte


def zero_based(names: Iterable[str], connector: str) -> str:
    """The output name of a connector: drivers of X that count from 0 have a Virtual-0."""
    kind, _, number = connector.rpartition("-")
    if f"{kind}-0" in names and number.isdigit():
        return f"{kind}-{int(number) - 1}"
    return connector


class Displays:
    """SPICE display id ⇄ output."""

    def __init__(self, find_connector: FindConnector) -> None:
        self._find_connector = find_connector
        self._connectors: dict[int, tuple[str | None, int]] = {}  # display id → connector, index

    def learn(self, devices: Iterable[GraphicsDevice]) -> None:
        """Take the host's word; what it said before is forgotten."""
        self._connectors = {
            device.channel_id + device.monitor_id: (
                self._find_connector(device.address, device.device_display_id),
                device.device_display_id,
            )
            for device in devices
            if device.channel_id + device.monitor_id < MAX_DISPLAYS
        }

    def outputs(self, layout: Layout) -> dict[int, Output]:
        """Display id → output, of this layout."""
        by_name = {output.name: output for output in layout.outputs}
        found, unnamed = {}, []
        for display_id, (connector, index) in sorted(self._connectors.items()):
            name = zero_based(by_name, connector) if connector is not None else None
            if name in by_name:
                found[display_id] = by_name[name]
            elif connector is None:
                unnamed.append((display_id, index))
        # No DRM device to ask (proprietary drivers): outputs are in the order of the connectors, and
        # of several cards, which all begin to count at 0, in that of the cards.
        taken = {output.name for output in found.values()}
        for display_id, index in unnamed:
            candidates = (*layout.outputs[index : index + 1], *layout.outputs)
            output = next((output for output in candidates if output.name not in taken), None)
            if output is not None:
                found[display_id] = output
                taken.add(output.name)
        return found or dict(enumerate(layout.outputs))

    def known_ids(self) -> list[int]:
        """The display ids the host named."""
        return sorted(self._connectors)


def arrange(config: MonitorsConfig, outputs: Mapping[int, Output]) -> dict[str, Rect]:
    """Which output gets which rectangle; only what is on is named.

    Positions count if the client gave any; without them monitors stand side by side.
    """
    pairs = [
        (outputs[display_id], monitor)
        for display_id, monitor in enumerate(config.monitors)
        if monitor.enabled and display_id in outputs
    ]
    rects = {
        output.name: Rect(*output.upright(monitor.width, monitor.height), monitor.x, monitor.y)
        for output, monitor in pairs
    }
    placed = {(rect.x, rect.y) for rect in rects.values()}
    given = bool(config.flags & MonitorsFlag.USE_POS) or len(placed) > 1
    is_turned = any(output.transform & 1 for output, _ in pairs)  # the client's positions are not
    if given and len(placed) == len(pairs) and not (is_turned and len(pairs) > 1):
        return rects
    return _side_by_side(rects)


def _side_by_side(rects: Mapping[str, Rect]) -> dict[str, Rect]:
    result, x = {}, 0
    for name, rect in rects.items():
        result[name] = rect._replace(x=x, y=0)
        x += rect.width
    return result


def describe(layout: Layout, displays: Displays) -> GuestResolution:
    """The report: the viewer's outputs by display id; those that are off or missing as 0x0.

    Raises DesktopError for what no desktop can be: the report would not fit its wire.
    """
    outputs = displays.outputs(layout)
    screens = []
    for display_id in sorted({*outputs, *displays.known_ids()}):
        output = outputs.get(display_id)
        rect = (output.rect if output is not None else None) or Rect(0, 0)
        screens.append(Screen(rect.width, rect.height, rect.x, rect.y, display_id))
    numbers = [layout.width, layout.height, *(n for s in screens for n in (s.width, s.height))]
    places = [n for s in screens for n in (s.x, s.y)]
    if min(numbers) < 0 or max(map(abs, numbers + places)) > MAX_SIDE:
        raise DesktopError(f"the desktop says it has {layout.width}x{layout.height} pixels")
    return GuestResolution(layout.width, layout.height, tuple(screens))


def pointer_transforms(layout: Layout, displays: Displays) -> dict[int, int]:
    """Display id → how the desktop is turned there (`Output.transform`), of the displays where it is."""
    outputs = displays.outputs(layout)
    return {id_: o.transform for id_, o in outputs.items() if o.rect and o.transform}


def pointer_scales(layout: Layout, displays: Displays) -> dict[int, float]:
    """Display id → pointer scale, of the displays whose pixels are not the desktop's."""
    outputs = displays.outputs(layout)
    return {id_: o.pointer_scale for id_, o in outputs.items() if o.rect and o.pointer_scale != 1}
