# SPDX-License-Identifier: MIT
"""How does a pointer message become input events? An absolute tablet through the kernel's uinput.

A frame is written with one write, SYN_REPORT included, so that readers never see half of it. Runs of
plain moves, which is what a moving pointer is, are filled into a prepared block of frames.
(linux/uinput.h, linux/input-event-codes.h, Documentation/input/uinput.rst)
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Sequence

from ..errors import SystemFault

NAME = b"spice vdagent tablet"

EV_SYN, EV_KEY, EV_REL, EV_ABS = 0, 1, 2, 3
ABS_X, ABS_Y, REL_WHEEL = 0, 1, 8
BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA = 0x110, 0x111, 0x112, 0x113, 0x114

# VD_AGENT_*BUTTON_MASK → key, in the order the C daemon writes them.
BUTTONS = (
    (1 << 1, BTN_LEFT),
    (1 << 2, BTN_MIDDLE),
    (1 << 3, BTN_RIGHT),
    (1 << 6, BTN_SIDE),
    (1 << 7, BTN_EXTRA),
)
WHEEL_UP, WHEEL_DOWN = 1 << 4, 1 << 5

# struct input_event: time (filled in by the kernel), type, code, value
EVENT = struct.Struct("@llHHi")
_VALUE = EVENT.size - 4
_SYN = EVENT.pack(0, 0, EV_SYN, 0, 0)
_MOVE = EVENT.pack(0, 0, EV_ABS, ABS_X, 0) + EVENT.pack(0, 0, EV_ABS, ABS_Y, 0) + _SYN
# x and y within a move frame, and what lies between them: struct fills its gaps with zeros.
_MOVE_VALUES = struct.Struct(f"=i{_VALUE - 4}xHHi")
# An evdev reader keeps 64 events (evdev.c, EVDEV_MIN_BUFFER_SIZE); more than that in one write and it
# sees SYN_DROPPED, and a click in between is lost. 16 moves are 48.
_BLOCK = 16

UI_SET_EVBIT, UI_SET_KEYBIT = 0x40045564, 0x40045565
UI_SET_RELBIT, UI_SET_ABSBIT = 0x40045566, 0x40045567
UI_DEV_CREATE = 0x5501
ABS_CNT = 0x40
BUS_VIRTUAL = 0x06
# struct uinput_user_dev: name, id (bustype, vendor, product, version), ff_effects_max, absmax,
# absmin, absfuzz, absflat. The old way to set a device up, which every kernel knows.
_USER_DEV = struct.Struct(f"@80sHHHHI{4 * ABS_CNT}i")


class Tablet:
    """The device. Raises SystemFault when it cannot be made, or is gone."""

    def __init__(self, path: str, width: int, height: int, *, fake: bool = False) -> None:
        self.path = path
        self._x: int | None = None
        self._y: int | None = None
        self._buttons = 0
        self._pending = bytearray()
        self.on_drained: Callable[[], None] | None = None
        self._moves = memoryview(bytearray(_MOVE * _BLOCK))
        self._fd = _open_fake(path) if fake else _create(path, width, height)

    @property
    def backlog(self) -> int:
        """Bytes the reader of a fake device has not taken."""
        return len(self._pending)

    def play(self, states: Sequence[tuple[int, int, int]]) -> None:
        """Write one frame per state, up to 16 with one write."""
        if len(states) > _BLOCK:
            for start in range(0, len(states), _BLOCK):
                self.play(states[start : start + _BLOCK])
            return
        out = b""
        moves, block, fill = 0, self._moves, _MOVE_VALUES.pack_into
        last_x, last_y, held = self._x, self._y, self._buttons
        for x, y, buttons in states:
            if buttons == held and x != last_x and y != last_y:
                fill(block, moves * len(_MOVE) + _VALUE, x, EV_ABS, ABS_Y, y)
                moves += 1
            else:
                out += block[: moves * len(_MOVE)]
                moves = 0
                out += _frame(x if x != last_x else None, y if y != last_y else None, held, buttons)
                held = buttons
            last_x, last_y = x, y
        self._x, self._y, self._buttons = last_x, last_y, held
        last = block[: moves * len(_MOVE)]
        self._write(out + last if out else last)

    def _write(self, data: bytes | memoryview) -> None:
        if self._pending:
            self._pending += data
            return
        try:
            taken = os.write(self._fd, data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise SystemFault(f"tablet: {self.path}: {error.strerror}") from None
        if taken < len(data):
            self._pending += memoryview(data)[taken:]
            asyncio.get_running_loop().add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        try:
            taken = os.write(self._fd, self._pending)
        except BlockingIOError:
            return
        except OSError:
            taken = len(self._pending)  # the next frame finds out and tells
        del self._pending[:taken]
        if not self._pending:
            asyncio.get_running_loop().remove_writer(self._fd)
            if self.on_drained is not None:
                self.on_drained()

    def close(self) -> None:
        """Remove the device; its held buttons are released by the kernel."""
        if self._fd < 0:
            return
        if self._pending:
            asyncio.get_running_loop().remove_writer(self._fd)
        os.close(self._fd)
        self._fd = -1


def _frame(x: int | None, y: int | None, held: int, buttons: int) -> bytes:
    """One frame: what changed, then SYN_REPORT."""
    pack = EVENT.pack
    events = []
    if x is not None:
        events.append(pack(0, 0, EV_ABS, ABS_X, x))
    if y is not None:
        events.append(pack(0, 0, EV_ABS, ABS_Y, y))
    changed = held ^ buttons
    if changed:
        for bit, key in BUTTONS:
            if changed & bit:
                events.append(pack(0, 0, EV_KEY, key, 1 if buttons & bit else 0))
        pressed = changed & buttons
        if pressed & WHEEL_UP:
            events.append(pack(0, 0, EV_REL, REL_WHEEL, 1))
        if pressed & WHEEL_DOWN:
            events.append(pack(0, 0, EV_REL, REL_WHEEL, -1))
    events.append(_SYN)
    return b"".join(events)


def _open_fake(path: str) -> int:
    """A FIFO with a reader, or a file: gets the events and nothing else (Xspice)."""
    try:
        append = 0 if stat.S_ISFIFO(os.stat(path).st_mode) else os.O_APPEND
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | append)
    except OSError as error:
        hint = "nobody reads this FIFO yet" if error.errno == errno.ENXIO else ""
        raise SystemFault(f"tablet: cannot open {path}: {error.strerror}", hint) from None


def _create(path: str, width: int, height: int) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SystemFault(f"tablet: cannot open {path}: {error.strerror}", _hint(error)) from None
    try:
        for kind in (EV_KEY, EV_REL, EV_ABS):
            fcntl.ioctl(fd, UI_SET_EVBIT, kind)
        for _, key in BUTTONS:
            fcntl.ioctl(fd, UI_SET_KEYBIT, key)
        fcntl.ioctl(fd, UI_SET_RELBIT, REL_WHEEL)
        for axis in (ABS_X, ABS_Y):
            fcntl.ioctl(fd, UI_SET_ABSBIT, axis)
        absmax = [0] * ABS_CNT
        absmax[ABS_X], absmax[ABS_Y] = max(width - 1, 1), max(height - 1, 1)
        zeros = [0] * (3 * ABS_CNT)
        os.write(fd, _USER_DEV.pack(NAME, BUS_VIRTUAL, 0, 0, 0, 0, *absmax, *zeros))
        fcntl.ioctl(fd, UI_DEV_CREATE)
    except OSError as error:
        os.close(fd)
        raise SystemFault(f"tablet: {path} is not a uinput device: {error.strerror}") from None
    return fd


def _hint(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV):
        return "load the kernel module: modprobe uinput"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "run the daemon as root, or install the udev rule that gives its group access"
    return ""
