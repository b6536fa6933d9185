# SPDX-License-Identifier: MIT
"""Which events of our tablet does the guest's kernel hand to its readers?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.guest.machine import Guest
from tests.support.processes import wait_for

NAME = "spice vdagent tablet"
READER = Path(__file__).with_name("evdev_reader.py")
LOG = "/run/evdev"

KEY, REL, ABS = 1, 2, 3
ABS_X, ABS_Y, REL_WHEEL = 0, 1, 8
BUTTONS = {"left": 0x110, "right": 0x111, "middle": 0x112, "side": 0x113, "extra": 0x114}

Frame = list[list[int]]


class Tablet:
    """A reader of /dev/input/event* in the guest, from the moment it exists until `close`."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        guest.wait_until(f"grep -qx '{NAME}' /sys/class/input/event*/device/name", 10, "the tablet")
        guest.output(f"rm -f {LOG}")
        guest.put(f"/run/{READER.name}", READER.read_bytes())
        command = f"/usr/bin/python3 -I -S /run/{READER.name} '{NAME}'"
        self._reader = guest.start(command, LOG)
        guest.wait_until(f"[ -s {LOG} ]", 10, "the reader of the tablet")
        about = json.loads(self._lines()[0])
        self.x_range: list[int] = about["x"]
        self.y_range: list[int] = about["y"]

    def __enter__(self) -> Tablet:
        return self

    def __exit__(self, *_: object) -> None:
        self._guest.run(f"kill {self._reader}")

    def frames(self) -> list[Frame]:
        """All complete frames so far."""
        return [json.loads(line) for line in self._lines()[1:]]

    def wait_event(self, event: list[int], what: str) -> None:
        """Wait up to 5 s for [type, code, value] in a complete frame."""
        try:
            wait_for(lambda: any(event in frame for frame in self.frames()), 15.0, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the tablet sent {self.frames()[-8:]}") from None

    def wait_position(self) -> None:
        """Wait up to 5 s until both axes have moved."""
        wait_for(lambda: None not in self.position(), 15.0, "a move on both axes")

    def position(self) -> tuple[int | None, int | None]:
        """Where the events so far have put the pointer; None where no event told an axis."""
        last: dict[int, int] = {}
        for frame in self.frames():
            last.update({code: value for kind, code, value in frame if kind == ABS})
        return last.get(ABS_X), last.get(ABS_Y)

    def _lines(self) -> list[str]:
        lines = self._guest.output(f"cat {LOG}").split("\n")
        return lines[:-1]
