# SPDX-License-Identifier: MIT
"""Can somebody who knows nothing but `vdagent doctor` repair what is broken in a guest, and see what passes?

Each case breaks one thing, reads the doctor's hint, does what it says and nothing else, and then copies
and pastes through the viewer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.guest.conftest import attach
from tests.support.guest.clipboard import copy_to_viewer, paste_in_guest
from tests.support.guest.machine import AGENT_PORT, Guest
from tests.support.guest.seat import Desktop
from tests.support.processes import wait_for
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

STOP, START = (f"systemctl {verb} vdagentd.socket vdagentd.service" for verb in ("stop", "start"))
DOCTOR = "vdagent doctor --json || true"
# Where in a hint the command is that repairs it: the first there is.
COMMAND = re.compile(r"(?:^|: )((?:systemctl|udevadm|kill|vdagent) [^;]*)")


@pytest.fixture(scope="module")
def desktop(installed_guest: Guest) -> Desktop:
    """The user who was logged in by the boot, at the seat."""
    desktop = Desktop(installed_guest, "guest", vt=1, display=0)
    desktop.activate()
    return desktop


@pytest.fixture
def viewer(installed_guest: Guest, desktop: Desktop) -> Iterator[ViewerProcess]:
    with ViewerProcess() as process:
        attach(process, installed_guest, timeout_s=60)
        yield process
    print(
        installed_guest.output("journalctl -b -u vdagentd -o short-precise --no-pager | tail -30")
    )


def hint(desktop: Desktop, link: str, as_root: bool) -> str:
    """What doctor says to do about this link, as soon as it sees that it is broken."""

    def said() -> str:
        asked = desktop.guest.output(DOCTOR) if as_root else desktop.output(DOCTOR)
        return next(
            (f["hint"] for f in json.loads(asked) if f["name"] == link and f["ok"] is False), ""
        )

    return wait_for(said, 30, f"doctor sees that the {link} is broken")


@pytest.mark.parametrize(
    ("link", "breaks", "repairs_as_root"),
    [
        ("daemon", STOP, True),
        ("session agent", "pkill -u guest -f 'vdagent session'", False),
        ("port", f"{STOP}; rm {AGENT_PORT}; {START}", True),
        (
            "port in use",
            f"{STOP}; setsid sleep 999 <>{AGENT_PORT} >&0 2>&0 & sleep 1; {START}",
            True,
        ),
    ],
)
def test_the_hint_is_enough(
    viewer: ViewerProcess, desktop: Desktop, link: str, breaks: str, repairs_as_root: bool
) -> None:
    desktop.guest.run(breaks, timeout_s=60)
    found = COMMAND.search(hint(desktop, link, repairs_as_root))
    assert found, link
    print(found[1])
    since = viewer.mark()
    if repairs_as_root:
        desktop.guest.output(found[1], timeout_s=60)
    else:
        desktop.output(found[1])
    desktop.wait_until("vdagent doctor >/dev/null", 60, "doctor has nothing more to say")
    viewer.wait_announced(since, 30)
    paste_in_guest(viewer, desktop.guest, f"into the guest: {link}", timeout_s=20)
    assert copy_to_viewer(viewer, desktop.guest, f"out of it: {link}", timeout_s=20)


def test_root_can_watch_and_nobody_else(viewer: ViewerProcess, desktop: Desktop) -> None:
    """`vdagent monitor` reaches the daemon in its sandbox; a user is told who may."""
    guest = desktop.guest
    watch = "vdagent monitor --no-pointer --record /run/capture.jsonl"
    pid = guest.start(watch, "/run/monitor.log")
    guest.wait_until("[ -s /run/capture.jsonl ]", 30, "the monitor begins")
    paste_in_guest(viewer, guest, "correct horse battery staple", timeout_s=20)
    guest.wait_until("grep -q CLIPBOARD_DATA /run/monitor.log", 10, "the paste is shown")
    guest.output(f"kill {pid}")
    assert guest.output("stat -c %a /run/capture.jsonl").strip() == "600"
    assert "horse" not in guest.output("cat /run/capture.jsonl /run/monitor.log")
    assert "only root may do that" in desktop.output("vdagent monitor 2>&1 || true")
