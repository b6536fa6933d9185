# SPDX-License-Identifier: MIT
"""How does a session get its X11 desktop?"""

from __future__ import annotations

from collections.abc import Callable

from ..base import ClipboardListener, DisplayListener, Patience
from .clipboard import X11Clipboard
from .connection import XConnection
from .randr import X11Display


async def connect(
    display_name: str | None,
    clipboard_listener: ClipboardListener,
    display_listener: DisplayListener,
    on_lost: Callable[[str], None],
    patience: Patience = Patience(),
) -> tuple[X11Clipboard, X11Display]:
    """Connect to `display_name`, by default $DISPLAY; clipboard and display share the connection.

    The listeners are called from the loop, never before this returns. `on_lost(reason)` is called
    once, when the X server goes away by itself.
    """
    x = await XConnection.open(display_name)
    try:
        display = await X11Display.open(x, display_listener)
        clipboard = await X11Clipboard.open(x, clipboard_listener, patience)
    except BaseException:
        x.close()
        raise
    x.on_lost = on_lost
    x.deliver()
    return clipboard, display
