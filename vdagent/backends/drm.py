# SPDX-License-Identifier: MIT
"""Which size does the host want a display to have, where it tells the GPU instead of the agent?

virtio-gpu and QXL announce it as a new preferred mode: a uevent, and the first line of the connector's
`modes` in sysfs once somebody (X, the compositor) has probed the connector again.
(Documentation/ABI/testing/sysfs-class-drm; drm_sysfs.c: modes are listed preferred first)
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

log = logging.getLogger("resolution")

SYSFS = "/sys/class/drm"


def preferred_modes(sysfs: str = SYSFS) -> dict[str, tuple[int, int]]:
    """Connector name ("Virtual-1") → preferred width and height, of the connected ones."""
    found = {}
    try:
        entries = sorted(os.listdir(sysfs))
    except OSError:
        return {}
    for entry in entries:
        card, dash, connector = entry.partition("-")
        if dash and card.startswith("card") and _read(f"{sysfs}/{entry}/status") == "connected":
            size = _size(_read(f"{sysfs}/{entry}/modes").partition("\n")[0])
            if size is not None:
                found[connector] = size
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _size(mode: str) -> tuple[int, int] | None:
    """ "1024x768" or "1920x1080i" in numbers."""
    width, _, height = mode.partition("x")
    height = height.rstrip("i")
    return (int(width), int(height)) if width.isdigit() and height.isdigit() else None


class DrmWatch:
    """Calls `on_hotplug()` at every change the kernel announces for a graphics card."""

    def __init__(self, monitor: Any, on_hotplug: Callable[[], None]) -> None:
        self._monitor = monitor
        self._on_hotplug = on_hotplug
        asyncio.get_running_loop().add_reader(monitor.fileno(), self._readable)

    def _readable(self) -> None:
        changed = False
        while self._monitor.poll(timeout=0) is not None:
            changed = True
        if changed:
            self._on_hotplug()

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._monitor.fileno())


def watch(on_hotplug: Callable[[], None]) -> DrmWatch | None:
    """Watch for display hotplug; None where there is no graphics card to watch."""
    if not os.path.isdir(SYSFS):
        return None
    try:
        import pyudev

        # The kernel's own events: they come also where no udev runs, and need none of its rules.
        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
        monitor.filter_by("drm")
        monitor.start()
    except (ImportError, OSError) as error:
        log.warning("resolution: display hotplug cannot be watched: %s", error)
        return None
    return DrmWatch(monitor, on_hotplug)
