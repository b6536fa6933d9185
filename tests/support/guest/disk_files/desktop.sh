#!/bin/sh
# SPDX-License-Identifier: MIT
# What is the guest's desktop? A window manager, and what others start by autostart or user units.
export XDG_CURRENT_DESKTOP=openbox
dbus-update-activation-environment --systemd DISPLAY XAUTHORITY XDG_CURRENT_DESKTOP XDG_SESSION_TYPE
# As desktops do: a session before this one that was cut off has left its units behind.
systemctl --user stop graphical-session.target
openbox &
systemctl --user start guest-desktop.target
wait
systemctl --user stop graphical-session.target
