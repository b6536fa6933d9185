# SPDX-License-Identifier: MIT
"""What do several rows do on their way?"""

from __future__ import annotations

from tests.survive.recovery import Served


def viewer_loses_agent(at: Served, since: int = 0) -> None:
    """Wait until the viewer is told that there is no agent."""
    at.viewer.wait("agent-connected", 10, lambda event: not event["connected"], since)


def daemon_says(at: Served, words: str) -> None:
    """Wait until the daemon's log has these words."""
    log_says(at, "-u vdagentd", words)


def log_says(at: Served, whose: str, words: str) -> None:
    """Wait until the end of the journal of `whose` has these words."""
    find = f"journalctl -q {whose} -n 20 | grep -q '{words}'"
    at.guest.wait_until(find, 30, f"'{words}' in the log")


def desktop_is_up(at: Served, boot: bool = False) -> None:
    """Its window manager manages windows, which is when a person can do something with it."""
    if boot:
        at.guest.wait_boot()
        at.display, at.user = ":0", "guest"
    newest = f"$(pgrep -n -u {at.user} -x openbox)0 -gt $(pgrep -n -u {at.user} -x Xorg)0"
    manages = f"DISPLAY={at.display} timeout 5 xdotool get_num_desktops"
    at.guest.wait_until(f"[ {newest} ] && {manages} >/dev/null 2>&1", 90, "the desktop")


def serving_agent(at: Served) -> int:
    """The pid of the session agent that is served."""
    told = at.status()
    return next(int(session["pid"]) for session in told["sessions"] if session["active"])
