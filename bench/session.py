# SPDX-License-Identifier: MIT
"""What does a user wait for: from a viewer to an X program and back, through daemon and session?"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import wire
from bench.accounting import alone_mb, context_switches, cpu_s, pss_mb
from bench.options import Length
from bench.rig import Rig, Subject
from bench.startup import IDLE, START, idle_s
from bench.table import Figure, Results
from tests.support.processes import spawn, stop

SECTION = "end to end on X11"
BIG = 10 << 20
PASTE = ("xclip", "-selection", "clipboard", "-t", "UTF8_STRING", "-o")
COPY = ("xclip", "-selection", "clipboard", "-t", "UTF8_STRING", "-i", "-quiet")


@contextmanager
def x_server() -> Iterator[str]:
    """A private Xvfb; gives its display name.

    Without GLX: with it, GTK loads Mesa and LLVM and the C session grows from 14 to 45 MB.
    """
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory(prefix="bench-x-") as directory:
        options = "-screen 0 1280x1024x24 -noreset -nolisten tcp -extension GLX"
        argv = ["Xvfb", "-displayfd", str(writer), *options.split()]
        process = spawn(argv, log=Path(directory, "log"), pass_fds=[writer])
        os.close(writer)
        try:
            yield ":" + os.fdopen(reader).readline().strip()
        finally:
            stop(process)


class Desktop:
    """A rig whose session is the subject's own, on a private X server."""

    def __init__(self, rig: Rig, display: str) -> None:
        self._rig = rig
        home = rig.directory / "home"
        home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "DISPLAY": display,
            "XDG_RUNTIME_DIR": str(home),
            "LANG": "C.UTF-8",
            "NO_AT_BRIDGE": "1",
            "XDG_SESSION_TYPE": "x11",
            "GDK_BACKEND": "x11",
            # Nobody answers here: no session may find the tester's own desktop bus.
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/no-bus",
        }
        started = time.monotonic()
        self._session = rig.run(rig.subject.session, env=self.env)
        rig.meet_host()
        self.started_s = rig.announced_s - started

    @property
    def pids(self) -> list[int]:
        return [self._rig.daemon.pid, self._session.pid]

    def cpu_s(self) -> float:
        return sum(map(cpu_s, self.pids))

    def paste(self, text: bytes) -> tuple[float, float]:
        """A viewer offers `text`, an X program pastes it: seconds in all and from the data on."""
        host = self._rig.host
        host.send(wire.grab())
        time.sleep(0.1)  # the session takes the selection; nothing says when it has
        started = time.monotonic()
        with subprocess.Popen(PASTE, env=self.env, stdout=subprocess.PIPE) as xclip:
            host.expect(wire.REQUEST)
            answered = time.monotonic()
            host.send(wire.clipboard(text))
            got = xclip.communicate(timeout=60)[0]
            ended = time.monotonic()
        if got != text:
            raise OSError(f"pasted {len(got)} bytes, not the {len(text)} the viewer sent")
        return ended - started, ended - answered

    def copy(self, text: bytes) -> tuple[float, float]:
        """An X program copies `text`, a viewer fetches it: seconds to GRAB and from REQUEST on."""
        host = self._rig.host
        source = self._rig.directory / "text"
        source.write_bytes(text)
        started = time.monotonic()
        with source.open("rb") as file:
            xclip = spawn(COPY, env=self.env, stdin=file)
        try:
            host.expect(wire.GRAB)
            grabbed = time.monotonic()
            time.sleep(0.05)
            asked = time.monotonic()
            host.send(wire.request())
            got = host.expect(wire.CLIPBOARD)[8:]
            ended = time.monotonic()
        finally:
            stop(xclip)
        if got != text:
            raise OSError(f"the viewer got {len(got)} bytes, not the {len(text)} copied")
        return grabbed - started, ended - asked


def run(results: Results, length: Length) -> None:
    for subject in results.turns():
        with (
            results.attempt(subject, SECTION),
            x_server() as display,
            Rig(subject, session=False) as rig,
        ):
            _measure(results, subject, Desktop(rig, display), length)


def _measure(results: Results, subject: Subject, desktop: Desktop, length: Length) -> None:
    def add(section: str, name: str, unit: str, value: float) -> None:
        results.add(Figure(section, name, unit), subject, value)

    add(START, "session start to ANNOUNCE, X11", "s", desktop.started_s)
    time.sleep(1.5)  # what the session still does after its start is no wake-up of an idle one
    _add_memory(results, subject, desktop, "fresh")
    woken = Figure(IDLE, f"daemon + session, context switches in {idle_s(length)} s", "")
    if subject.name not in results.values.get(woken, {}):  # once is enough for so long a wait
        switches = sum(map(context_switches, desktop.pids))
        time.sleep(idle_s(length))
        results.add(woken, subject, sum(map(context_switches, desktop.pids)) - switches)

    rounds = length.pick(5, 15, 30)
    pastes = [desktop.paste(b"text %d" % number) for number in range(rounds)]
    copies = [desktop.copy(b"text %d" % number) for number in range(rounds)]
    for name, values in (
        ("small text: X paste, whole", [whole for whole, _ in pastes]),
        ("small text: X paste, from viewer's data", [data for _, data in pastes]),
        ("small text: X copy to GRAB", [grab for grab, _ in copies]),
        ("small text: viewer's request to data", [data for _, data in copies]),
    ):
        add(SECTION, name, "ms", statistics.median(values) * 1000)

    text = b"0123456789abcde\n" * (BIG // 16)
    used = desktop.cpu_s()
    seconds = desktop.paste(text)[1]
    add(SECTION, "10 MiB to X: speed", "MB/s", BIG / seconds / 1e6)
    add(SECTION, "10 MiB to X: CPU of both", "ms", (desktop.cpu_s() - used) * 1000)
    used = desktop.cpu_s()
    seconds = desktop.copy(text)[1]
    add(SECTION, "10 MiB from X: speed", "MB/s", BIG / seconds / 1e6)
    add(SECTION, "10 MiB from X: CPU of both", "ms", (desktop.cpu_s() - used) * 1000)
    time.sleep(1)
    _add_memory(results, subject, desktop, "after 10 MiB each way")


def _add_memory(results: Results, subject: Subject, desktop: Desktop, when: str) -> None:
    pss = sum(map(pss_mb, desktop.pids))
    results.add(Figure(IDLE, f"daemon + session, PSS {when}", "MB"), subject, pss)
    alone = Figure(IDLE, f"daemon + session, {when}, as if alone on the machine", "MB")
    results.add(alone, subject, alone_mb(desktop.pids))
