# SPDX-License-Identifier: MIT
"""How does a running system take notice of files that were installed or removed?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .options import PORT

LIMIT_S = 60.0
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def start() -> None:
    """Make the user and directory, let udev and systemd read their files, start what can start."""
    if not _run("systemd-sysusers", "vdagent.conf"):
        _add_user()
    _run("systemd-tmpfiles", "--create", "vdagent.conf")
    _run("modprobe", "-q", "uinput")
    reload()
    if _runs_systemd():
        _run("systemctl", "try-restart", "vdagentd.service")
        if os.path.exists(PORT):
            _run("systemctl", "start", "vdagentd.socket")
    else:
        print("vdagent: systemd does not run here; see --init in `vdagent install --help`")


def stop() -> None:
    """Stop the daemon and its socket."""
    if _runs_systemd():
        _run("systemctl", "stop", "vdagentd.socket", "vdagentd.service")


def reload() -> None:
    """Let systemd and udev read their files; the devices get their owners now."""
    if _runs_systemd():
        _run("systemctl", "daemon-reload")
    if os.path.exists("/run/udev/control"):
        _run("udevadm", "control", "--reload")
        _run("udevadm", "trigger", "--action=change", "--subsystem-match=virtio-ports")
        _run("udevadm", "trigger", "--action=change", "--sysname-match=uinput")
        _run("udevadm", "settle", "--timeout=10")


def _runs_systemd() -> bool:
    return os.path.isdir("/run/systemd/system")


def _add_user() -> None:
    """The user of sysusers.d/vdagent.conf, with the tools of a system that has no systemd."""
    import pwd

    try:
        pwd.getpwnam("vdagent")
    except KeyError:
        if shutil.which("useradd", path=_PATH):
            nologin = shutil.which("nologin", path=_PATH) or "/bin/false"
            _run("useradd", "--system", "--user-group", "-d", "/", "-s", nologin, "vdagent")
        else:  # busybox
            _run("addgroup", "-S", "vdagent")
            _run("adduser", "-S", "-D", "-H", "-h", "/", "-G", "vdagent", "vdagent")


def _run(program: str, *arguments: str) -> bool:
    """Run it if it is there; a failure is told and is no reason to stop."""
    path = shutil.which(program, path=_PATH)
    if path is None:
        return False
    try:
        done = subprocess.run(
            (path, *arguments), capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"vdagent: {program} {' '.join(arguments)}: {error}", file=sys.stderr)
        return True
    if done.returncode:
        why = done.stderr.strip() or f"status {done.returncode}"
        print(f"vdagent: {program} {' '.join(arguments)}: {why}", file=sys.stderr)
    return True
