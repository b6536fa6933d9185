#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs as PID 1 in a guest without systemd? udev, and the executor that does what the test asks.
# Kernel command line: guest.python=INTERPRETER of the executor, which lies beside this script.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home LANG=C.UTF-8
export DISPLAY=:0
mkdir -p "$HOME" /dev/pts /dev/shm /run/lock /run/udev
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mkdir -m 1777 /tmp/.X11-unix
echo guest > /proc/sys/kernel/hostname
ip link set lo up
/lib/systemd/systemd-udevd --daemon
# Only what the tests look at: a cold plug of everything takes three seconds without KVM.
udevadm trigger --action=add --subsystem-match=virtio-ports --subsystem-match=drm \
  --subsystem-match=input --subsystem-match=misc
udevadm settle --timeout=30
for word in $(cat /proc/cmdline); do
  case $word in guest.python=*) python=${word#*=} ;; esac
done
"$python" -I -S "$(dirname "$0")/executor.py" /dev/virtio-ports/org.example.ctl
# PID 1 may not end: the kernel would panic before the log shows why it did.
echo "executor ended with $?"
while :; do sleep 1000; done
