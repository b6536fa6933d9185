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


def find_connector(address: str, index: int, sysfs: str = SYSFS) -> str | None:
    """The name of a graphics device's connector, by the device's PCI path and the connector's index.

    `address` is "pci/DOMAIN/SLOT.FUNCTION[/SLOT.FUNCTION…]", hexadecimal, from the root bus down.
    Bus numbers are the guest's own business and not part of it.
    """
    wanted = _pci_address(address)
    if wanted is None:
        return None
    for card in _cards(sysfs):
        if _pci_path(os.path.realpath(f"{sysfs}/{card}")) == wanted:
            connectors = _connectors(sysfs, card)
            return connectors[index] if index < len(connectors) else None
    return None


Pci = tuple[int, tuple[tuple[int, int], ...]]  # domain, (slot, function) from the root bus down


def _pci_address(address: str) -> Pci | None:
    kind, _, rest = address.partition("/")
    domain, _, devices = rest.partition("/")
    try:
        if kind != "pci" or not devices:
            return None
        path = tuple(_slot_function(part) for part in devices.split("/"))
        return int(domain, 16), path
    except ValueError:
        return None


def _slot_function(text: str) -> tuple[int, int]:
    slot, dot, function = text.partition(".")
    if not dot:
        raise ValueError(text)
    return int(slot, 16), int(function, 16)


def _pci_path(path: str) -> Pci | None:
    """/sys/devices/pci0000:00/0000:00:02.0/drm/card0 → (0, ((2, 0),))"""
    devices = []
    domain = None
    for part in path.split("/"):
        if part.startswith("pci") and ":" in part:
            domain = int(part[3:].split(":")[0], 16)
        elif domain is not None and part.count(":") == 2:
            devices.append(_slot_function(part.rpartition(":")[2]))
        elif devices and part == "drm":
            break
    return None if domain is None or not devices else (domain, tuple(devices))


def _cards(sysfs: str) -> list[str]:
    try:
        entries = os.listdir(sysfs)
    except OSError:
        return []
    cards = [entry for entry in entries if entry[:4] == "card" and entry[4:].isdigit()]
    return sorted(cards, key=lambda card: int(card[4:]))


def _connectors(sysfs: str, card: str) -> list[str]:
    """A card's connector names in the kernel's order: by id where sysfs tells it, else by number."""
    names = [e[len(card) + 1 :] for e in os.listdir(sysfs) if e.startswith(f"{card}-")]

    def order(name: str) -> tuple[int, str, int]:
        identity = _read(f"{sysfs}/{card}-{name}/connector_id")
        kind, _, number = name.rpartition("-")
        return (
            int(identity) if identity.isdigit() else 0,
            kind,
            int(number) if number.isdigit() else 0,
        )

    return sorted((name for name in names if name), key=order)


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
