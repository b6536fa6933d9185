# SPDX-License-Identifier: MIT
"""Can a session agent work with the desktop of this session?"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import VdagentError
from .finding import Finding

# What hides privileged protocols from programs on purpose.
SANDBOXES = ("FLATPAK_ID", "SNAP", "container")


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """The session's desktop, as its environment tells it."""
    wayland, x11 = environment.get("WAYLAND_DISPLAY"), environment.get("DISPLAY")
    if not wayland and not x11:
        return [
            Finding(
                "desktop",
                None,
                "this shell belongs to no desktop: neither WAYLAND_DISPLAY nor DISPLAY is set",
                "run it in the desktop's terminal to examine that as well",
            )
        ]
    if wayland:
        return [_wayland(wayland, x11, environment)]
    return [Finding("desktop", True, f"X11 at {x11}")]


def _wayland(name: str, x11: str | None, environment: Mapping[str, str]) -> Finding:
    path = os.path.join(environment.get("XDG_RUNTIME_DIR", ""), name)
    if not os.path.exists(path):
        return Finding("desktop", False, f"there is no compositor at {path}", "log in again")
    sandbox = next((s for s in SANDBOXES if environment.get(s)), None)
    try:
        globals_ = _globals(path)
    except VdagentError as error:
        return Finding("desktop", False, error.message, error.hint or "see the compositor's log")
    for protocol in ("ext_data_control_manager_v1", "zwlr_data_control_manager_v1"):
        if protocol in globals_:
            return Finding("desktop", True, f"Wayland with {protocol}")
    if sandbox:
        return Finding(
            "desktop",
            False,
            f"this program runs in a sandbox ({sandbox}), which hides the clipboard from it",
            "install the agent outside the sandbox",
        )
    if "GNOME" in environment.get("XDG_CURRENT_DESKTOP", "").upper():
        return Finding("desktop", True, "GNOME: its clipboard is reached over D-Bus")
    if x11:
        return Finding(
            "desktop",
            False,
            "this compositor has no data-control; XWayland serves the clipboard in one direction",
            "use a compositor with ext-data-control (sway 1.11, KDE 6.4, labwc 0.9, niri, Hyprland)",
        )
    return Finding(
        "desktop",
        False,
        "this compositor has neither data-control nor XWayland: no clipboard",
        "use a compositor with ext-data-control, or install xwayland",
    )


def _globals(path: str) -> set[str]:
    """The interfaces a compositor offers us. Raises DesktopError."""
    from ..backends.wayland.probe import globals_of

    return globals_of(path)
