# SPDX-License-Identifier: MIT
"""When does the virtio port come? (pyudev; events after udev's rules, so that the symlink is there)"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

log = logging.getLogger("port")

SUBSYSTEM = "virtio-ports"


class PortWatch:
    """Calls `on_added()` whenever a virtio port is added."""

    def __init__(self, monitor: Any, on_added: Callable[[], None]) -> None:
        self._monitor = monitor
        self._on_added = on_added
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(monitor.fileno(), self._readable)

    def _readable(self) -> None:
        while (device := self._monitor.poll(timeout=0)) is not None:
            log.debug("port: udev: %s %s", device.action, device.sys_name)
            if device.action in ("add", "change"):
                self._on_added()

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._monitor.fileno())


def watch_ports(on_added: Callable[[], None]) -> PortWatch | None:
    """Watch for virtio ports; None where udev is not running or not to be reached."""
    if not os.path.exists("/run/udev/control"):
        return None
    try:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by(SUBSYSTEM)
        monitor.start()
    except (ImportError, OSError) as error:
        log.warning("port: udev cannot be watched (%s); looking for the port now and then", error)
        return None
    return PortWatch(monitor, on_added)
