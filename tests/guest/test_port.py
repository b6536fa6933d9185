# SPDX-License-Identifier: MIT
"""Does the agent outlive what a host and a kernel do to its port?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.guest.agent import Agent
from tests.support.guest.clipboard import copy_to_viewer, paste_in_guest
from tests.support.guest.machine import AGENT_PORT, Guest
from tests.support.guest.tablet import Tablet
from vdagent.lab.viewer_process import ViewerProcess

pytestmark = pytest.mark.guest

RECOVERY_S = 10.0  # seconds of a machine without KVM; docs/survive.md has what it takes


@contextmanager
def recovers(guest: Guest, agent: Agent, viewer: ViewerProcess) -> Iterator[None]:
    """After the body, announcement and text both ways are back within RECOVERY_S."""
    since = viewer.mark()
    yield
    start = time.monotonic()
    viewer.wait_announced(since, RECOVERY_S)
    paste_in_guest(viewer, guest, f"to the guest at {start}")
    text = f"to the viewer at {start}"
    assert copy_to_viewer(viewer, guest, text) == text
    took = time.monotonic() - start
    print(f"recovered in {took:.2f} s")
    assert took <= RECOVERY_S
    assert agent.survived()


def agent_leaves(viewer: ViewerProcess, since: int) -> None:
    viewer.wait("agent-connected", 10, lambda event: not event["connected"], since)


def change_host(guest: Guest, kind: str, **data: str) -> None:
    """Put another backend behind the port; the guest's side of it stays as it is."""
    guest.qmp("chardev-change", id="vdagent", backend={"type": kind, "data": data})


def cpu_seconds(guest: Guest, pid: int) -> float:
    """The processor time a process has used, by the clock ticks of /proc/PID/stat."""
    ticks = guest.output(f"awk '{{print $14 + $15}}' /proc/{pid}/stat")
    return int(ticks) / 100


def test_the_port_is_unplugged_and_plugged_again(
    guest: Guest, agent: Agent, viewer: ViewerProcess
) -> None:
    with recovers(guest, agent, viewer):
        since = viewer.mark()
        guest.qmp("device_del", id="vdport")
        agent_leaves(viewer, since)
        guest.wait_until(f"[ ! -e {AGENT_PORT} ]", 10, "the port's end")
        guest.qmp(
            "device_add",
            driver="virtserialport",
            chardev="vdagent",
            name="com.redhat.spice.0",
            id="vdport",
        )
    with Tablet(guest) as tablet:
        viewer.do("position", x=200, y=100)
        viewer.do("position", x=300, y=200)
        tablet.wait_position()


def test_the_host_detaches_and_attaches_again(
    guest: Guest, agent: Agent, viewer: ViewerProcess
) -> None:
    with recovers(guest, agent, viewer):
        since = viewer.mark()
        change_host(guest, "null")
        try:
            agent_leaves(viewer, since)
            # The kernel reports POLLIN and POLLHUP all the time now: whoever polls on spins.
            before = cpu_seconds(guest, agent.daemon)
            guest.output("sleep 2")
            used = cpu_seconds(guest, agent.daemon) - before
        finally:
            change_host(guest, "spicevmc", type="vdagent")
    assert used < 0.5, f"{used} s of processor time in 2 s without a host"


def test_a_port_in_use_is_named_with_its_holder(
    guest: Guest, agent: Agent, viewer: ViewerProcess
) -> None:
    agent.stop_daemon()
    holder = guest.start(f"sleep 1000 <>{AGENT_PORT}", "/run/holder.log")
    guest.wait_until(f"[ $(readlink -f {AGENT_PORT}) -ef /proc/{holder}/fd/0 ]", 10, "the holder")
    try:
        agent.start_daemon()
        said = agent.wait_log(f"in use by sleep .pid {holder}", 10)
        assert len(said.splitlines()) == 1
        with recovers(guest, agent, viewer):
            guest.output(f"kill {holder}")
    finally:
        guest.run(f"kill {holder}")


def test_a_second_daemon_says_that_there_is_one(guest: Guest, agent: Agent) -> None:
    result = guest.run(f"timeout 20 {agent.program} daemon --foreground -X -s {AGENT_PORT}")
    assert result.status not in (0, 124), result.output
    assert len(result.output.splitlines()) == 1, result.output
    assert agent.survived()


def test_a_port_that_is_not_ready_is_tried_again(
    guest: Guest, agent: Agent, viewer: ViewerProcess
) -> None:
    """A node without a driver behind it answers ENXIO, as one does whose port is being set up."""
    path = "/run/late-port"
    agent.stop_daemon()
    agent.forget_log()
    guest.output(f"mknod {path} c 60 0")  # a major number for local use: nothing has it
    assert "No such device or address" in guest.run(f"cat {path}").output
    try:
        agent.start_daemon(path)
        agent.wait_log("active is the session", 10)
        with recovers(guest, agent, viewer):
            guest.output(f"ln -sf {AGENT_PORT} {path}")
    finally:
        agent.stop_daemon()
        agent.start_daemon()
