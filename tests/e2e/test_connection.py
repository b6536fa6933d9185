# SPDX-License-Identifier: MIT
"""Does the agent come and go with its programs, and come back after everything that ends it?"""

from __future__ import annotations

from tests.e2e.conftest import not_with_the_c_daemon, not_with_the_c_session
from tests.support.lab_guest import C_SESSION, Guest
from tests.support.processes import stop, wait_for

OPENED = "virtio_serial_handle_control_message event 6, value 1"
CLOSED = "virtio_serial_handle_control_message event 6, value 0"


def test_the_daemon_opens_the_port_and_closes_it(guest: Guest) -> None:
    guest.viewer.connect(guest.lab.uri)
    daemon = guest.daemon()
    assert OPENED not in guest.lab.trace()  # before a session has told its screens
    session = guest.session()
    guest.viewer.wait("agent-connected", predicate=lambda e: e["connected"])
    assert OPENED in guest.lab.trace()
    capabilities = guest.viewer.wait_announced()
    assert {"MOUSE_STATE", "MONITORS_CONFIG", "CLIPBOARD_BY_DEMAND", "CLIPBOARD_SELECTION"} <= set(
        capabilities
    )
    since = guest.viewer.mark()
    assert stop(daemon) == 0
    guest.viewer.wait("agent-connected", predicate=lambda e: not e["connected"], since=since)
    assert CLOSED in guest.lab.trace()
    assert C_SESSION or session.poll() is None  # ours waits for the next daemon


def test_the_port_is_closed_when_the_last_session_leaves(guest: Guest) -> None:
    guest.viewer.connect(guest.lab.uri)
    guest.daemon()
    session = guest.session()
    guest.viewer.wait_announced()
    since = guest.viewer.mark()
    stop(session)
    guest.viewer.wait("agent-connected", predicate=lambda e: not e["connected"], since=since)


@not_with_the_c_daemon  # announces twice, and bits that this version does not know
def test_what_is_announced(running: Guest) -> None:
    assert running.viewer.wait_announced() == [
        *("MOUSE_STATE", "MONITORS_CONFIG", "REPLY", "CLIPBOARD_BY_DEMAND", "CLIPBOARD_SELECTION"),
        *("SPARSE_MONITORS_CONFIG", "GUEST_LINEEND_LF", "MAX_CLIPBOARD", "AUDIO_VOLUME_SYNC"),
        *("FILE_XFER_DETAILED_ERRORS", "GRAPHICS_DEVICE_INFO"),
        *("CLIPBOARD_NO_RELEASE_ON_REGRAB", "CLIPBOARD_GRAB_SERIAL"),
    ]


def works(guest: Guest, text: str, since: int) -> None:
    """Announced since then, and the clipboard goes through."""
    guest.viewer.wait_announced(since)
    since = guest.copy(text.encode())
    guest.viewer.do("request")
    assert guest.viewer.wait("guest-data", since=since)["text"] == text


@not_with_the_c_daemon  # gives up after the second hang-up
def test_the_host_hangs_up(running: Guest) -> None:
    since = running.viewer.mark()
    running.lab.qmp("chardev-change", id="vdagent", backend={"type": "null", "data": {}})
    running.viewer.wait("agent-connected", predicate=lambda e: not e["connected"], since=since)
    since = running.viewer.mark()
    spicevmc = {"type": "spicevmc", "data": {"type": "vdagent"}}
    running.lab.qmp("chardev-change", id="vdagent", backend=spicevmc)
    running.viewer.wait("agent-connected", predicate=lambda e: e["connected"], since=since)
    works(running, "after the hang-up", since)


@not_with_the_c_daemon  # ends when its port is gone
def test_the_port_is_unplugged_and_plugged_in(running: Guest) -> None:
    since = running.viewer.mark()
    running.lab.qmp("device_del", id="vdport")
    running.viewer.wait("agent-connected", predicate=lambda e: not e["connected"], since=since)
    wait_for(lambda: not running.lab.port.exists(), 10, "end of the port")
    since = running.viewer.mark()
    wait_for(running.lab.plug_in, 10, "plugging in")
    works(running, "after the unplugging", since)


@not_with_the_c_session  # releases it
def test_the_viewer_comes_back_and_gets_the_offer(running: Guest) -> None:
    running.copy(b"copied while the first viewer was there")
    running.viewer.do("disconnect")
    second = running.new_viewer()
    since = second.connect(running.lab.uri)
    second.wait("guest-grab", since=since)
    second.do("request")
    data = second.wait("guest-data", since=since)
    assert data["text"] == "copied while the first viewer was there"


def test_a_viewer_that_leaves_takes_its_offer_along(running: Guest) -> None:
    running.viewer.do("offer", text="mine")
    running.offered("UTF8_STRING")
    running.viewer.do("disconnect")
    wait_for(lambda: not running.desktop.targets(), 10, "end of the offer")


@not_with_the_c_session  # ends with its daemon
def test_the_daemon_is_restarted(guest: Guest) -> None:
    guest.viewer.connect(guest.lab.uri)
    daemon = guest.daemon()
    guest.session()
    guest.viewer.wait_announced()
    stop(daemon)
    guest.socket.unlink(missing_ok=True)
    since = guest.viewer.mark()
    guest.daemon()
    works(guest, "after the restart", since)


@not_with_the_c_session  # tells only what is copied after its start
def test_the_session_is_restarted(guest: Guest) -> None:
    guest.viewer.connect(guest.lab.uri)
    guest.daemon()
    session = guest.session()
    guest.viewer.wait_announced()
    stop(session)
    since = guest.viewer.mark()
    guest.session()
    works(guest, "after the restart", since)


@not_with_the_c_session  # takes what has no file of its own for another desktop
def test_one_agent_however_its_display_is_called(running: Guest) -> None:
    display = running.desktop.environment["DISPLAY"]
    for name in (display, f"{display}.0"):
        said = running.one_more_session(DISPLAY=name)
        assert said == "vdagent-session: another session agent serves this desktop already"
