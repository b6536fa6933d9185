# SPDX-License-Identifier: MIT
"""Does only that pass which the settings let pass, seen from a real viewer, also when they change?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.app_process import AppProcess
from tests.support.lab_guest import C_PEER, Guest
from tests.support.processes import stop, wait_for
from tests.support.rig import FACTS_S
from tests.support.tools import require
from tests.support.wayland_guest import WaylandGuest

pytestmark = pytest.mark.unless(C_PEER)  # it has no settings

HERE = Path(__file__).parents[2]
UTF8 = "text/plain;charset=utf-8"
HINT = "x-kde-passwordManagerHint"
# What Qt offers for a text on X11, as KeePassXC leaves it to Qt.
QT_TEXT = ("UTF8_STRING", "text/plain", "text/plain;charset=utf-8", "STRING", "TEXT")


@pytest.fixture(params=["x11", "sway"])
def idle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guest]:
    """A guest in which nothing of ours runs yet."""
    require("qemu-system-x86_64", "Xvfb", "xclip", "sway", "wl-copy", "wl-paste")
    guest = Guest(tmp_path) if request.param == "x11" else WaylandGuest(tmp_path, "sway")
    with guest:
        yield guest


def configure(guest: Guest, text: str) -> None:
    path = guest.directory / "vdagent" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def vdagent(guest: Guest, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours as the user of this desktop."""
    return subprocess.run(
        [sys.executable, "-m", "vdagent", *words],
        env=guest.desktop.environment,
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=30,
    )


def switch(guest: Guest, word: str) -> None:
    done = vdagent(guest, "clipboard", word)
    assert (done.returncode, done.stderr) == (0, "")


def started(guest: Guest, settings: str = "") -> Guest:
    """Everything runs by these settings, and takes commands."""
    configure(guest, settings)
    guest.start()
    controls = guest.directory / "vdagent"
    wait_for(lambda: list(controls.glob("*.control")), 10, "the session's control socket")
    return guest


def text_target(guest: Guest) -> str:
    return UTF8 if isinstance(guest, WaylandGuest) else "UTF8_STRING"


def copy_unseen(guest: Guest, text: str) -> None:
    """Copy in the guest, and wait until its programs see that.

    Not by xclip: it does not answer us while it answers those.
    """
    app = App(guest)
    guest._stack.callback(app.close)
    app.copy(text)
    target = text_target(guest)
    guest.offered(target)
    wait_for(lambda: guest.desktop.paste(target) == text.encode(), 10, "the copy in the guest")


def requested(guest: Guest) -> str:
    """What the viewer gets when it asks for the guest's text, offered or not."""
    since = guest.viewer.do("request")
    return str(guest.viewer.wait("guest-data", since=since)["text"])


def pasted(guest: Guest) -> bytes:
    return bytes(guest.desktop.paste(text_target(guest)))


def grabs(guest: Guest, since: int) -> list[Any]:
    return [e for e in guest.viewer.events[since:] if e["event"] == "guest-grab"]


def _status(guest: Guest) -> str:
    return vdagent(guest, "status", "-S", str(guest.socket)).stdout


def test_to_guest_then_to_host(idle: Guest) -> None:
    guest = started(idle, '[clipboard]\ndirection = "to-guest"\n')
    guest.viewer.do("offer", text="in")
    guest.offered(text_target(guest))
    assert pasted(guest) == b"in"

    since = guest.viewer.mark()
    copy_unseen(guest, "not out")
    assert requested(guest) == ""
    assert grabs(guest, since) == []

    wait_for(lambda: "by its settings: clipboard to-guest" in _status(guest), FACTS_S, "the status")
    where = ("-s", str(guest.lab.port), "-S", str(guest.socket))
    found = {
        link["name"]: link for link in json.loads(vdagent(guest, "doctor", "--json", *where).stdout)
    }
    assert found["settings"]["detail"] == "in force: clipboard to-guest"
    assert "vdagent config show" in found["settings"]["hint"]
    switch(guest, "to-host")  # what was copied before is offered now
    guest.viewer.wait("guest-grab", since=since)
    assert requested(guest) == "not out"
    since = guest.viewer.do("offer", text="not in")
    assert requested(guest) == ""  # the viewer's own copy is newer, so this is a fence only
    assert pasted(guest) == b"not out"
    copy_unseen(guest, "out")
    guest.viewer.wait("guest-grab", since=since)
    assert requested(guest) == "out"


def wait_pasted(guest: Guest, text: str) -> None:
    """Until a program that pastes gets this text."""
    wait_for(lambda: pasted(guest) == text.encode(), 10, f"a paste of {text!r}")


def test_switched_at_run_time(idle: Guest) -> None:
    guest = started(idle)
    for word, enters, leaves in [
        ("off", False, False),
        ("to-guest", True, False),
        ("to-host", False, True),
        ("both", True, True),
        ("on", True, True),
    ]:
        switch(guest, word)
        copy_unseen(guest, f"the guest's own, {word}")
        assert requested(guest) == (f"the guest's own, {word}" if leaves else "")
        guest.viewer.do("offer", text=f"the viewer's, {word}")
        requested(guest)
        if enters:
            wait_pasted(guest, f"the viewer's, {word}")
        else:
            assert pasted(guest) == f"the guest's own, {word}".encode()
    said = vdagent(guest, "clipboard").stdout
    assert said == "clipboard: both\nprimary:   both\n"


def test_a_waiting_copy_of_the_viewer_comes_in_when_it_may(idle: Guest) -> None:
    guest = started(idle, 'clipboard.direction = "off"')
    guest.viewer.do("offer", text="waiting")
    requested(guest)
    assert text_target(guest) not in guest.desktop.targets()
    switch(guest, "to-guest")
    guest.offered(text_target(guest))
    assert pasted(guest) == b"waiting"


class App:
    """A program of the desktop that copies several types at once."""

    def __init__(self, guest: Guest) -> None:
        wayland = isinstance(guest, WaylandGuest)
        self.texts = (UTF8, "text/plain") if wayland else QT_TEXT
        environment = guest.desktop.environment
        where = environment["WAYLAND_DISPLAY"] if wayland else environment["DISPLAY"]
        program = "wayland_app" if wayland else "x11_app"
        self.process = AppProcess(program, where, env=environment)
        self.close = self.process.close

    def copy(self, text: str, **more: str) -> None:
        contents = dict.fromkeys(self.texts, text) | more
        assert self.process.ask("own", selection="CLIPBOARD", contents=contents) is True


def test_a_password_never_reaches_the_viewer(idle: Guest) -> None:
    guest = started(idle)
    app = App(guest)
    guest._stack.callback(app.close)
    since = guest.viewer.mark()
    app.copy("hunter2", **{HINT: "secret"})
    assert requested(guest) == ""
    wait_for(lambda: b"secret stays" in guest.log.read_bytes(), 10, "the secret seen")
    assert requested(guest) == ""
    assert grabs(guest, since) == []
    app.copy("a name")
    guest.viewer.wait("guest-grab", since=since)
    assert requested(guest) == "a name"

    since = guest.viewer.mark()
    app.copy("hunter2", **{HINT: "secret"})
    guest.viewer.wait("guest-release", since=since)
    assert requested(guest) == ""
    assert "hunter2" not in json.dumps(guest.viewer.events)
    assert b"hunter2" not in guest.log.read_bytes()

    configure(guest, "clipboard.secrets = true")  # whoever wants it
    assert vdagent(guest, "reload", "-S", str(guest.socket)).returncode == 0
    guest.viewer.wait("guest-grab", since=since)
    assert requested(guest) == "hunter2"


# -- reload ----------------------------------------------------------------------------------------


def test_a_reload_does_not_drop_the_viewer(guest: Guest) -> None:
    system = guest.directory / "system.toml"
    configure(guest, "")
    guest.viewer.connect(guest.lab.uri)
    options = ("--config", str(system))
    daemon, session = guest.daemon(*options), guest.session(*options)
    guest.viewer.wait_announced()
    wait_for(
        lambda: list((guest.directory / "vdagent").glob("*.control")), 10, "the control socket"
    )
    guest.viewer.do("offer", text="stays")
    guest.offered("UTF8_STRING")
    since = guest.viewer.mark()

    system.write_text('locked = ["clipboard.primary"]\nclipboard.primary = "off"\n')
    configure(guest, 'clipboard.primary = "both"\nclipboard.types = ["text"]\n')
    done = vdagent(guest, "reload", "-S", str(guest.socket))
    mine = guest.directory / "vdagent" / "config.toml"
    problem = f'{mine}:1: clipboard.primary is locked at "off" by {system}:1'
    assert (done.returncode, done.stderr) == (1, f"vdagent: {problem}\n")
    assert problem in guest.log.read_text()

    assert guest.desktop.paste("UTF8_STRING") == b"stays"
    guest._stack.callback(stop, guest.desktop.copy(b"kept", "UTF8_STRING", "primary"))
    guest.offered("UTF8_STRING", "primary")
    guest.viewer.do("request", selection="primary")
    data = guest.viewer.wait("guest-data", since=since)
    assert (data["selection"], data["size"]) == ("primary", 0)
    gone = ("disconnected", "agent-connected", "agent-update", "guest-grab", "guest-release")
    assert [e["event"] for e in guest.viewer.events[since:] if e["event"] in gone] == []
    assert (daemon.poll(), session.poll()) == (None, None)

    configure(guest, "")
    assert vdagent(guest, "reload", "-S", str(guest.socket)).returncode == 0


def test_mistakes_stop_nobody(guest: Guest) -> None:
    system = guest.directory / "system.toml"
    system.write_text("[clipboard]\ndirection = \n")
    configure(guest, '[clipboard]\nprimray = "off"\ndirection = "to-guest"\n')
    guest.viewer.connect(guest.lab.uri)
    guest.daemon("--config", str(system))
    guest.session("--config", str(system))
    guest.viewer.wait_announced()
    log, mine = guest.log.read_text(), guest.directory / "vdagent" / "config.toml"
    assert log.count(f"config: {system}:2: is not TOML") == 2  # daemon and session
    assert f"config: {mine}:2: there is no setting 'clipboard.primray'" in log
    assert "did you mean clipboard.primary?" in log
    copy_unseen(guest, "not out")
    assert requested(guest) == ""
    guest.viewer.do("offer", text="in")
    wait_for(lambda: guest.desktop.paste("UTF8_STRING") == b"in", 10, "the viewer's copy")


def test_a_locked_setting_stays(guest: Guest) -> None:
    """Also behind a session agent that knows nothing of it: the daemon keeps it."""
    system = guest.directory / "system.toml"
    system.write_text('locked = ["clipboard.direction"]\nclipboard.direction = "to-guest"\n')
    configure(guest, "")
    guest.viewer.connect(guest.lab.uri)
    guest.daemon("--config", str(system))
    guest.session("--config", "/nonexistent")
    guest.viewer.wait_announced()
    copy_unseen(guest, "not out")
    assert requested(guest) == ""
    assert grabs(guest, 0) == []
    guest.viewer.do("offer", text="in")
    wait_for(lambda: guest.desktop.paste("UTF8_STRING") == b"in", 10, "the viewer's copy")
    done = vdagent(guest, "clipboard", "both", "--config", str(system))
    assert done.returncode == 1
    assert f'locked at "to-guest" by {system}:1' in done.stderr


def test_the_daemon_passes_a_reload_on_to_all_sessions(guest: Guest) -> None:
    """As for `sudo vdagent reload`, which has no runtime directory of the user's."""
    started(guest)
    copy_unseen(guest, "out")
    since = guest.viewer.mark()
    wait_for(lambda: "CLIPBOARD by" in _status(guest), FACTS_S, "the session known to the daemon")
    configure(guest, 'clipboard.direction = "off"')
    guest.desktop.environment.pop("XDG_RUNTIME_DIR")
    assert vdagent(guest, "reload", "-S", str(guest.socket)).returncode == 0
    guest.viewer.wait("guest-release", since=since)
    assert requested(guest) == ""


# -- files -----------------------------------------------------------------------------------------


def drop(guest: Guest, name: str, size: int) -> str | None:
    """Drop a file on the viewer; the error that it shows."""
    source = guest.directory / name
    source.write_bytes(b"x" * size)
    since = guest.viewer.do("send_files", paths=[str(source)])
    finished = guest.viewer.wait("transfer-finished", 20, lambda e: e["name"] == name, since)
    error: str | None = finished["error"]
    return error


def test_files(guest: Guest) -> None:
    place = guest.directory / "in"
    place.mkdir()
    started(guest, f'[files]\nmax-size = "1 KiB"\ndirectory = "{place}"\n')
    assert drop(guest, "small", 1024) is None
    assert drop(guest, "large", 1025)
    assert "refused 'large'" in guest.log.read_text()

    configure(guest, f'[files]\nenabled = false\ndirectory = "{place}"\n')
    assert vdagent(guest, "reload", "-S", str(guest.socket)).returncode == 0
    assert drop(guest, "other", 1) == "File transfer is disabled."
    configure(guest, f'[files]\ndirectory = "{place}"\n')
    assert vdagent(guest, "reload", "-S", str(guest.socket)).returncode == 0
    assert drop(guest, "again", 100_000) is None
    assert sorted(path.name for path in place.iterdir()) == ["again", "small"]


def test_files_that_are_locked_off(guest: Guest) -> None:
    system = guest.directory / "system.toml"
    system.write_text('locked = ["files.enabled"]\nfiles.enabled = false\n')
    guest.viewer.connect(guest.lab.uri)
    guest.daemon("--config", str(system))
    guest.session("--config", "/nonexistent")
    guest.viewer.wait_announced()
    assert drop(guest, "file", 1) == "File transfer is disabled."
