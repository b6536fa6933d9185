# SPDX-License-Identifier: MIT
"""Which window manager runs on an X display, and does its desktop show files as icons?"""

from __future__ import annotations

from collections.abc import Sequence

from Xlib import Xatom
from Xlib.protocol import request

from ...errors import DesktopError
from .connection import XConnection

# Those of GNOME 2, Xfce and MATE: the C peer's list.
WITH_ICONS = ("Metacity", "Xfwm4", "Marco", "Metacity (Marco)")


async def has_desktop_icons(display_name: str | None) -> bool:
    """Whether a file in the user's desktop directory is seen on the desktop."""
    try:
        x = await XConnection.open(display_name)
    except DesktopError:
        return False
    try:
        return await window_manager_name(x) in WITH_ICONS
    except DesktopError:
        return False
    finally:
        x.close()


async def window_manager_name(x: XConnection) -> str:
    """The name the window manager gives itself (EWMH, _NET_SUPPORTING_WM_CHECK); "" without one."""
    check, name, utf8 = await x.atoms(["_NET_SUPPORTING_WM_CHECK", "_NET_WM_NAME", "UTF8_STRING"])
    window = await _property(x, x.root, check, Xatom.WINDOW, 32)
    if not window:
        return ""
    return bytes(await _property(x, window[0], name, utf8, 8)).decode(errors="replace")


async def _property(
    x: XConnection, window: int, name: int, kind: int, format: int
) -> Sequence[int]:
    """A short property of a window, empty if it has none of this type and format."""
    answer = await x.ask(
        request.GetProperty,
        delete=0,
        window=window,
        property=name,
        type=kind,
        long_offset=0,
        long_length=64,
    )
    fits = answer.value and answer.value[0] == format
    return answer.value[1] if fits else ()
