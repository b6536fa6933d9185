# SPDX-License-Identifier: MIT
"""Is the window manager recognised whose desktop shows files as icons?"""

from __future__ import annotations

from pathlib import Path

import pytest
from Xlib import X, Xatom, display

from tests.support.xservers import xvfb
from vdagent.backends.x11.window_manager import has_desktop_icons


def manage(connection: display.Display, name: str) -> None:
    """Say what a window manager of that name says of itself."""
    root = connection.screen().root
    window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
    check, wm_name, utf8 = map(
        connection.get_atom, ("_NET_SUPPORTING_WM_CHECK", "_NET_WM_NAME", "UTF8_STRING")
    )
    window.change_property(wm_name, utf8, 8, name.encode())
    root.change_property(check, Xatom.WINDOW, 32, [window.id])
    connection.sync()


async def test_window_managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with xvfb(tmp_path) as server:
        assert not await has_desktop_icons(server.display)  # nobody manages windows
        connection = display.Display(server.display)
        for name, expected in (("Xfwm4", True), ("Openbox", False), ("Marco", True), ("", False)):
            manage(connection, name)
            assert await has_desktop_icons(server.display) is expected
        connection.close()
    assert not await has_desktop_icons(server.display)  # the server has gone
    monkeypatch.delenv("DISPLAY", raising=False)
    assert not await has_desktop_icons(None)
