# SPDX-License-Identifier: MIT
"""Is a session served again whose Wayland compositor crashed and was started anew?"""

from __future__ import annotations

import shlex
import time

import pytest

from tests.support.guest.agent import SESSION_LOG, Agent
from tests.support.guest.machine import Guest
from tests.support.guest.sway import ENVIRONMENT, LOG, Sway
from tests.support.guest.tablet import Tablet
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

STARTED_S = 60.0  # sway, without KVM and on a busy machine
SERVED_S = 20.0
WAYLAND = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())


def serves(guest: Guest, viewer: ViewerProcess, about: str) -> None:
    """Pointer events reach the kernel, and text every way the clipboard has."""
    with Tablet(guest) as tablet:
        viewer.do("position", x=200, y=100)
        viewer.do("position", x=340, y=220)
        tablet.wait_position()
    text = f"to the guest, {about}"
    viewer.do("offer", selection="clipboard", text=text)
    pasted = f'"$({WAYLAND} timeout 5 wl-paste -n)"'
    guest.wait_until(f"[ {pasted} = {shlex.quote(text)} ]", SERVED_S, "the viewer's text")
    text = f"to the viewer, {about}"
    since = viewer.mark()
    guest.output(f"{WAYLAND} timeout 5 wl-copy", input=text)
    viewer.wait("guest-grab", SERVED_S, lambda e: e["selection"] == "clipboard", since)
    asked = viewer.do("request", selection="clipboard")
    assert viewer.wait("guest-data", SERVED_S, since=asked)["text"] == text


@pytest.mark.parametrize("guest", ["virtio-vga"], indirect=True)
def test_a_compositor_that_crashed(guest: Guest, viewer: ViewerProcess) -> None:
    """The session agent ends with it, which has its service manager start it again."""
    with Sway(guest) as sway:
        agent = Agent(guest, environment=ENVIRONMENT)
        agent.forget_log()
        try:
            viewer.connect(guest.spice_uri)
            viewer.wait_announced(timeout_s=STARTED_S)
            serves(guest, viewer, "before")
            since = viewer.mark()
            sway.crash()
            guest.wait_until(f"! kill -0 {agent.session}", SERVED_S, "the session agent's end")
            guest.output(f"grep -q 'the desktop has gone' {SESSION_LOG}")
            gone = viewer.wait("agent-connected", 10, lambda e: not e["connected"], since)
            with Sway(guest) as again:
                agent.start_session()
                start = time.monotonic()
                viewer.wait_announced(viewer.events.index(gone), SERVED_S)
                serves(guest, viewer, "after")
                print(f"served {time.monotonic() - start:.1f} s after the agent's new start")
                print(again.log())
        finally:
            print(agent.new_log(), guest.run(f"tail -5 {LOG}").output)
            agent.stop()
