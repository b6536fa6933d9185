# SPDX-License-Identifier: MIT
"""What can viewers and hosts do to a guest in which the agent runs?

Each function is a row of rows.py: it does it and returns when it is over.
"""

from __future__ import annotations

import time

from tests.support.guest.disk import NODE
from tests.support.guest.machine import AGENT_PORT
from tests.support.processes import wait_for
from tests.survive.recovery import Served
from tests.survive.steps import desktop_is_up, viewer_loses_agent

JOB_TIMEOUT_S = 120.0
# The names QEMU knows the agent's port by.
CHARDEV, PORT = "vdagent", "vdport"


def viewer_comes_back(at: Served) -> None:
    at.viewer.do("disconnect")
    at.viewer.connect(at.guest.spice_uri)


def viewer_takes_over(at: Served) -> None:
    """The one before is still connected; spice-server ends it."""
    at.connect()


def viewer_crashes(at: Served) -> None:
    at.viewer.close()  # by a signal: it says no goodbye
    at.connect()


def viewer_expelled(at: Served) -> None:
    """A management program sets a new password and ends whoever came with the old one."""
    since = at.viewer.mark()
    at.guest.set_password("another")
    closed = {"channel": "MainChannel", "state": "closed"}
    at.viewer.wait("channel", 10, lambda event: closed.items() <= event.items(), since)
    at.connect()


def chardev_swapped(at: Served) -> None:
    _change_host(at, "null")
    viewer_loses_agent(at)
    _change_host(at, "spicevmc", type="vdagent")


def port_plugged(at: Served) -> None:
    at.guest.qmp("device_del", id=PORT)
    at.guest.wait_until(f"[ ! -e {AGENT_PORT} ]", 10, "the port's end")
    at.guest.qmp(
        "device_add",
        driver="virtserialport",
        chardev=CHARDEV,
        name="com.redhat.spice.0",
        id=PORT,
    )


def paused(at: Served) -> None:
    at.guest.qmp("stop")
    time.sleep(3)  # the time it stands still is what this is about
    at.guest.qmp("cont")


def snapshot(at: Served) -> None:
    _job(at, "snapshot-save")
    at.seconds_until_served()
    _job(at, "snapshot-load")


def migrated(at: Served) -> None:
    """To another QEMU; as the viewer is not told, it connects there anew."""
    at.guest.migrate()
    at.connect()


def migrated_with_viewer(at: Served) -> None:
    """It is told where the guest goes, and keeps its channels. (spice-server calls it seamless)"""
    at.guest.migrate(seamless=True)


def reset(at: Served) -> None:
    at.guest.qmp("system_reset")
    desktop_is_up(at, boot=True)


def host_absent_at_boot(at: Served) -> None:
    _change_host(at, "null")
    at.guest.qmp("system_reset")
    desktop_is_up(at, boot=True)
    at.guest.wait_until("systemctl is-active -q vdagentd", 60, "the daemon")
    _change_host(at, "spicevmc", type="vdagent")


def _change_host(at: Served, kind: str, **data: str) -> None:
    """Put another backend behind the port; the guest's side of it stays as it is."""
    at.guest.qmp("chardev-change", id=CHARDEV, backend={"type": kind, "data": data})


def _job(at: Served, kind: str) -> None:
    """A job of QEMU's that saves or loads the whole machine, and stops it meanwhile."""
    name = f"{kind}-{time.monotonic_ns()}"
    at.guest.qmp(kind, **{"job-id": name, "tag": "here", "vmstate": NODE, "devices": [NODE]})

    def over() -> bool:
        (job,) = (job for job in at.guest.qmp("query-jobs") if job["id"] == name)
        if job.get("error"):
            raise RuntimeError(f"{kind}: {job['error']}")
        return bool(job["status"] == "concluded")

    wait_for(over, JOB_TIMEOUT_S, kind)
    at.guest.qmp("job-dismiss", id=name)
