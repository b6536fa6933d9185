# SPDX-License-Identifier: MIT
"""Can a session agent work with the desktop of this session? Asked in the way the agent itself asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..backends.base import Buffer, Format, Selection
from ..desktops import ONE_WAY, Choice, Listeners, connect
from ..errors import DesktopError
from .finding import Finding, Status

ANSWER_S = 10.0
BETTER = "use a compositor with ext-data-control (sway 1.11, KDE 6.4, labwc 0.9, niri, Hyprland)"
HINTS = {
    "CLIPBOARD": BETTER,
    "PRIMARY": "only pasting with the middle button is affected",
    "outputs": "sizes are left to the desktop's own settings",
}


class _Nobody:
    """Wants to hear of nothing."""

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None: ...

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        return b""

    def on_layout_changed(self) -> None: ...


def examine(environment: Mapping[str, str], session: Status | None) -> list[Finding]:
    """The desktop this shell belongs to; over ssh, what the `session` agent said of its own."""
    if environment.get("WAYLAND_DISPLAY") or environment.get("DISPLAY"):
        try:
            return _judge(asyncio.run(_look(environment)))
        except DesktopError as error:
            return [Finding("desktop", False, error.message, error.hint or "log in again")]
        except TimeoutError:
            detail = f"it did not answer within {ANSWER_S:.0f} s"
            return [Finding("desktop", False, detail, "is it stopped or stuck? log in again")]
    if session is not None and session["backends"]:
        return _judge([Choice(**backend) for backend in session["backends"]])
    return [
        Finding(
            "desktop",
            None,
            "this shell belongs to no desktop: neither WAYLAND_DISPLAY nor DISPLAY is set",
            "run it in the desktop's terminal to examine that as well",
        )
    ]


async def _look(environment: Mapping[str, str]) -> list[Choice]:
    """Connect as a session agent does, and let go again."""
    chosen: dict[str, Choice] = {}
    listeners = Listeners(
        _Nobody(), _Nobody(), lambda reason: None, lambda c: chosen.update({c.part: c})
    )
    async with asyncio.timeout(ANSWER_S):
        desktop = await connect(listeners, environment=environment)
        await desktop.close()
    return list(chosen.values())


def _judge(choices: list[Choice]) -> list[Finding]:
    return [_finding(choice) for choice in choices if choice.part in HINTS]


def _finding(choice: Choice) -> Finding:
    name = f"desktop: {choice.part.lower()}"
    if choice.by == "nothing":
        hint = BETTER
        if "sandbox" in choice.why:
            hint = "install vdagent as a package of the system, outside the sandbox"
        elif choice.part != "CLIPBOARD":
            hint = HINTS[choice.part]
        return Finding(name, False if choice.part == "CLIPBOARD" else None, choice.why, hint)
    text = f"by {choice.by}: {choice.why}"
    if choice.part == "CLIPBOARD" and choice.why == ONE_WAY:
        return Finding(name, False, text, BETTER)
    if choice.by == "reading only":
        return Finding(name, None, choice.why, HINTS[choice.part])
    return Finding(name, True, text)
