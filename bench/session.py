# SPDX-License-Identifier: MIT
"""What does a user wait for: from a viewer to a program and back, through daemon and session?"""

from __future__ import annotations

import os
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import wire
from bench.accounting import alone_mb, context_switches, cpu_s, pss_mb
from bench.options import Length
from bench.rig import Rig, Subject
from bench.startup import IDLE, START, idle_s
from bench.table import Figure, Results
from tests.support.compositors import Compositor, sway
from tests.support.processes import spawn, stop, wait_for

BIG = 10 << 20
FILE, FILE_MESSAGE = 50 << 20, 64 << 10  # a message is what spice-gtk sends


class Programs(NamedTuple):
    """How a user's programs paste and copy on a kind of desktop."""

    section: str
    offered: tuple[str, ...]
    paste: tuple[str, ...]  # ends in the type that is offered
    copy: tuple[str, ...]


X11 = Programs(
    "end to end on X11",
    ("xclip", "-selection", "clipboard", "-o", "-t", "TARGETS"),
    ("xclip", "-selection", "clipboard", "-o", "-t", "UTF8_STRING"),
    ("xclip", "-selection", "clipboard", "-t", "UTF8_STRING", "-i", "-quiet"),
)
UTF8 = "text/plain;charset=utf-8"
SWAY = Programs(
    "end to end on sway (the C agent has no Wayland clipboard)",
    ("wl-paste", "--list-types"),
    ("wl-paste", "-n", "-t", UTF8),
    ("wl-copy", "-f", "-t", UTF8),
)


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


@contextmanager
def sway_compositor() -> Iterator[Compositor]:
    """A private sway with one output."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        Path(directory).chmod(0o755)  # it runs as somebody else where we are root
        with sway(Path(directory), 1) as compositor:
            yield compositor


class Desktop:
    """A rig whose session is the subject's own, on a desktop of which `env` tells."""

    def __init__(self, rig: Rig, programs: Programs, env: Mapping[str, str]) -> None:
        self._rig, self.programs = rig, programs
        home = rig.directory / "home"
        home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "LANG": "C.UTF-8",
            "NO_AT_BRIDGE": "1",
            # Nobody answers here: no session may find the tester's own desktop bus.
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/no-bus",
            **env,
        }
        started = time.monotonic()
        self._session = rig.run(f"{rig.subject.session} -f {home}", env=self.env)
        rig.meet_host()
        self.started_s = rig.announced_s - started

    @property
    def pids(self) -> list[int]:
        return [self._rig.daemon.pid, self._session.pid]

    def cpu_s(self) -> float:
        return sum(map(cpu_s, self.pids))

    def paste(self, text: bytes) -> tuple[float, float]:
        """A viewer offers `text`, a program pastes it: seconds in all and from the data on."""
        host = self._rig.host
        host.send(wire.grab())
        wait_for(self._is_offered, what="the session offers the viewer's text")
        started = time.monotonic()
        with subprocess.Popen(self.programs.paste, env=self.env, stdout=subprocess.PIPE) as program:
            host.expect(wire.REQUEST)
            answered = time.monotonic()
            host.send(wire.clipboard(text))
            got = program.communicate(timeout=60)[0]
            ended = time.monotonic()
        if got != text:
            raise OSError(f"pasted {len(got)} bytes, not the {len(text)} the viewer sent")
        return ended - started, ended - answered

    def _is_offered(self) -> bool:
        argv = self.programs.offered
        found = subprocess.run(argv, env=self.env, capture_output=True, timeout=60, check=False)
        return self.programs.paste[-1] in found.stdout.decode().split()

    def copy(self, text: bytes) -> tuple[float, float]:
        """A program copies `text`, a viewer fetches it: seconds to GRAB and from REQUEST on."""
        host = self._rig.host
        source = self._rig.directory / "text"
        source.write_bytes(text)
        started = time.monotonic()
        with source.open("rb") as file:
            program = spawn(self.programs.copy, env=self.env, stdin=file)
        try:
            host.expect(wire.GRAB)
            grabbed = time.monotonic()
            time.sleep(0.05)
            asked = time.monotonic()
            host.send(wire.request())
            got = host.expect(wire.CLIPBOARD)[8:]
            ended = time.monotonic()
        finally:
            stop(program)
        if got != text:
            raise OSError(f"the viewer got {len(got)} bytes, not the {len(text)} copied")
        return grabbed - started, ended - asked

    def receive(self, size: int) -> tuple[float, float]:
        """A viewer sends a file: seconds, and the CPU seconds of the session."""
        host = self._rig.host
        name = f"bench {time.monotonic_ns()}"
        text = f"[vdagent-file-xfer]\nname={name}\nsize={size}\n\0".encode()
        host.send(wire.message(wire.FILE_START, struct.pack("<I", 1) + text))
        self._expect_status(wire.CAN_SEND_DATA)
        block = struct.pack("<IQ", 1, FILE_MESSAGE) + os.urandom(FILE_MESSAGE)
        records = wire.records(wire.message(wire.FILE_DATA, block))
        used, started = cpu_s(self._session.pid), time.monotonic()
        for _ in range(size // FILE_MESSAGE):
            host.send_records(records)
        self._expect_status(wire.SUCCESS)
        return time.monotonic() - started, cpu_s(self._session.pid) - used

    def _expect_status(self, wanted: int) -> None:
        status = self._rig.host.expect(wire.FILE_STATUS)[4]
        if status != wanted:
            raise OSError(f"the file was answered with {status}")


def run(results: Results, length: Length) -> None:
    for subject in results.turns():
        with (
            results.attempt(subject, X11.section),
            x_server() as display,
            Rig(subject, session=False) as rig,
        ):
            env = {"DISPLAY": display, "XDG_SESSION_TYPE": "x11", "GDK_BACKEND": "x11"}
            _measure_x11(results, subject, Desktop(rig, X11, env), length)


def run_sway(results: Results, length: Length) -> None:
    for _ in range(results.repetitions):
        subject = results.subjects[0]
        with (
            results.attempt(subject, SWAY.section),
            sway_compositor() as compositor,
            Rig(subject, session=False) as rig,
        ):
            desktop = Desktop(rig, SWAY, compositor.environment)
            _add(results, subject, START, "session start to ANNOUNCE, sway", "s", desktop.started_s)
            _measure_clipboard(results, subject, desktop, length)


def _add(
    results: Results, subject: Subject, section: str, name: str, unit: str, value: float
) -> None:
    results.add(Figure(section, name, unit), subject, value)


def _measure_x11(results: Results, subject: Subject, desktop: Desktop, length: Length) -> None:
    _add(results, subject, START, "session start to ANNOUNCE, X11", "s", desktop.started_s)
    time.sleep(3)  # what the session still does after its start is no wake-up of an idle one
    _add_memory(results, subject, desktop, "fresh")
    woken = Figure(IDLE, f"daemon + session, context switches in {idle_s(length)} s", "")
    if subject.name not in results.values.get(woken, {}):  # once is enough for so long a wait
        switches = sum(map(context_switches, desktop.pids))
        time.sleep(idle_s(length))
        results.add(woken, subject, sum(map(context_switches, desktop.pids)) - switches)
    _measure_clipboard(results, subject, desktop, length)
    time.sleep(1)
    _add_memory(results, subject, desktop, "after 10 MiB each way")
    seconds, used = desktop.receive(FILE)
    _add(results, subject, X11.section, "file of 50 MiB: speed", "MB/s", FILE / seconds / 1e6)
    _add(results, subject, X11.section, "file of 50 MiB: session CPU", "s/GB", used / FILE * 1e9)


def _measure_clipboard(
    results: Results, subject: Subject, desktop: Desktop, length: Length
) -> None:
    def add(name: str, unit: str, value: float) -> None:
        _add(results, subject, desktop.programs.section, name, unit, value)

    rounds = length.pick(5, 15, 30)
    pastes = [desktop.paste(b"text %d" % number) for number in range(rounds)]
    copies = [desktop.copy(b"text %d" % number) for number in range(rounds)]
    for name, values in (
        ("small text: paste, whole", [whole for whole, _ in pastes]),
        ("small text: paste, from viewer's data", [data for _, data in pastes]),
        ("small text: copy to GRAB", [grab for grab, _ in copies]),
        ("small text: viewer's request to data", [data for _, data in copies]),
    ):
        add(name, "ms", statistics.median(values) * 1000)

    text = b"0123456789abcde\n" * (BIG // 16)
    used = desktop.cpu_s()
    seconds = desktop.paste(text)[1]
    add("10 MiB pasted: speed", "MB/s", BIG / seconds / 1e6)
    add("10 MiB pasted: CPU of both", "ms", (desktop.cpu_s() - used) * 1000)
    used = desktop.cpu_s()
    seconds = desktop.copy(text)[1]
    add("10 MiB copied: speed", "MB/s", BIG / seconds / 1e6)
    add("10 MiB copied: CPU of both", "ms", (desktop.cpu_s() - used) * 1000)


def _add_memory(results: Results, subject: Subject, desktop: Desktop, when: str) -> None:
    pss = sum(map(pss_mb, desktop.pids))
    results.add(Figure(IDLE, f"daemon + session, PSS {when}", "MB"), subject, pss)
    alone = Figure(IDLE, f"daemon + session, {when}, as if alone on the machine", "MB")
    results.add(alone, subject, alone_mb(desktop.pids))
