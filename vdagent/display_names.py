# SPDX-License-Identifier: MIT
"""What is this session's desktop called, going by the environment that starts us?"""

from __future__ import annotations

import os
from collections.abc import Mapping


def compositor_at(environment: Mapping[str, str]) -> str | None:
    """The socket where this session's compositor should be; None where that is not Wayland."""
    name, directory = environment.get("WAYLAND_DISPLAY"), environment.get("XDG_RUNTIME_DIR")
    if not name or not (directory or name.startswith("/")):
        return None
    return os.path.join(directory or "/", name)


def desktop_name(environment: Mapping[str, str], x_display: str | None) -> str:
    """What tells this desktop from others, whoever starts us; an `x_display` that was asked for is it.

    On Wayland an autostart entry knows of DISPLAY and a unit may not; an X display may be named with a
    screen or without.
    """
    compositor = compositor_at(environment) if x_display is None else None
    if compositor is not None and os.path.exists(compositor):
        return os.path.realpath(compositor)
    name = x_display or environment.get("DISPLAY", "")
    display, _, screen = name.rpartition(".")
    return display if screen.isdigit() and ":" in display else name
