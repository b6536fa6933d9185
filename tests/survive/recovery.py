# SPDX-License-Identifier: MIT
"""Does the agent serve its viewer again, and how long did that take?"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.guest.clipboard import copy_in_guest
from tests.support.guest.machine import Guest
from tests.support.guest.tablet import Tablet
from tests.survive.sway import Sway
from vdagent.errors import HostError
from vdagent.lab.viewer_process import ViewerProcess

# A person moves the mouse until the pointer comes along, clicks until something happens, and copies again
# where nothing can be pasted.
MOVE_S = 0.1
CLICK_S = 0.5
COPY_S = 1.5
TRY_S = 3.0
# Give up after this, and measure until then.
PATIENCE_S = 45.0

_numbers = itertools.count(1)


@dataclass
class Served:
    """A guest, our package in it, the viewer that is connected, and the desktop somebody looks at."""

    guest: Guest
    deb: Path
    display: str = ":0"
    user: str = "guest"
    sway: Sway | None = None  # whoever looks at this looks at no X display
    viewers: list[ViewerProcess] = field(default_factory=list)
    cleanup: list[str] = field(default_factory=list)  # commands for the guest once a row is over

    @property
    def viewer(self) -> ViewerProcess:
        """The one that came last."""
        return self.viewers[-1]

    def connect(self) -> None:
        """Another viewer comes; the one before is not told to go."""
        self.viewers.append(ViewerProcess())
        self.viewer.connect(self.guest.spice_uri)

    def status(self) -> dict[str, Any]:
        """What the daemon tells root of itself."""
        return dict(json.loads(self.guest.output("vdagent status --json")))

    def seconds_until_served(self, x_reads_input: bool = True) -> dict[str, float]:
        """When, from now on, pointer and clipboard each way had worked; one after the other is tried.

        TimeoutError says what did not work. Where the X server reads no input device any more, the
        kernel's events are what counts.
        """
        start = time.monotonic()
        pointer = self._pointer if x_reads_input else self._tablet
        ways = {
            "pointer": pointer if self.sway is None else self._click,
            "to the guest": self._to_guest,
            "to the viewer": self._to_viewer,
        }
        seconds = {}
        for what, works in ways.items():
            _repeat(what, works, start + PATIENCE_S)
            seconds[what] = time.monotonic() - start
        return seconds

    def _pointer(self) -> bool:
        number = next(_numbers)
        x, y = 100 + number * 37 % 700, 100 + number * 53 % 450
        # Xorg's libinput driver scales to 65535 steps and rounds down: it may end a pixel short.
        off = f"$(((X - {x}) * (X - {x}) + (Y - {y}) * (Y - {y})))"
        steps = itertools.cycle((1, 0))
        with _again_and_again(lambda: self.viewer.do("position", x=x + next(steps), y=y), MOVE_S):
            return self._in_guest(
                f'eval "$(xdotool getmouselocation --shell)"; [ {off} -le 2 ]', PATIENCE_S
            )

    def _tablet(self) -> bool:
        with Tablet(self.guest) as tablet:
            self.viewer.do("position", x=next(_numbers), y=next(_numbers))
            tablet.wait_position()
        return True

    def _click(self) -> bool:
        """A compositor tells nobody where its pointer is, but does what a click is to do."""
        assert self.sway is not None
        self.guest.output(f"rm -f {self.sway.clicked}")
        with _again_and_again(self._move_and_click, CLICK_S):
            return self._in_guest(f"[ -e {self.sway.clicked} ]", PATIENCE_S)

    def _move_and_click(self) -> None:
        number = next(_numbers)
        self.viewer.do("position", x=100 + number * 37 % 700, y=100 + number * 53 % 450)
        self.viewer.do("press", button="left")
        self.viewer.do("release_button", button="left")

    def _to_guest(self) -> bool:
        text = f"to the guest {next(_numbers)}"
        paste = self.sway.run("wl-paste -n") if self.sway else "xclip -o -selection clipboard"
        pasted = f'"$(timeout 2 {paste})"'
        with _again_and_again(
            lambda: self.viewer.do("offer", selection="clipboard", text=text), COPY_S
        ):
            return self._in_guest(f"[ {pasted} = '{text}' ]", PATIENCE_S)

    def _to_viewer(self) -> bool:
        text = f"to the viewer {next(_numbers)}"
        since = self.viewer.mark()
        if self.sway is None:
            copy_in_guest(self.guest, text, display=self.display)
        else:
            copy = self.sway.run("wl-copy")
            self.guest.output(f"timeout 5 {copy} >/dev/null 2>&1", input=text)
        self.viewer.wait("guest-grab", TRY_S, lambda e: e["selection"] == "clipboard", since)
        asked = self.viewer.do("request", selection="clipboard")
        data = self.viewer.wait("guest-data", TRY_S, since=asked)
        return bool(data.get("text") == text)

    def _in_guest(self, condition: str, timeout_s: float) -> bool:
        self.guest.wait_until(f"export DISPLAY={self.display}; {condition}", timeout_s)
        return True


@contextmanager
def _again_and_again(do: Callable[[], object], pause_s: float) -> Iterator[None]:
    """Somebody does this until it is enough."""
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            with suppress(HostError, TimeoutError):
                do()
            enough.wait(pause_s)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield
    finally:
        enough.set()
        worker.join()


def _repeat(what: str, attempt: Callable[[], bool], deadline: float) -> None:
    """Try until it works. What goes wrong on the way is what a person sees who is too early."""
    why = "it did not do what it should"
    while time.monotonic() < deadline:
        try:
            if attempt():
                return
        except (TimeoutError, HostError, RuntimeError) as error:
            why = re.sub(r"\s+", " ", str(error))
            time.sleep(0.05)
    raise TimeoutError(f"{what}: {why}")
