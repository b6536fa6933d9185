# SPDX-License-Identifier: MIT
"""Is one `apt install` enough? A systemd guest on a disk of its own, rebooted once, and left alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guest import installed
from tests.support.guest.clipboard import copy_to_viewer, paste_in_guest
from tests.support.guest.machine import AGENT_PORT, Guest
from tests.support.guest.tablet import BUTTONS, KEY, Tablet
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

# From the executor's first word, early in the boot, to a desktop with its agent.
DESKTOP_S = 120.0
# Two programs of Python have to start, without KVM.
PLUGGED_S = 20.0
PORT = {
    "driver": "virtserialport",
    "chardev": "vdagent",
    "name": "com.redhat.spice.0",
    "id": "vdport",
}


@pytest.fixture(scope="module")
def guest(installed_guest: Guest) -> Guest:
    """Installed and rebooted."""
    return installed_guest


@pytest.fixture(scope="module")
def viewer(guest: Guest) -> Iterator[ViewerProcess]:
    """A viewer that is there all the time, and to which the agent has announced itself."""
    with ViewerProcess() as process:
        since = process.connect(guest.spice_uri)
        try:
            process.wait_announced(since, DESKTOP_S)
            process.wait("mouse-mode", 10, lambda event: event["mode"] == "client", since)
        except TimeoutError as error:
            said = guest.run("journalctl -b --no-pager -n 80; ls -l /dev/uinput /dev/vport*")
            raise TimeoutError(f"{error}\n{said.output}") from None
        yield process


def test_text_goes_both_ways(guest: Guest, viewer: ViewerProcess) -> None:
    paste_in_guest(viewer, guest, "from the viewer ✓", timeout_s=10)
    assert copy_to_viewer(viewer, guest, "from the guest ✓", timeout_s=10) == "from the guest ✓"


def test_the_pointer_arrives(guest: Guest, viewer: ViewerProcess) -> None:
    with Tablet(guest) as tablet:
        viewer.do("position", x=200, y=100)
        viewer.do("position", x=640, y=400)
        tablet.wait_position()
        viewer.do("press", button="left")
        tablet.wait_event([KEY, BUTTONS["left"], 1], "left pressed")
        viewer.do("release_button", button="left")
        tablet.wait_event([KEY, BUTTONS["left"], 0], "left released")


def test_a_file_lands_in_downloads(guest: Guest, viewer: ViewerProcess, tmp_path: Path) -> None:
    file = tmp_path / "from the viewer.bin"
    file.write_bytes(bytes(range(256)) * 4096)
    since = viewer.do("send_files", paths=[str(file)])
    sent = viewer.wait("files-sent", 30, since=since)
    assert sent["ok"], sent
    landed = f"'{installed.DOWNLOADS}/{file.name}'"
    guest.wait_until(f"[ $(stat -c %s {landed}) = {file.stat().st_size} ]", 10, "the file")
    assert guest.output(f"stat -c %U {landed}").strip() == installed.USER


def test_the_daemon_has_no_privileges(guest: Guest) -> None:
    shown = guest.output(
        "systemctl show vdagentd.service -p User -p Group -p MainPID -p ActiveState"
    )
    print(shown)
    facts = dict(line.split("=", 1) for line in shown.split())
    assert (facts["User"], facts["Group"], facts["ActiveState"]) == ("vdagent", "vdagent", "active")
    status = guest.output(f"cat /proc/{facts['MainPID']}/status")
    capabilities = re.findall(r"^Cap(?:Prm|Eff|Bnd|Amb):\s*(\w+)", status, re.M)
    assert [int(mask, 16) for mask in capabilities] == [0] * 4
    uid = guest.output("id -u vdagent").strip()
    assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", status, re.M), status


def test_systemd_calls_it_safe(guest: Guest) -> None:
    said = guest.output("systemd-analyze security --no-pager vdagentd.service", timeout_s=60)
    verdict = next(line for line in said.splitlines() if "Overall exposure level" in line)
    print(verdict)
    level = re.search(r": ([\d.]+)", verdict)
    assert level and float(level[1]) <= 1.2


def test_the_user_can_ask_for_the_status(guest: Guest, viewer: ViewerProcess) -> None:
    told = json.loads(guest.output(installed.as_user("vdagent status --json"), timeout_s=60))
    assert told["port"]["open"] and told["tablet"]["ready"] and told["host"]["client_connected"]
    uid = int(guest.output(f"id -u {installed.USER}"))
    assert [(of["uid"], of["active"]) for of in told["sessions"]] == [(uid, True)]


def test_it_is_one_agent(guest: Guest) -> None:
    """The user unit and the autostart entry are both there; one of them serves the desktop."""
    agents = guest.output(f"pgrep -u {installed.USER} -fc 'vdagent session'").strip()
    assert agents == "1", guest.output("ps -ef")


def test_a_port_that_is_plugged_in_after_the_login(guest: Guest, viewer: ViewerProcess) -> None:
    """Whoever logged in without one has no agent: it ends at once where there is no port."""
    guest.qmp("device_del", id="vdport")
    guest.wait_until(f"[ ! -e {AGENT_PORT} ]", 10, "the port's end")
    guest.output("systemctl stop vdagentd.socket vdagentd.service")
    units = "vdagent.service app-vdagent@autostart.service"
    guest.output(installed.as_user(f"systemctl --user stop {units}"))
    running = f"pgrep -u {installed.USER} -f 'vdagent session'"
    guest.wait_until(f"! {running}", 10, "the session agent's end")
    since = viewer.mark()
    guest.qmp("device_add", **PORT)
    viewer.wait_announced(since, PLUGGED_S)
    assert copy_to_viewer(viewer, guest, "plugged in", timeout_s=10) == "plugged in"
    test_it_is_one_agent(guest)
