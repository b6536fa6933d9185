# SPDX-License-Identifier: MIT
"""What can a guest's kernel, its service manager and its users do to the agent that runs in it?

Each function is a row of rows.py: it does it and returns when it is over.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.guest.installed import USER, as_user, install
from tests.support.guest.machine import AGENT_PORT
from tests.support.guest.seat import log_in, switch_console
from tests.support.processes import wait_for
from tests.survive.by_host import port_plugged
from tests.survive.recovery import Served
from tests.survive.steps import (
    daemon_says,
    desktop_is_up,
    log_says,
    serving_agent,
    viewer_loses_agent,
)
from tests.survive.sway import USER as SWAY_USER
from tests.survive.sway import Sway

# The console of another user, whose display gets the same number; and one with nobody on it.
OTHERS, NOBODYS = 2, 5

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
    daemon_says(at, "cannot open /dev/uinput: No such file")
    at.guest.output("mv /dev/uinput.away /dev/uinput")


def uinput_denied(at: Served) -> None:
    at.guest.output("chown root:root /dev/uinput && systemctl restart vdagentd")
    daemon_says(at, "cannot open /dev/uinput: Permission denied")
    at.guest.output("udevadm trigger --action=change --sysname-match=uinput && udevadm settle")


def uinput_unloaded(at: Served) -> None:
    """With the daemon stopped, or the module would be in use; its next start loads it again."""
    at.guest.output("systemctl stop vdagentd && modprobe -r uinput && systemctl start vdagentd")


def uinput_lost_in_use(at: Served) -> None:
    """The tablet goes on; but the desktop changes its size, and a tablet of that size cannot be made."""
    _new_size_without_uinput(at, "mv /dev/uinput /dev/uinput.away", "No such file")
    at.guest.output("mv /dev/uinput.away /dev/uinput")


def uinput_denied_in_use(at: Served) -> None:
    _new_size_without_uinput(at, "chown root:root /dev/uinput", "Permission denied")
    at.guest.output("udevadm trigger --action=change --sysname-match=uinput && udevadm settle")


def _new_size_without_uinput(at: Served, take_away: str, words: str) -> None:
    at.cleanup.append(f"DISPLAY={at.display} xrandr -s 1280x800")
    at.guest.output(f"{take_away} && DISPLAY={at.display} xrandr -s 1024x768")
    daemon_says(at, f"cannot open /dev/uinput: {words}")


# -- services ------------------------------------------------------------------------------------


def restart(unit: str) -> Callable[[Served], None]:
    def happen(at: Served) -> None:
        at.guest.output(f"systemctl restart {unit}", timeout_s=90)

    return happen


def daemon_killed(at: Served) -> None:
    at.guest.output("systemctl kill -s KILL vdagentd")


def agent_killed(at: Served) -> None:
    pid = serving_agent(at)
    at.guest.output(f"kill -KILL {pid}")


def agent_restarted(at: Served) -> None:
    pid = serving_agent(at)
    unit = at.guest.output(f"ps -o uunit= -p {pid}").strip()
    at.guest.output(as_user(f"systemctl --user restart {unit}"))


def session_bus_restarted(at: Served) -> None:
    at.guest.output(as_user("systemctl --user restart dbus"))


def x_server_killed(at: Served) -> None:
    """As in a crash; then the user logs in again."""
    at.guest.output(f"pkill -KILL -u {USER} -x Xorg")
    at.guest.wait_until("! systemctl is-active -q guest-desktop", 60, "the end of the desktop")
    at.guest.output("systemctl start guest-desktop")
    desktop_is_up(at)


def logged_out_and_in(at: Served) -> None:
    at.guest.output("systemctl restart guest-desktop", timeout_s=90)
    desktop_is_up(at)


def sway_crashed(at: Served) -> None:
    """Its user logs in again; the session agent has waited for a compositor of that name."""
    sway = _sway(at)
    sway.crash()
    sway.log_in()


def sway_left_and_back(at: Served) -> None:
    """In good order; whoever started the session agent by a line for sway still has that one."""
    sway = _sway(at)
    sway.log_out()
    sway.log_in()


def back_from_sway(at: Served) -> None:
    """Its user logs out, and whoever is on the first terminal goes on."""
    sway, at.sway, at.user = _sway(at), None, USER
    sway.log_out()
    switch_console(at.guest, 1)


def _sway(at: Served) -> Sway:
    """The sway of another user on another terminal, who is served."""
    if at.sway is None:
        at.sway, at.user = Sway(at.guest), SWAY_USER
        at.sway.log_in()
        at.seconds_until_served()
    return at.sway


def package_installed_anew(at: Served) -> None:
    install(at.guest, at.deb)


# -- users ---------------------------------------------------------------------------------------


def user_switched(at: Served) -> None:
    """A second user on a terminal of their own. Whoever looks at the screen now is served."""
    other = log_in(at.guest, "other", OTHERS)
    at.display, at.user = f":{other.display}", other.user
    desktop_is_up(at)


def user_switched_back(at: Served) -> None:
    switch_console(at.guest, 1)
    at.display, at.user = ":0", USER


def text_console(at: Served) -> None:
    """No desktop is shown for a while, so no agent is connected."""
    since = at.viewer.mark()
    switch_console(at.guest, NOBODYS)
    viewer_loses_agent(at, since)
    switch_console(at.guest, 1)


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
    daemon_says(at, "Too many open files")
    at.guest.output(f"prlimit --pid {pid} --nofile=1024:1024")


def agent_out_of_descriptors(at: Served) -> None:
    """The session agent may open nothing more while the daemon goes and comes; then it may again."""
    pid = serving_agent(at)
    at.guest.output(f"prlimit --pid {pid} --nofile=3:1024 && systemctl restart vdagentd")
    log_says(at, f"_PID={pid}", "Too many open files")
    at.guest.output(f"prlimit --pid {pid} --nofile=1024:1024")


def _cut_off(at: Served, script: str) -> None:
    """Run this beside $device in the driver's directory; our own commands cannot get through then."""
    away = "sleep 0.5; cd /sys/bus/virtio/drivers/virtio_console; device=$(basename virtio[0-9]*)"
    at.guest.put("/run/script", f"{away}\n{script}\n".encode())
    at.guest.start("sh /run/script", "/run/script.log")
    at.guest.wait_boot()
