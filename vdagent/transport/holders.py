# SPDX-License-Identifier: MIT
"""Which process has a device open? (/proc/PID/fd, as far as we may look)"""

from __future__ import annotations

import os


def holders(path: str) -> list[tuple[int, str]]:
    """(pid, command name) of the processes that have `path` open, except this one."""
    try:
        wanted = os.stat(path).st_rdev
    except OSError:
        return []
    if not wanted:  # not a device
        return []
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _has_open(entry, wanted):
            found.append((int(entry), _command(entry)))
    return found


def who_holds(path: str) -> str:
    """'by NAME (pid N)' for a sentence, or that it cannot be seen."""
    found = holders(path)
    if not found:
        return "by another process (which one cannot be seen)"
    return "by " + ", ".join(f"{name} (pid {pid})" for pid, name in found)


def _has_open(pid: str, device: int) -> bool:
    directory = f"/proc/{pid}/fd"
    try:
        return any(_device(f"{directory}/{fd}") == device for fd in os.listdir(directory))
    except OSError:
        return False


def _device(path: str) -> int | None:
    try:
        return os.stat(path).st_rdev
    except OSError:
        return None


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a process"
