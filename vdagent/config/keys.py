# SPDX-License-Identifier: MIT
"""Which settings are there? The schema of config.toml; the example and the reference are made from it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..handlers.policy import MAX_TRANSFERS, Direction
from ..protocol.constants import MAX_CLIPBOARD
from .kinds import Count, Kind, Place, Size, Some, Switch, Way

TYPES = ("text", "png", "bmp", "tiff", "jpeg", "files")  # in the order of ClipboardType


class Key(NamedTuple):
    """One setting, "table.key"; `system` means that only the system's file may set it."""

    name: str
    kind: Kind
    default: Any
    help: str
    system: bool = False


KEYS: tuple[Key, ...] = (
    Key(
        "clipboard.direction",
        Way(),
        Direction.BOTH,
        "Which way the clipboard passes; `vdagent clipboard` changes it until you log out.",
    ),
    Key(
        "clipboard.primary",
        Way(),
        Direction.BOTH,
        "The same for PRIMARY, what is pasted with the middle button.",
    ),
    Key("clipboard.types", Some(*TYPES), frozenset(TYPES), "Which contents pass."),
    Key("clipboard.max-size", Size(MAX_CLIPBOARD), MAX_CLIPBOARD, "The largest content."),
    Key(
        "clipboard.secrets",
        Switch(strict=False),
        False,
        "Whether the viewer is offered what a password manager marked as secret.",
    ),
    Key(
        "clipboard.while-locked",
        Switch(strict=False),
        False,
        "Whether the clipboard passes while the screen is locked.",
        system=True,
    ),
    Key(
        "files.enabled", Switch(strict=False), True, "Whether files dropped on the viewer come in."
    ),
    Key(
        "files.directory",
        Place(),
        "auto",
        'Where they go; "auto" is the desktop where that shows icons, else the downloads.',
    ),
    Key("files.max-size", Size(), None, "The largest file."),
    Key("files.notify", Switch(), True, "Whether the desktop tells of files that came or did not."),
    Key(
        "display.follow",
        Switch(),
        True,
        "Whether the desktop follows the size the host gives the GPU.",
    ),
    Key(
        "limits.transfers",
        Count(1, MAX_TRANSFERS),
        MAX_TRANSFERS,
        "Files on their way at once.",
    ),
    Key("limits.sessions", Count(1, 1024), 128, "Session agents at once.", system=True),
    Key(
        "limits.sessions-per-user",
        Count(1, 1024),
        32,
        "Session agents of one user at once; root's are not counted.",
        system=True,
    ),
)
BY_NAME = {key.name: key for key in KEYS}
