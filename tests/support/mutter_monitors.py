# SPDX-License-Identifier: MIT
"""How does a Mutter that cannot be nested in an X server (49 and later) get monitors with several modes?

By a screen-cast session that makes virtual ones, which PipeWire has to take. `python -m
tests.support.mutter_monitors ADDRESS SCALE…` gives the Mutter on that bus one of each preferred
scale, says "ready" and stays: they go with its connection.
"""

from __future__ import annotations

import asyncio
import sys

from vdagent.backends.dbus import Bus, Variant, plain
from vdagent.errors import DesktopError

NAME = "org.gnome.Mutter.ScreenCast"
DISPLAY_NAME = "org.gnome.Mutter.DisplayConfig"
DISPLAY = (DISPLAY_NAME, "/org/gnome/Mutter/DisplayConfig", DISPLAY_NAME)
SIZES = ((1280, 720), (1920, 1080), (1024, 768), (800, 600))  # the first one is preferred


def _mode(width: int, height: int, scale: float) -> dict[str, Variant]:
    return {
        "size": Variant("(uu)", [width, height]),
        "refresh-rate": Variant("d", 60.0),
        "is-preferred": Variant("b", (width, height) == SIZES[0]),
        "preferred-scale": Variant("d", scale),
    }


async def add_monitors(bus: Bus, scales: list[float]) -> None:
    """As long as the bus connection lives."""
    (path,) = await bus.call(
        (NAME, "/org/gnome/Mutter/ScreenCast", NAME), "CreateSession", "a{sv}", {}
    )
    session = (NAME, path, f"{NAME}.Session")
    for scale in scales:
        modes = [_mode(width, height, scale) for width, height in SIZES]
        properties = {"modes": Variant("aa{sv}", modes), "is-platform": Variant("b", True)}
        await bus.call(session, "RecordVirtual", "a{sv}", properties)
    await bus.call(session, "Start")
    while True:
        _, monitors, logical, _ = plain(await bus.call(DISPLAY, "GetCurrentState"))
        if len(monitors) == len(logical) == len(scales):
            return
        await asyncio.sleep(0.02)


async def keep_monitors(address: str, scales: list[float]) -> None:
    """Until killed."""
    async with asyncio.timeout(20):
        while True:
            bus = await Bus.connect(address)
            try:
                await add_monitors(bus, scales)
                break
            except DesktopError:  # Mutter's names come after its socket
                bus.close()
                await asyncio.sleep(0.02)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(keep_monitors(sys.argv[1], [float(scale) for scale in sys.argv[2:]]))
