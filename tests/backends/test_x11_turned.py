# SPDX-License-Identifier: MIT
"""Is a turned desktop's pixel where the viewer sees it? (on a real server, by what its screen shows)"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from Xlib import X
from Xlib.display import Display

from tests.backends.desks import x11_desk
from tests.support.tools import require
from tests.support.xservers import XServer, started, xvfb
from vdagent.handlers.mouse import turned

SCREEN = (800, 600)
MARKER, AT, RED = 20, (90, 40), b"\x00\x00\xff"  # blue comes first in memory
MIDDLE = (AT[0] + MARKER // 2, AT[1] + MARKER // 2)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[XServer]:
    """What the viewer would see: an X server whose one window is the screen of another one."""
    with xvfb(tmp_path, "{}x{}".format(*SCREEN)) as server:
        yield server


@pytest.fixture
def server(screen: XServer, tmp_path: Path) -> Iterator[XServer]:
    """The other one, with a red square on its desktop."""
    require("Xephyr")
    environment = {"DISPLAY": screen.display, "PATH": "/usr/bin"}
    argv = ["Xephyr", "-noreset", "-screen", "{}x{}".format(*SCREEN)]
    with started(tmp_path, argv, environment) as server:
        display = Display(server.display)
        root = display.screen().root
        square = root.create_window(
            *(*AT, MARKER, MARKER, 0, X.CopyFromParent),
            background_pixel=0xFF0000,
            override_redirect=True,
        )
        square.map()
        display.sync()
        yield server
        display.close()


def seen(screen: XServer) -> tuple[int, int] | None:
    """The middle of the red square on the screen; None while it is not whole."""
    display = Display(screen.display)
    try:
        root = display.screen().root
        pixels = root.get_image(0, 0, *SCREEN, X.ZPixmap, 0xFFFFFFFF).data
    finally:
        display.close()
    red = [at // 4 for at in range(0, len(pixels), 4) if pixels[at : at + 3] == RED]
    xs, ys = [at % SCREEN[0] for at in red], [at // SCREEN[0] for at in red]
    return (sum(xs) // len(xs), sum(ys) // len(ys)) if len(red) == MARKER * MARKER else None


@pytest.mark.parametrize("rotation", ["normal", "left", "inverted", "right"])
async def test_where_the_square_is(rotation: str, screen: XServer, server: XServer) -> None:
    async with x11_desk(server) as desk:
        for reflection in ("x", "y", "xy", "normal"):
            argv = ["xrandr", "-d", server.display, "--output", "default"]
            argv += ["--rotate", rotation, "--reflect", reflection]
            subprocess.run(argv, check=True, timeout=10)
            output = (await desk.display.layout()).outputs[0]
            assert output.rect is not None
            assert output.upright(*SCREEN) == output.rect[:2]
            turn = turned(output.transform, *output.rect[:2]) or (lambda x, y: (x, y))
            async with asyncio.timeout(10):
                while True:
                    place = seen(screen)
                    if place is not None and _near(turn(*place), MIDDLE):
                        break
                    await asyncio.sleep(0.02)


def _near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(abs(a - b) <= 1 for a, b in zip(one, other, strict=True))
