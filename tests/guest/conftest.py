# SPDX-License-Identifier: MIT
"""Which guests do the tests of this folder share? One with our tree, one with our package installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guest import installed
from tests.support.guest.agent import Agent
from tests.support.guest.machine import AGENT_PORT, Guest
from tests.support.tools import require
from vdagent.lab.viewer_process import ViewerProcess

# Minutes long; `make test-guest-full` asks for it.
collect_ignore = [] if "VDAGENT_TEST_GUEST_FULL" in os.environ else ["test_repair.py"]


@pytest.fixture(scope="package")
def guest() -> Iterator[Guest]:
    """A booted guest with an X server on a std VGA, where MONITORS_CONFIG reaches the agent."""
    require("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb", "Xorg", "xclip", "xrandr")
    require("xdotool")
    with Guest(gpu="VGA") as machine:
        machine.start_xorg()
        yield machine


@pytest.fixture(scope="package")
def installed_guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Systemd and a user's login; our package was installed with apt and the machine rebooted once.

    From here on nobody does anything in it to make the agent work.
    """
    require(*installed.PROGRAMS)
    scratch = tmp_path_factory.mktemp("installed")
    deb = installed.build_deb(scratch)
    with installed.boot(scratch / "disk.qcow2") as machine:
        print(installed.install(machine, deb))
        # Not only after a reboot: whoever is logged in has a working agent at once.
        owners = machine.output(f"stat -Lc '%G %a' {AGENT_PORT} /dev/uinput")
        assert owners.split("\n")[:2] == ["vdagent 660"] * 2, owners
        machine.reboot()
        yield machine


@pytest.fixture(scope="package")
def running_agent(guest: Guest) -> Agent:
    """Daemon and session, started once, and known to serve a viewer."""
    agent = Agent(guest)
    with ViewerProcess() as process:
        try:
            attach(process, guest, timeout_s=30)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {agent.new_log()}") from None
    return agent


@pytest.fixture
def agent(running_agent: Agent) -> Iterator[Agent]:
    """The agent, which every test leaves running; a failing test shows what it said meanwhile."""
    running_agent.forget_log()
    yield running_agent
    print(running_agent.new_log())


@pytest.fixture
def viewer(guest: Guest, agent: Agent, tmp_path: Path) -> Iterator[ViewerProcess]:
    """A viewer to which the agent has announced itself and whose positions go to the agent."""
    with (tmp_path / "viewer.log").open("wb") as log, ViewerProcess(log) as process:
        attach(process, guest)
        yield process


def attach(process: ViewerProcess, guest: Guest, timeout_s: float = 10) -> int:
    """Connect and wait until the agent serves this viewer; the place before its first event."""
    since = process.connect(guest.spice_uri)
    process.wait_announced(since, timeout_s)
    process.wait("mouse-mode", 10, lambda event: event["mode"] == "client", since)
    return since
