# SPDX-License-Identifier: MIT
"""How does text get from the viewer to a program in the guest, and back?"""

from __future__ import annotations

import shlex

from tests.support.guest.machine import Guest
from vdagent.lab.viewer_process import ViewerProcess


def paste_in_guest(
    viewer: ViewerProcess,
    guest: Guest,
    text: str,
    selection: str = "clipboard",
    timeout_s: float = 20.0,
) -> None:
    """The viewer offers `text`; wait until an X program of the guest that pastes gets just that."""
    viewer.do("offer", selection=selection, text=text)
    pasted = f'"$(timeout 5 xclip -o -selection {selection})"'
    guest.wait_until(f"[ {pasted} = {shlex.quote(text)} ]", timeout_s, f"pasting {text!r}")


def copy_in_guest(
    guest: Guest, text: str, selection: str = "clipboard", display: str = ":0"
) -> None:
    """An X program of the guest takes the selection and keeps it."""
    copy = f"timeout 5 xclip -display {display} -i -selection {selection} >/dev/null 2>&1"
    guest.output(copy, input=text)


def fetch_in_viewer(
    viewer: ViewerProcess, since: int, selection: str = "clipboard", timeout_s: float = 20.0
) -> str:
    """The text the guest offers the viewer, at or after place `since` of what it saw."""
    viewer.wait("guest-grab", timeout_s, lambda e: e["selection"] == selection, since)
    asked = viewer.do("request", selection=selection)
    data = viewer.wait("guest-data", timeout_s, lambda e: e["selection"] == selection, asked)
    return str(data["text"])


def copy_to_viewer(
    viewer: ViewerProcess,
    guest: Guest,
    text: str,
    selection: str = "clipboard",
    timeout_s: float = 20.0,
) -> str:
    """Copy `text` in the guest; the text that then reaches the viewer."""
    since = viewer.mark()
    copy_in_guest(guest, text, selection)
    return fetch_in_viewer(viewer, since, selection, timeout_s)
