# SPDX-License-Identifier: MIT
"""How does a headless Mutter get a keyboard, without which wl-copy and wl-paste get no focus?

By a remote-desktop session that is started. `python -m tests.support.mutter_keyboard ADDRESS` gives
the Mutter on that bus one, again when it has been restarted, and says "ready" each time.
"""

from __future__ import annotations

import asyncio
import sys

from vdagent.backends.dbus import Bus
from vdagent.errors import DesktopError

NAME = "org.gnome.Mutter.RemoteDesktop"
REMOTE_DESKTOP = (NAME, "/org/gnome/Mutter/RemoteDesktop", NAME)
SHIFT = 0xFFE1


async def add_keyboard(address: str) -> tuple[Bus, str]:
    """Wait for Mutter and give it a keyboard, which stays as long as the bus connection.

    Mutter's names come after its socket. Returns the path of the session too.
    """
    async with asyncio.timeout(20):
        while True:
            bus = await Bus.connect(address)
            try:
                (path,) = await bus.call(REMOTE_DESKTOP, "CreateSession")
                session = (NAME, path, f"{NAME}.Session")
                await bus.call(session, "Start")
                for pressed in (True, False):
                    await bus.call(session, "NotifyKeyboardKeysym", "ub", SHIFT, pressed)
                return bus, path
            except DesktopError:
                bus.close()
                await asyncio.sleep(0.02)


async def keep_keyboard(address: str) -> None:
    """Until killed."""
    while True:
        gone = asyncio.Event()
        bus, _ = await add_keyboard(address)
        await bus.watch(
            lambda *_, gone=gone: gone.set(),
            sender="org.freedesktop.DBus",
            member="NameOwnerChanged",
            arg0=NAME,
        )
        print("ready", flush=True)
        await gone.wait()
        bus.close()


if __name__ == "__main__":
    asyncio.run(keep_keyboard(sys.argv[1]))
