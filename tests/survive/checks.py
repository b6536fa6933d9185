# SPDX-License-Identifier: MIT
"""What else has to be so after a row, which clipboard and pointer do not show?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.support.processes import wait_for
from tests.survive.recovery import Served

TOLD_S = 20.0


def right_session(at: Served) -> None:
    """The daemon serves the session of whoever is at the seat, and nobody else gets its clipboard."""
    uid = int(at.guest.output(f"id -u {at.user}"))
    told = at.status()
    active = [session["uid"] for session in told["sessions"] if session["active"]]
    if active != [uid] or not told["seat"]["tracked"]:
        raise RuntimeError(f"{at.user} ({uid}) is at the seat, but the daemon says {told}")
    path = str(told["seat"]["session"])
    login1 = "org.freedesktop.login1"
    asked = f"busctl get-property {login1} {path} {login1}.Session Name"
    if (name := at.guest.output(asked).strip()) != f's "{at.user}"':
        raise RuntimeError(f"the daemon says that of {name} is at the seat, not {at.user}'s")


def only_here(others: str) -> Callable[[Served], None]:
    """That, and what the viewer copies is not to be had on the display of the others."""

    def check(at: Served) -> None:
        right_session(at)
        text = "for whoever is at the seat"
        at.viewer.do("offer", selection="clipboard", text=text)
        paste = "timeout 5 xclip -display {} -o -selection clipboard"
        at.guest.wait_until(f"[ \"$({paste.format(at.display)})\" = '{text}' ]", TOLD_S)
        got = at.guest.run(paste.format(others)).output
        if text in got:
            raise RuntimeError(f"it reached {others}, too")

    return check


def logins_followed(at: Served) -> None:
    """The daemon still hears from logind: a lock stops the clipboard, an unlock brings it back."""
    right_session(at)
    for do, shares in (("lock", False), ("unlock", True)):
        at.guest.output(f"loginctl {do}-sessions")
        wait_for(partial(_shares, at, shares), TOLD_S, f"the {do}")


def _shares(at: Served, expected: bool) -> bool:
    return [of["shares"] for of in at.status()["sessions"] if of["active"]] == [expected]
