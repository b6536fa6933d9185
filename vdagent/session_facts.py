# SPDX-License-Identifier: MIT
"""What does a session agent tell of itself on the control socket, and what of it is kept? (daemon)

    {"do": "session", "version": "1.2", "desktop": "GNOME", "last_error": null,
     "backends": [{"part": "CLIPBOARD", "by": "ext_data_control_manager_v1", "why": "…"}],
     "held_back": "clipboard to-guest", "pointer_scales": {"0": 2.0}, "pointer_transforms": {"1": 3}}

The scales are of displays by id whose pixels count more than one of the desktop's, because beside them is
an output of a higher scale (`backends.base.Output.pointer_scale`), the transforms of those that show the
desktop turned (`Output.transform`); udscs has no word for either. All else is for people to read, so it is
cut to a length and to characters that only show something.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import SessionError

MAX_TEXT = 300
MAX_BACKENDS = 16
MAX_DISPLAYS = 256
MAX_SCALE = 64.0

_ID = re.compile("[0-9]{1,3}", re.ASCII)


class Backend(NamedTuple):
    """By which means a part of the desktop is served, and why by these."""

    part: str
    by: str
    why: str


class SessionFacts(NamedTuple):
    """What is known of a session beyond udscs; "" and None where it said nothing."""

    version: str = ""
    desktop: str = ""
    backends: tuple[Backend, ...] = ()
    last_error: str | None = None
    held_back: str | None = None  # by the settings
    pointer_scales: Mapping[int, float] = {}
    pointer_transforms: Mapping[int, int] = {}


def read_facts(question: Mapping[str, Any], before: SessionFacts) -> SessionFacts:
    """`before`, with what the question tells anew. Raises SessionError for numbers that are none."""
    facts = before
    if "version" in question:
        facts = facts._replace(version=_text(question["version"]))
    if "desktop" in question:
        facts = facts._replace(desktop=_text(question["desktop"]))
    if "backends" in question:
        facts = facts._replace(backends=_backends(question["backends"]))
    if "last_error" in question:
        facts = facts._replace(last_error=_text(question["last_error"]) or None)
    if "held_back" in question:
        facts = facts._replace(held_back=_text(question["held_back"]) or None)
    if "pointer_scales" in question:
        facts = facts._replace(pointer_scales=_scales(question["pointer_scales"]))
    if "pointer_transforms" in question:
        facts = facts._replace(pointer_transforms=_transforms(question["pointer_transforms"]))
    return facts


def _scales(value: object) -> dict[int, float]:
    found = {}
    for display, scale in _by_display("pointer_scales", value).items():
        if type(scale) not in (int, float) or not 0 < scale <= MAX_SCALE:
            raise SessionError("control: a pointer scale is a number up to 64")
        found[display] = float(scale)
    return found


def _transforms(value: object) -> dict[int, int]:
    found = _by_display("pointer_transforms", value)
    if any(type(transform) is not int or transform not in range(8) for transform in found.values()):
        raise SessionError("control: a pointer transform is a number from 0 to 7")
    return found


def _by_display(name: str, value: object) -> dict[int, Any]:
    if not isinstance(value, dict) or len(value) > MAX_DISPLAYS:
        raise SessionError(f"control: {name} must be an object of at most 256 displays")
    if not all(_ID.fullmatch(display) and int(display) < MAX_DISPLAYS for display in value):
        raise SessionError(f"control: {name} are by display id, up to 255")
    return {int(display): item for display, item in value.items()}


def _backends(value: object) -> tuple[Backend, ...]:
    rows = value if isinstance(value, list) else []
    return tuple(
        Backend(_text(row.get("part")), _text(row.get("by")), _text(row.get("why")))
        for row in rows[:MAX_BACKENDS]
        if isinstance(row, dict)
    )


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_TEXT])
