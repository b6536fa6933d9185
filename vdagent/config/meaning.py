# SPDX-License-Identifier: MIT
"""What do the settings mean to those who go by them?"""

from __future__ import annotations

from ..handlers.policy import ClipboardPolicy, FilePolicy
from ..protocol.constants import ClipboardType
from .configuration import Configuration
from .keys import BY_NAME, TYPES
from .kinds import Way

_NUMBERS = dict(zip(TYPES, sorted(ClipboardType)[1:], strict=True))


def clipboard_policy(config: Configuration) -> ClipboardPolicy:
    """What may pass through the clipboard."""
    return ClipboardPolicy(
        clipboard=config.value("clipboard.direction"),
        primary=config.value("clipboard.primary"),
        types=frozenset(_NUMBERS[name] for name in config.value("clipboard.types")),
        max_bytes=config.value("clipboard.max-size"),
        secrets=config.value("clipboard.secrets"),
    )


def file_policy(config: Configuration) -> FilePolicy:
    """Which files may come."""
    return FilePolicy(
        enabled=config.value("files.enabled"),
        max_bytes=config.value("files.max-size"),
        transfers=config.value("limits.transfers"),
        notify=config.value("files.notify"),
    )


def save_directory(config: Configuration) -> str | None:
    """Where files go, None for the default of this desktop."""
    directory: str = config.value("files.directory")
    return None if directory == "auto" else directory


def held_back(config: Configuration) -> str:
    """What does not pass by the settings, for people; "" where everything does."""
    found = []
    for name, key in (("clipboard", "clipboard.direction"), ("PRIMARY", "clipboard.primary")):
        if (way := config.value(key)) != BY_NAME[key].default:
            found.append(f"{name} {Way().name(way)}")
    if left_out := [name for name in TYPES if name not in config.value("clipboard.types")]:
        found.append(f"no {', '.join(left_out)} in the clipboard")
    if not config.value("files.enabled"):
        found.append("files off")
    return ", ".join(found)
