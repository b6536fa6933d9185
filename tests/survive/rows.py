# SPDX-License-Identifier: MIT
"""What can a host, a kernel, a service manager and its users do to a guest in which the agent runs?

Each row is a function that does it and returns when it is over: from then on the time counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.guest.disk import NODE
from tests.support.guest.installed import USER, as_user, install
from tests.support.guest.machine import AGENT_PORT
from tests.support.processes import wait_for
from tests.survive.recovery import Served

SERVED_S = 5.0
# Where a program of Python has to start, or a desktop: without KVM that alone takes seconds.
STARTED_S = 20.0
JOB_TIMEOUT_S = 120.0
# The names QEMU knows the agent's port by.
CHARDEV, PORT = "vdagent", "vdport"


@dataclass(frozen=True)
class Row:
    """Something to survive, and how soon after it the agent has to serve again."""

    what: str
    happen: Callable[[Served], None]
    limit_s: float = SERVED_S
    # Xorg gives up all its input devices, the keyboard too, when logind leaves the bus.
    x_reads_input: bool = True


# -- the viewer ----------------------------------------------------------------------------------


def viewer_comes_back(at: Served) -> None:
    at.viewer.do("disconnect")
    at.viewer.connect(at.guest.spice_uri)


def viewer_takes_over(at: Served) -> None:
    """The one before is still connected; spice-server ends it."""
    at.connect()


def viewer_crashes(at: Served) -> None:
    at.viewer.close()  # by a signal: it says no goodbye
    at.connect()


# -- the host ------------------------------------------------------------------------------------


def chardev_swapped(at: Served) -> None:
    _change_host(at, "null")
    _viewer_loses_agent(at)
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


def reset(at: Served) -> None:
    at.guest.qmp("system_reset")
    _desktop_is_up(at)


def host_absent_at_boot(at: Served) -> None:
    _change_host(at, "null")
    at.guest.qmp("system_reset")
    _desktop_is_up(at)
    at.guest.wait_until("systemctl is-active -q vdagentd", 60, "the daemon")
    _change_host(at, "spicevmc", type="vdagent")


# -- the kernel ----------------------------------------------------------------------------------


def driver_bound_anew(at: Served) -> None:
    """virtio_console lets go of the device and takes it again; our own commands came that way, too."""
    _cut_off(at, "echo $device > unbind; sleep 1; echo $device > bind")


def module_reloaded(at: Served) -> None:
    """The daemon has closed the port by then, else the module would be in use."""
    unload = "cd /; until modprobe -r virtio_console; do sleep 0.2; done"
    _cut_off(at, f"echo $device > unbind; {unload}; modprobe virtio_console")


def suspended(at: Served) -> None:
    at.guest.start("sh -c 'echo mem > /sys/power/state'", "/run/suspend.log")
    wait_for(lambda: at.guest.qmp("query-status")["status"] == "suspended", 30, "the suspend")
    at.guest.qmp("system_wakeup")
    wait_for(lambda: at.guest.qmp("query-status")["status"] == "running", 30, "the resume")


def clock_forward(at: Served) -> None:
    at.guest.output("date -s '+400 days'")


def clock_back(at: Served) -> None:
    at.guest.output("date -s '-400 days'")


# -- the tablet ----------------------------------------------------------------------------------


def uinput_missing(at: Served) -> None:
    at.guest.output("mv /dev/uinput /dev/uinput.away && systemctl restart vdagentd")
    _daemon_says(at, "cannot open /dev/uinput: No such file")
    at.guest.output("mv /dev/uinput.away /dev/uinput")


def uinput_denied(at: Served) -> None:
    at.guest.output("chown root:root /dev/uinput && systemctl restart vdagentd")
    _daemon_says(at, "cannot open /dev/uinput: Permission denied")
    at.guest.output("udevadm trigger --action=change --sysname-match=uinput && udevadm settle")


def uinput_unloaded(at: Served) -> None:
    """With the daemon stopped, or the module would be in use; its next start loads it again."""
    at.guest.output("systemctl stop vdagentd && modprobe -r uinput && systemctl start vdagentd")


# -- services ------------------------------------------------------------------------------------


def _restart(unit: str) -> Callable[[Served], None]:
    def happen(at: Served) -> None:
        at.guest.output(f"systemctl restart {unit}", timeout_s=90)

    return happen


def daemon_killed(at: Served) -> None:
    at.guest.output("systemctl kill -s KILL vdagentd")


def agent_killed(at: Served) -> None:
    pid = _serving_agent(at)
    at.guest.output(f"kill -KILL {pid}")


def agent_restarted(at: Served) -> None:
    pid = _serving_agent(at)
    unit = at.guest.output(f"ps -o uunit= -p {pid}").strip()
    at.guest.output(as_user(f"systemctl --user restart {unit}"))


def session_bus_restarted(at: Served) -> None:
    at.guest.output(as_user("systemctl --user restart dbus"))


def x_server_killed(at: Served) -> None:
    """As in a crash; then the user logs in again."""
    at.guest.output(f"pkill -KILL -u {USER} -x Xorg")
    at.guest.wait_until("! systemctl is-active -q guest-desktop", 60, "the end of the desktop")
    at.guest.output("systemctl start guest-desktop")
    _desktop_is_up(at, boot=False)


def logged_out_and_in(at: Served) -> None:
    at.guest.output("systemctl restart guest-desktop", timeout_s=90)
    _desktop_is_up(at, boot=False)


def package_installed_anew(at: Served) -> None:
    install(at.guest, at.deb)


# -- users ---------------------------------------------------------------------------------------


def user_switched(at: Served) -> None:
    """A second user on a terminal of their own. Whoever looks at the screen now is served."""
    at.guest.output("useradd --create-home --shell /bin/bash other")
    at.guest.output(
        "sed -e 's/guest/other/; s/tty1/tty2/g; s/VTNR=1/VTNR=2/; s/:0 vt1/:1 vt2/'"
        " -e 's,/home/guest,/home/other,; s,lib/other,lib/guest,; s/other-xorg/guest-xorg/'"
        " /etc/systemd/system/guest-desktop.service > /run/systemd/system/other-desktop.service"
        " && systemctl daemon-reload && systemctl start other-desktop"
    )
    at.display = ":1"
    _desktop_is_up(at, boot=False, user="other")


def user_switched_back(at: Served) -> None:
    _show_terminal(at, 1)
    at.display = ":0"


def text_console(at: Served) -> None:
    """No desktop is shown for a while, so no agent is connected."""
    since = at.viewer.mark()
    _show_terminal(at, 5)
    _viewer_loses_agent(at, since)
    _show_terminal(at, 1)


# -- resources -----------------------------------------------------------------------------------


def disk_full(at: Served) -> None:
    """A file is refused, everything else goes on; the row counts from there, the disk still full."""
    at.cleanup.append("rm -f /home/full")
    at.guest.output("fallocate -l $(df --output=avail -B1 /home | tail -n 1) /home/full")
    since = at.viewer.do("send_files", paths=[str(at.deb)])
    ended = at.viewer.wait("transfer-finished", 30, since=since)
    if not ended["error"]:
        raise RuntimeError("a file was taken although the disk is full")


def descriptors_used_up(at: Served) -> None:
    """The daemon may open nothing more while its port goes and comes; then it may again."""
    pid = at.guest.output("systemctl show -P MainPID vdagentd").strip()
    at.guest.output(f"prlimit --pid {pid} --nofile=3:1024")
    port_plugged(at)
    at.guest.wait_until(f"[ -e {AGENT_PORT} ]", 10, "the port")
    _daemon_says(at, "Too many open files")
    at.guest.output(f"prlimit --pid {pid} --nofile=1024:1024")


def _change_host(at: Served, kind: str, **data: str) -> None:
    """Put another backend behind the port; the guest's side of it stays as it is."""
    at.guest.qmp("chardev-change", id=CHARDEV, backend={"type": kind, "data": data})


def _viewer_loses_agent(at: Served, since: int = 0) -> None:
    at.viewer.wait("agent-connected", 10, lambda event: not event["connected"], since)


def _daemon_says(at: Served, words: str) -> None:
    find = f"journalctl -q -u vdagentd -n 20 | grep -q '{words}'"
    at.guest.wait_until(find, 30, f"'{words}' in the log")


def _desktop_is_up(at: Served, boot: bool = True, user: str = USER) -> None:
    """Its window manager runs, which is when a person sees something."""
    if boot:
        at.guest.wait_boot()
        at.display = ":0"
    newest = f"$(pgrep -n -u {user} -x openbox)0 -gt $(pgrep -n -u {user} -x Xorg)0"
    at.guest.wait_until(f"[ {newest} ]", 90, "the desktop")


def _serving_agent(at: Served) -> int:
    told = json.loads(at.guest.output("vdagent status --json"))
    return next(int(session["pid"]) for session in told["sessions"] if session["active"])


def _show_terminal(at: Served, number: int) -> None:
    """VT_ACTIVATE of linux/vt.h; the guest has no chvt."""
    activate = f"import fcntl; fcntl.ioctl(open('/dev/tty0', 'wb'), 0x5606, {number})"
    at.guest.output(f'python3 -c "{activate}"')


def _cut_off(at: Served, script: str) -> None:
    """Run this beside $device in the driver's directory; our own commands cannot get through then."""
    away = "sleep 0.5; cd /sys/bus/virtio/drivers/virtio_console; device=$(basename virtio[0-9]*)"
    at.guest.put("/run/script", f"{away}\n{script}\n".encode())
    at.guest.start("sh /run/script", "/run/script.log")
    at.guest.wait_boot()


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


ROWS = (
    Row("viewer closes, and connects again", viewer_comes_back),
    Row("viewer taken over by another", viewer_takes_over),
    Row("viewer crashes, another connects", viewer_crashes),
    Row("chardev swapped away and back", chardev_swapped),
    Row("port unplugged and plugged", port_plugged),
    Row("driver unbound and bound", driver_bound_anew),
    Row("module virtio_console reloaded", module_reloaded),
    Row("machine paused and continued", paused),
    Row("guest suspended and resumed", suspended),
    Row("snapshot saved, and loaded later", snapshot),
    Row("migrated to another QEMU", migrated),
    Row("uinput node missing when the daemon starts", uinput_missing),
    Row("uinput denied when the daemon starts", uinput_denied),
    Row("module uinput unloaded under a stopped daemon", uinput_unloaded, STARTED_S),
    Row("clock 400 days forward", clock_forward),
    Row("clock 400 days back", clock_back),
    Row("daemon restarted", _restart("vdagentd"), STARTED_S),
    Row("daemon killed", daemon_killed, STARTED_S),
    Row("session agent restarted", agent_restarted, STARTED_S),
    Row("session agent killed", agent_killed, STARTED_S),
    Row("session bus restarted", session_bus_restarted, STARTED_S),
    Row("logind restarted", _restart("systemd-logind"), x_reads_input=False),
    Row("logged out and in", logged_out_and_in, STARTED_S),
    Row("system bus restarted", _restart("dbus"), STARTED_S, x_reads_input=False),
    Row("X server killed", x_server_killed, STARTED_S),
    Row("package installed anew", package_installed_anew, STARTED_S),
    Row("text console and back", text_console),
    Row("another user logs in on another terminal", user_switched, STARTED_S),
    Row("switched back to the first user", user_switched_back),
    Row("disk full", disk_full),
    Row("daemon out of descriptors", descriptors_used_up),
    Row("machine reset", reset, STARTED_S),
    Row("host not attached at boot", host_absent_at_boot),
)
