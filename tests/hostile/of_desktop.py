# SPDX-License-Identifier: MIT
"""What may the desktop's programs, its files and the viewer do to the session agent?

Each attack finds our daemon, a session agent on a private X server and a viewer; afterwards a copy each
way, a resize and a file have to pass.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile.verdict import MEMORY_MIB, Refused, Verdict, deadline
from tests.interop.desk import Desk
from tests.support import wire
from tests.support.app_process import AppProcess
from tests.support.processes import spawn, stop, wait_for
from tests.support.rig import PATIENCE_S, Closed
from tests.support.wire import TEXT, Port, message, u32

CAPS = wire.VIEWER_CAPS & ~(1 << 17)  # no grab serials: they are not the question here
ATTACK_S = 60.0
SERVE_S = 30.0  # the C session gives a resize and a lost owner their time

Attack = Callable[[Desk], None]


# -- the save directory --------------------------------------------------------------------------


def send_file(desk: Desk, id_: int, name: str, data: bytes, claimed: int | None = None) -> int:
    """The last status of a file's transfer; -1 if there is none within five seconds."""
    size = len(data) if claimed is None else claimed
    head = f"[vdagent-file-xfer]\nname={name}\nsize={size}\n".encode() + b"\0"
    desk.host.send(message(Port.FILE_START, u32(id_) + head))
    status = _status(desk, id_)
    if status == 0:
        body = u32(id_) + struct.pack("<Q", len(data)) + data
        desk.host.send(message(Port.FILE_DATA, body))
        status = _status(desk, id_)
    return status


def _status(desk: Desk, id_: int) -> int:
    with contextlib.suppress(TimeoutError):
        while True:
            msg = desk.host.message(5)
            if msg.type == Port.FILE_STATUS and msg.body[:4] == u32(id_):
                return int.from_bytes(msg.body[4:8], "little")
    return -1


def links_and_fifos(desk: Desk) -> None:
    """The names of the files that come are there already: links to outside, a FIFO, a directory."""
    outside, here = desk.directory / "outside", desk.received
    outside.write_bytes(b"precious")
    (here / "link").symlink_to(outside)
    (here / "dangling").symlink_to(desk.directory / "made")
    os.mkfifo(here / "fifo")
    (here / "directory").mkdir()
    for number, name in enumerate(("link", "dangling", "fifo", "directory")):
        send_file(desk, number, name, b"from the viewer")
    if outside.read_bytes() != b"precious" or (desk.directory / "made").exists():
        raise Refused("a link was followed")
    if not stat.S_ISFIFO((here / "fifo").stat().st_mode):
        raise Refused("the FIFO was replaced")


def names_that_lead_elsewhere(desk: Desk) -> None:
    """Parent directories, absolute names, escapes, names too long, names that deceive."""
    before = {path.name for path in desk.directory.iterdir()}
    names = ("../up", "/tmp/absolute", "..", ".", "", "a\\nb", "x" * 300, "\u202egpj.exe", "a\\xb")
    for number, name in enumerate(names, 20):
        send_file(desk, number, name, b"x")
    # A session agent makes a socket in a directory of its own some time after it has come.
    if new := {path.name for path in desk.directory.iterdir() if path.is_file()} - before:
        raise Refused(f"written outside: {new}")


def files_that_lie(desk: Desk) -> None:
    """Longer than announced, 2^64 bytes, data without a start, two starts, 300 starts."""
    send_file(desk, 40, "longer", bytes(5000), 10)
    send_file(desk, 41, "huge", b"x", (1 << 64) - 1)
    desk.host.send(message(Port.FILE_DATA, u32(42) + struct.pack("<Q", 4) + b"four"))
    head = b"[vdagent-file-xfer]\nname=twice\nsize=9\n\0"
    for id_ in (43, 43, *range(1000, 1300)):
        desk.host.send(message(Port.FILE_START, u32(id_) + head))
    for id_ in (43, *range(1000, 1300)):
        desk.host.send(message(Port.FILE_STATUS, u32(id_, 1)))
    if any(path.name.startswith("longer") for path in desk.received.iterdir()):
        raise Refused("a file that was too long is there")


# -- X programs ----------------------------------------------------------------------------------


@contextlib.contextmanager
def program(desk: Desk) -> Iterator[Callable[..., Any]]:
    """An X program that does as it is told (tests.support.x11_app)."""
    with contextlib.closing(AppProcess("x11_app", desk.display)) as app:
        yield app.ask


def offered(desk: Desk) -> tuple[int, ...]:
    """The types of the guest's next offer."""
    body = desk.host.until(Port.GRAB)[4:]
    return struct.unpack(f"<{len(body) // 4}I", body)


def an_owner_that_never_answers(desk: Desk) -> None:
    """It has text, and does not hand it over; the viewer asks twenty times."""
    with program(desk) as do:
        do("own", selection="CLIPBOARD", contents={"UTF8_STRING": "x"}, mute=["UTF8_STRING"])
        offered(desk)
        desk.host.send(wire.request(TEXT) * 20)
        for _ in range(20):
            body = _within(desk, Port.CLIPBOARD, 25)
            if body[8:]:
                raise Refused("an answer that nobody gave")


def an_owner_whose_transfer_never_ends(desk: Desk) -> None:
    """It begins to send in increments and stops."""
    with program(desk) as do:
        do("own", selection="CLIPBOARD", contents={"UTF8_STRING": "x"}, incr="stall")
        offered(desk)
        desk.host.send(wire.request(TEXT))
        _within(desk, Port.CLIPBOARD, 25)


def _within(desk: Desk, type_: int, seconds: float) -> bytes:
    end = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            msg = desk.host.message(left)
            if msg.type == type_:
                return msg.body
    raise Refused(f"no answer to the viewer within {seconds:.0f} s")


def a_thousand_copies(desk: Desk) -> None:
    """The selection gets a new owner a thousand times as fast as X allows."""
    with program(desk) as do:
        do("own_many", selection="CLIPBOARD", target="UTF8_STRING", count=1000)
        do("own_many", selection="PRIMARY", target="UTF8_STRING", count=1000)


def _run(desk: Desk, code: str) -> None:
    script = desk.directory / "program.py"
    script.write_text(_PRELUDE + code)
    process = spawn([sys.executable, script, desk.display], log=desk.directory / "program.log")
    try:
        process.wait(30)
    finally:
        stop(process)


_PRELUDE = """\
import struct, sys, time
from Xlib import X, Xatom, display
from Xlib.protocol import event
d = display.Display(sys.argv[1])
d.set_error_handler(lambda *args: None)
w = d.screen().root.create_window(0, 0, 1, 1, 0, 0, event_mask=X.PropertyChangeMask)
clipboard, targets, incr = map(d.intern_atom, ("CLIPBOARD", "TARGETS", "INCR"))
def answer(e, prop):
    e.requestor.send_event(event.SelectionNotify(
        time=e.time, requestor=e.requestor, selection=e.selection, target=e.target, property=prop))
def events(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while d.pending_events():
            yield d.next_event()
        d.flush()
        time.sleep(0.001)
"""


def an_owner_that_mixes_formats(desk: Desk) -> None:
    """Its TARGETS come in increments: three bytes, then an empty list of atoms."""
    _run(
        desk,
        """
w.set_selection_owner(clipboard, X.CurrentTime)
steps = [(8, b"abc"), (32, [])]
for e in events(2):
    if e.type == X.SelectionRequest:
        e.requestor.change_attributes(event_mask=X.PropertyChangeMask)
        e.requestor.change_property(e.property, incr, 32, [3])
        answer(e, e.property)
        left, window, prop = list(steps), e.requestor, e.property
    elif e.type == X.PropertyNotify and e.state == X.PropertyDelete and left and e.window == window:
        form, data = left.pop(0)
        window.change_property(prop, Xatom.ATOM, form, data)
""",
    )


def a_flood_of_selection_requests(desk: Desk) -> None:
    """Ten thousand pastes at once of what the viewer offers, and no answer is read."""
    _pastes(
        desk,
        """
for n in range(10000):
    w.convert_selection(clipboard, text, 100 + n % 60, X.CurrentTime)
    if n % 500 == 0:
        d.flush()
""",
        1000,
    )


def a_requestor_that_never_reads(desk: Desk) -> None:
    """Twenty pastes of 4 MB in increments, whose first is never taken."""
    _pastes(
        desk,
        """
for n in range(20):
    w.convert_selection(clipboard, text, 100 + n, X.CurrentTime)
""",
        4_000_000,
    )


def _pastes(desk: Desk, convert: str, size: int) -> None:
    """An X program pastes by `convert` what the viewer offers, and the viewer hands over `size` bytes."""
    desk.host.send(message(Port.GRAB, u32(0, TEXT)))
    desk.wait_offer("UTF8_STRING")
    _run(desk, f'text = d.intern_atom("UTF8_STRING")\n{convert}d.sync()\n')
    quiet_s = PATIENCE_S  # until it asks for the first time
    with contextlib.suppress(TimeoutError):
        while True:
            if desk.host.message(quiet_s).type == Port.REQUEST:
                desk.host.send(wire.clipboard(b"x" * size))
                quiet_s = 2.0


# -- the viewer ----------------------------------------------------------------------------------


def monitors_nobody_can_have(desk: Desk) -> None:
    """Sizes and positions at the ends of their 32 bits, and within 16."""
    for width, height, x in (
        (0xFFFFFFFF, 768, 0),
        (1024, 768, -(1 << 31)),
        (65535, 65535, 0),
        (1, 1, 0),
        (40000, 10, 60000),
    ):
        body = u32(1, 1) + struct.pack("<IIIii", height, width, 32, x, 0)
        desk.host.send(message(Port.MONITORS_CONFIG, body))
    desk.host.send(
        message(Port.MONITORS_CONFIG, u32(64, 0) + struct.pack("<IIIii", 9, 9, 32, 0, 0) * 64)
    )


def volumes_and_devices(desk: Desk) -> None:
    """255 channels, devices that are none, displays at the end of 32 bits."""
    desk.host.send(message(Port.AUDIO, b"\1\0\xff" + b"\xff" * 510))
    one = u32(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 9) + b"pci/../.\0"
    desk.host.send(message(Port.DEVICE_INFO, u32(60) + one * 60, wire.SERVER))
    desk.host.send(message(Port.DEVICE_INFO, u32(1) + u32(0, 0, 0, 4) + b"pci\0", wire.SERVER))


ATTACKS: tuple[Attack, ...] = (
    links_and_fifos,
    names_that_lead_elsewhere,
    files_that_lie,
    an_owner_that_never_answers,
    an_owner_whose_transfer_never_ends,
    an_owner_that_mixes_formats,
    a_thousand_copies,
    a_flood_of_selection_requests,
    a_requestor_that_never_reads,
    monitors_nobody_can_have,
    volumes_and_devices,
)


# -- the verdict ---------------------------------------------------------------------------------


def judge(attack: Attack, kind: str, directory: Path) -> Verdict:
    """Run one attack on a session agent of its own."""
    start = time.monotonic()
    with Desk(directory, "ours", kind) as desk:
        desk.host.greet(CAPS)
        wait_for(lambda: desk.size(), 10, "an X server")
        _serves(desk)
        before, problem = _peak_kib(desk), ""
        try:
            with deadline(ATTACK_S):
                attack(desk)
        except Refused as error:
            problem = str(error)
        except (OSError, TimeoutError, Closed, AssertionError, subprocess.SubprocessError) as error:
            problem = f"in the attack: {type(error).__name__}: {error}"[:90]
        seconds = time.monotonic() - start
        if (status := desk.session.poll()) is not None:
            return Verdict(False, f"ended: status {status}", seconds)
        try:
            with deadline(SERVE_S):
                _serves(desk)
        except (OSError, TimeoutError, Closed, AssertionError, subprocess.SubprocessError) as error:
            if desk.session.poll() is not None:
                return Verdict(False, f"ended: status {desk.session.poll()}", seconds)
            return Verdict(
                False, problem or f"hangs: {type(error).__name__}: {error}"[:90], seconds
            )
        peak = (_peak_kib(desk) - before) / 1024
        if peak > MEMORY_MIB + 80:  # 20 pastes of 4 MB are held until they are given up
            problem = problem or f"{peak:.0f} MiB of memory"
        return Verdict(not problem, problem or "served on", seconds, peak)


def _serves(desk: Desk) -> None:
    desk.copy(b"from the guest")
    for _ in range(20):  # offers from before may still be on their way
        if TEXT in offered(desk) and desk.fetch(TEXT) == b"from the guest":
            break
    else:
        raise AssertionError("the guest's text does not arrive")
    desk.host.send(message(Port.GRAB, u32(0, TEXT)))
    desk.wait_offer("UTF8_STRING")
    for text in (b"from the viewer", b"again"):
        paste = desk.paste()
        while True:  # questions from before are answered, too
            if desk.host.until(Port.REQUEST):
                desk.host.send(wire.clipboard(text))
            with contextlib.suppress(subprocess.TimeoutExpired):
                found = paste.communicate(timeout=1)[0]
                break
        assert found == text, f"{found[:40]!r} was pasted"
    for width in (1024, 800):
        desk.host.send(wire.monitors((width, 600)))
        wait_for(partial(_has_width, desk, width), 10, "the desktop follows")
    assert send_file(desk, 5000 + int(time.monotonic() * 1000) % 100_000, "file", b"data") == 3


def _has_width(desk: Desk, width: int) -> bool:
    return desk.size().startswith(f"{width}x")


def _peak_kib(desk: Desk) -> int:
    for line in Path(f"/proc/{desk.session.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
