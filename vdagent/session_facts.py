# SPDX-License-Identifier: MIT
"""What does a session agent tell of itself on the control socket, and what of it is kept? (daemon)

    {"do": "session", "version": "1.2", "desktop": "GNOME", "last_error": null,
     "backends": [{"part": "CLIPBOARD", "by": "ext_data_control_manager_v1", "why": "…"}],
     "held_back": "clipboard to-guest", "pointer_scales": {"0": 2.0}}

The scales are of displays by id whose pixels count more than one of the desktop's, because beside them is
an output of a higher scale (`backends.base.Output.pointer_scale`); udscs has no word for that. All else
is for people to read, so it is cut to a length and to characters that only show something.
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


def read_facts(question: Mapping[str, Any], before: SessionFacts) -> SessionFacts:
    """`before`, with what the question tells anew. Raises SessionError for scales that are none."""
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
    return facts


def _scales(value: object) -> dict[int, float]:
    if not isinstance(value, dict) or len(value) > MAX_DISPLAYS:
        raise SessionError("control: pointer_scales must be an object of at most 256 displays")
    found = {}
    for display, scale in value.items():
        number = int(display) if _ID.fullmatch(display) else MAX_DISPLAYS
        if number >= MAX_DISPLAYS or type(scale) not in (int, float) or not 0 < scale <= MAX_SCALE:
            raise SessionError("control: a pointer scale is a display id and a number up to 64")
        found[number] = float(scale)
    return found


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
