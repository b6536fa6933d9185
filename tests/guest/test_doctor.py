# SPDX-License-Identifier: MIT
"""Does the doctor see what is wrong with a real port, and does what it says repair it?"""

from __future__ import annotations

import json

import pytest

from tests.support.guest import kernel
from tests.support.guest.agent import Agent
from tests.support.guest.machine import AGENT_PORT, Guest
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

Finding = dict[str, object]


def doctor(agent: Agent) -> dict[str, Finding]:
    """What `vdagent doctor` says in the guest, as root and in the X session."""
    said = agent.guest.run(f"{agent.program} doctor --json")
    findings = {str(finding["name"]): finding for finding in json.loads(said.output)}
    assert said.status == (1 if any(f["ok"] is False for f in findings.values()) else 0)
    return findings


def says(finding: Finding, ok: bool | None, detail: str, hint: str = "") -> None:
    assert finding["ok"] is ok and detail in str(finding["detail"]), finding
    assert hint in str(finding.get("hint", "")), finding


def test_a_real_machine_is_well(guest: Guest, agent: Agent, viewer: ViewerProcess) -> None:
    found = doctor(agent)
    assert [name for name, finding in found.items() if finding["ok"] is False] == []
    says(found["machine"], True, "a virtual machine (QEMU")
    says(found["port"], True, AGENT_PORT)
    says(found["port in use"], True, f"(pid {agent.daemon})")
    says(found["tablet"], True, "with /dev/uinput")
    says(found["desktop: clipboard"], True, "X11 at :0")


def test_the_link_is_missing(guest: Guest, agent: Agent) -> None:
    guest.output(f"rm {AGENT_PORT}")
    finding = doctor(agent)["port"]
    says(finding, False, "the kernel has it as vport", "udevadm trigger")
    guest.output(str(finding["hint"]).partition(": ")[2])  # what it says is done
    guest.wait_until(f"[ -e {AGENT_PORT} ]", 10, "the link")
    says(doctor(agent)["port"], True, AGENT_PORT)


def test_the_port_is_unplugged(guest: Guest, agent: Agent, viewer: ViewerProcess) -> None:
    guest.qmp("device_del", id="vdport")
    guest.wait_until(f"[ ! -e {AGENT_PORT} ]", 10, "the port's end")
    try:
        found = doctor(agent)
        says(found["port"], False, "none for SPICE", "virtserialport,chardev=vdagent")
        says(found["port open"], False, "No such file or directory")
    finally:
        port = {"chardev": "vdagent", "name": "com.redhat.spice.0", "id": "vdport"}
        guest.qmp("device_add", driver="virtserialport", **port)
    guest.wait_until(f"[ -e {AGENT_PORT} ]", 10, "the port")
    guest.wait_until(f"{agent.program} status | grep -q '{AGENT_PORT} open'", 20, "the daemon")
    says(doctor(agent)["port open"], True, "the host sees an agent")


def test_another_program_has_the_port(guest: Guest, agent: Agent) -> None:
    agent.stop_daemon()
    holder = guest.start(f"sleep 1000 <>{AGENT_PORT}", "/run/doctor-holder.log")
    guest.wait_until(f"[ $(readlink -f {AGENT_PORT}) -ef /proc/{holder}/fd/0 ]", 10, "the holder")
    finding = doctor(agent)["port in use"]
    says(finding, False, f"by sleep (pid {holder})", f"end it: kill {holder}")
    guest.output(str(finding["hint"]).partition(": ")[2])
    agent.start_daemon()
    agent.wait_log("port: .* is open", 10)


def test_the_module_of_the_tablet_is_missing(guest: Guest, agent: Agent) -> None:
    agent.stop_daemon()
    guest.output("rmmod uinput; [ ! -e /dev/uinput ]")
    says(doctor(agent)["tablet"], False, "there is no /dev/uinput", "modprobe uinput; ")
    # As modprobe would: this guest has its modules from elsewhere than where that looks.
    guest.output(f"insmod {kernel.prepare().modules}/uinput.ko")
    guest.wait_until("[ -e /dev/uinput ]", 10, "the module")
    says(doctor(agent)["tablet"], True, "/dev/uinput is there")
    agent.start_daemon()
    agent.wait_log("port: .* is open", 10)
