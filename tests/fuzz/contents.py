# SPDX-License-Identifier: MIT
"""What do the readers of contents make of any bytes: key files, names, MIME types, settings, answers?"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import cast

from tests.fuzz.wires import check
from vdagent.backends import downloads, drm, files, mime
from vdagent.backends.base import Format, Layout, Output, Rect
from vdagent.backends.x11 import targets
from vdagent.control import Caller, ControlServer, Line
from vdagent.doctor import finding, machine
from vdagent.errors import ProtocolError, SessionError
from vdagent.handlers import displays, file_list
from vdagent.handlers.key_file import read_announcement
from vdagent.protocol.capabilities import OURS
from vdagent.protocol.messages import GraphicsDevice, MonitorsConfig


def key_file(data: bytes) -> None:
    """The metadata of a file: one plain name that every file system takes, or our own error."""
    try:
        file = read_announcement(data)
    except ProtocolError:
        return
    check(file.name not in ("", ".", "..") and "/" not in file.name, "not a plain name")
    check(file.name.isprintable() or not file.name.isascii(), f"{file.name!r} deceives")
    check(0 <= file.size < 1 << 64, "size")
    for number, copy in enumerate(files.copies(file.name)):
        check(0 < len(copy.encode()) <= files.NAME_MAX, f"{copy!r} is too long")
        if number == 2:
            break


def copied_files(data: bytes) -> None:
    """The viewer's copied files, for file managers: only URIs below the mount."""
    listed = file_list.FileList.decode(data)
    for fmt in file_list.FORMATS:
        content = file_list.encode(fmt, listed, "/mnt/dav")
        for line in content.split():
            if fmt is not Format.KDE_CUT and line not in (b"copy", b"cut"):
                check(line.startswith(b"file:///mnt/dav/"), f"{line!r} leads elsewhere")
                check(b".." not in line.split(b"/"), f"{line!r} leads upwards")


def _offer(kinds: ModuleType, first: bytes, content: bytes) -> None:
    names = [name.decode("latin-1") for name in first.split(b"\n")]
    for fmt, name in kinds.choose(names).items():
        check(kinds.format_of(name) is fmt, f"{name} for {fmt}")
        text = kinds.decode(name, bytearray(content))
        if fmt is Format.TEXT and name.lower() in ("string", "text", "text/plain"):
            bytes(text).decode()


def x11_targets(data: bytes) -> None:
    """Targets and text of an X11 program."""
    first, _, content = data.partition(b"\0")
    _offer(targets, first, content)
    for name in targets.all_names():
        kind, out = targets.encode(name, content)
        check(isinstance(kind, str) and len(out) <= len(content), f"{name} grew")


def wayland_types(data: bytes) -> None:
    """MIME types and text of a Wayland program."""
    first, _, content = data.partition(b"\0")
    _offer(mime, first, content)


LAYOUT = Layout(
    3200, 1200, (Output("a", Rect(1600, 1200)), Output("b", None), Output("c", Rect(8, 8, 1600, 0)))
)


def monitors(data: bytes) -> None:
    """Monitors the viewer wants and where the host says they are: rectangles that X can have."""
    split = data[:1] or b"\0"
    head, body = data[1 : 1 + split[0]], data[1 + split[0] :]
    known = displays.Displays(drm.find_connector)
    devices = [
        GraphicsDevice(part[0] % 3, part[-1], len(part), part.decode("latin-1"))
        for part in head.split(b"\n")
        if part
    ]
    known.learn(devices)
    try:
        config = MonitorsConfig.decode(body, OURS)
    except ProtocolError:
        return
    for rect in displays.arrange(config, known.outputs(LAYOUT)).values():
        check(0 < rect.width < 1 << 16 and 0 < rect.height < 1 << 16, f"{rect}")
        check(abs(rect.x) < 1 << 24 and abs(rect.y) < 1 << 24, f"{rect}")
    displays.describe(LAYOUT, known)


def user_dirs(data: bytes) -> None:
    """A value of user-dirs.dirs: an absolute path below home or elsewhere, or none."""
    path = downloads._expand(data.decode("utf-8", "replace"), "/home/user")
    check(path is None or path.startswith("/"), f"{path!r}")


async def _refuse(question: Line, caller: Caller) -> Line:
    raise SessionError(f"cannot do it with {str(question)[:40]!r}")


_control = ControlServer("nowhere", {"refuse": _refuse})
_nobody = cast(Caller, None)  # whom no question looks at


def control_questions(data: bytes) -> None:
    """Any line at the control socket gets an answer of one line."""
    try:
        _control.reply(data, _nobody).send(None)
    except StopIteration as returned:
        answer = json.dumps(returned.value)
    check("\n" not in answer and len(answer) < 400, "an answer without end")


def doctor(data: bytes) -> None:
    """What the doctor reads of the machine: any text in any file of /sys and /proc."""
    parts = (data.split(b"\0") + [b""] * 6)[:6]
    for name, part in zip(_FILES, parts, strict=True):
        (_ROOT / name).write_bytes(part)
    scope = finding.Scope(str(_ROOT / "port"), str(_ROOT / "socket"), "/dev/null", str(_ROOT))
    for found in machine.examine(scope, None):
        check(isinstance(found.detail, str), "no words")
    drm.preferred_modes(str(_ROOT / "drm"))


_FILES = (
    "sys/class/dmi/id/sys_vendor",
    "proc/cpuinfo",
    "sys/class/virtio-ports/vport1p1/name",
    "proc/bus/input/devices",
    "drm/card0-Virtual-1/status",
    "drm/card0-Virtual-1/modes",
)
_TEMPORARY = tempfile.TemporaryDirectory(prefix="fuzz-")
_ROOT = Path(_TEMPORARY.name)
for _name in _FILES:
    (_ROOT / _name).parent.mkdir(parents=True, exist_ok=True)
