# SPDX-License-Identifier: MIT
"""Does the daemon do with what its unit leaves it? Judged by its system calls, without systemd."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import DATA, run
from tests.support import rig
from tests.support.processes import wait_for
from tests.support.rig import Rig
from tests.support.tools import require

# What watch_ports() does: the slow part of a start, and ctypes with it.
UDEV = """
import pyudev
monitor = pyudev.Monitor.from_netlink(pyudev.Context())
monitor.filter_by("virtio-ports")
monitor.start()
"""


def group(name: str) -> set[str]:
    """The system calls of a systemd group like @system-service, with the groups in it."""
    calls: set[str] = set()
    for line in run("systemd-analyze", "syscall-filter", name).splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            calls |= group(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed() -> set[str]:
    """What SystemCallFilter= of the unit leaves."""
    text = (DATA / "systemd/system/vdagentd.service").read_text()
    grants, denials = re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE)
    calls = set[str]().union(*map(group, grants.split()))
    return calls.difference(*map(group, denials.removeprefix("~").split()))


def calls_in(trace: Path) -> set[str]:
    return set(re.findall(r"^\d+ +([a-z]\w+)\(", trace.read_text(), re.MULTILINE))


def check(trace: Path) -> None:
    text = trace.read_text()
    assert len(calls_in(trace)) > 20
    assert not calls_in(trace) - allowed()
    # MemoryDenyWriteExecute=
    assert not re.findall(r"(?:mmap|mprotect|pkey_mprotect)\(.*PROT_WRITE\|PROT_EXEC.*", text)
    assert not re.findall(r"mprotect\(.*PROT_EXEC.*", text)
    # RestrictAddressFamilies=
    assert set(re.findall(r"socket\((\w+)", text)) <= {"AF_UNIX", "AF_NETLINK"}


def test_a_session_needs_no_other_system_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("strace", "systemd-analyze")
    trace = tmp_path / "trace"
    command = rig.daemon_command("ours")
    tracer = ["strace", "-D", "-f", "-o", str(trace)]
    monkeypatch.setattr(rig, "daemon_command", lambda kind: [*tracer, *command])
    with Rig(tmp_path) as daemon:
        daemon.still_serves(daemon.ready())
        assert not daemon.end() > 5
    wait_for(lambda: "+++ exited" in trace.read_text(), 10, "end of the trace")
    check(trace)


def test_watching_udev_needs_no_other_system_calls(tmp_path: Path) -> None:
    require("strace", "systemd-analyze")
    trace = tmp_path / "trace"
    run("strace", "-f", "-o", trace, sys.executable, "-c", UDEV)
    check(trace)
