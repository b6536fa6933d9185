# SPDX-License-Identifier: MIT
"""What does a session agent tell of itself on the control socket, and what of it is kept? (daemon)

    {"do": "session", "version": "1.2", "desktop": "GNOME", "last_error": null,
     "backends": [{"part": "CLIPBOARD", "by": "ext_data_control_manager_v1", "why": "…"}]}

All of it is for people to read, so it is cut to a length and to characters that only show something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_TEXT = 300
MAX_BACKENDS = 16


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


def read_facts(question: Mapping[str, Any], before: SessionFacts) -> SessionFacts:
    """`before`, with what the question tells anew."""
    facts = before
    if "version" in question:
        facts = facts._replace(version=_text(question["version"]))
    if "desktop" in question:
        facts = facts._replace(desktop=_text(question["desktop"]))
    if "backends" in question:
        facts = facts._replace(backends=_backends(question["backends"]))
    if "last_error" in question:
        facts = facts._replace(last_error=_text(question["last_error"]) or None)
    return facts


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
