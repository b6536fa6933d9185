# SPDX-License-Identifier: MIT
"""What is there to survive, in which order, and how soon has the agent to serve again?"""

from __future__ import annotations

from tests.survive import by_guest as guest
from tests.survive import by_host as host
from tests.survive.checks import logins_followed, only_here, right_session
from tests.survive.row import Row

COLD = (
    "nothing is in the page cache yet, and desktop, session agent and daemon start at the same time; the second"
    " session agent, which ends at once where there is one, needs 1.7 s for that then"
)
NEW = (
    "its configuration starts the session agent of the new login when sway can be used already, and without KVM"
    " that program alone needs seconds to start"
)
ROWS = (
    Row("viewer closes, and connects again", host.viewer_comes_back),
    Row("viewer taken over by another", host.viewer_takes_over),
    Row("viewer crashes, another connects", host.viewer_crashes),
    Row("chardev swapped away and back", host.chardev_swapped),
    Row("port unplugged and plugged", host.port_plugged),
    Row("driver unbound and bound", guest.driver_bound_anew),
    Row("module virtio_console reloaded", guest.module_reloaded),
    Row("machine paused and continued", host.paused),
    Row("guest suspended and resumed", guest.suspended),
    Row("snapshot saved, and loaded later", host.snapshot),
    Row("migrated to another QEMU, the viewer comes anew", host.migrated),
    Row("migrated to another QEMU, the viewer follows", host.migrated_with_viewer),
    Row("viewer sent away by a new password", host.viewer_expelled),
    Row("uinput node missing when the daemon starts", guest.uinput_missing),
    Row("uinput denied when the daemon starts", guest.uinput_denied),
    Row("module uinput unloaded under a stopped daemon", guest.uinput_unloaded),
    Row("uinput node lost, then a new size", guest.uinput_lost_in_use),
    Row("uinput denied, then a new size", guest.uinput_denied_in_use),
    Row("clock 400 days forward", guest.clock_forward),
    Row("clock 400 days back", guest.clock_back),
    Row("daemon restarted", guest.restart("vdagentd")),
    Row("daemon killed", guest.daemon_killed),
    Row("session agent restarted", guest.agent_restarted),
    Row("session agent killed", guest.agent_killed),
    Row("session bus restarted", guest.session_bus_restarted),
    Row(
        "logind restarted",
        guest.restart("systemd-logind"),
        x_reads_input=False,
        then=logins_followed,
    ),
    Row("logged out and in", guest.logged_out_and_in, then=logins_followed),
    Row("system bus restarted", guest.restart("dbus"), x_reads_input=False, then=logins_followed),
    Row("X server killed", guest.x_server_killed, then=logins_followed),
    Row(
        "sway crashed, its user logs in again",
        guest.sway_crashed,
        10.0,
        then=right_session,
        why=NEW,
    ),
    Row("logged out of sway and in", guest.sway_left_and_back, 8.0, then=right_session, why=NEW),
    Row("logged out of sway, back to X", guest.back_from_sway, then=right_session),
    Row("package installed anew", guest.package_installed_anew),
    Row("text console and back", guest.text_console, then=right_session),
    Row("another user logs in on another terminal", guest.user_switched, then=only_here(":0")),
    Row("switched back to the first user", guest.user_switched_back, then=only_here(":2")),
    Row("disk full", guest.disk_full),
    Row("daemon out of descriptors", guest.descriptors_used_up),
    Row("session agent out of descriptors", guest.agent_out_of_descriptors),
    Row("machine reset", host.reset, limit_s=8.0, why=COLD),
    Row("host not attached at boot", host.host_absent_at_boot),
)
