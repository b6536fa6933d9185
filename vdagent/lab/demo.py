# SPDX-License-Identifier: MIT
"""What does the agent do for a user? Shown in half a minute: `python -m vdagent.lab.demo`

On any machine it starts a desktop, daemon, session, lab and a headless viewer, and has the viewer
do what a user would. Inside a guest that has the SPICE port it runs both programs for the desktop
that is there (demo_in_guest.py).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Final

from ..errors import DesktopError, HostError, SystemFault, VdagentError
from . import demo_in_guest, demo_window
from .children import die_with_parent, stop, wait_for
from .desktop import XDesktop
from .lab_process import LabProcess
from .screenshot import pixel, screenshot
from .viewer_process import ViewerProcess

TEXT: Final = "Copied in the viewer: Grüße aus dem Wirt"
SIZE: Final = (1000, 700)
CLICK_AT: Final = (420, 310)

# struct input_event: seconds, microseconds, type, code, value
_INPUT_EVENT: Final = Struct("<qqHHi")
_NAMES: Final = {
    (3, 0): "ABS_X",
    (3, 1): "ABS_Y",
    (1, 0x110): "BTN_LEFT",
    (0, 0): "SYN",
}


class Demo:
    """Everything that is running, and the steps; a failed step raises VdagentError or OSError."""

    def __init__(self, directory: Path, stack: ExitStack, options: argparse.Namespace) -> None:
        self._directory = directory
        self._stack = stack
        self._picture: Path = options.screenshot
        self._listen: str | None = options.listen
        self._started = time.monotonic()
        self._log = directory / "log"

    @contextmanager
    def _step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Print `title`, then what the step says, then how long it took."""
        began = time.monotonic()
        print(f"{began - self._started:6.2f} s  {title}", flush=True)
        said: list[str] = []
        yield said.append
        took = (time.monotonic() - began) * 1000
        said = [part for line in said for part in textwrap.wrap(line, 84)]
        for line in said:
            print(f"          {line}")
        print(f"          done in {took:.0f} ms", flush=True)
        self._show(title, *(f"    {line}" for line in said))

    def start(self) -> None:
        """Desktop, lab, daemon, session and viewer."""
        with self._step(
            "start a desktop (Xvfb) with a window, and the lab (QEMU, spice-server)"
        ) as say:
            self.desktop = self._stack.enter_context(XDesktop(self._directory / "x.log"))
            self._window = self.desktop.start_listener(
                sys.executable, "-m", "vdagent.lab.demo_window"
            )
            self._stack.callback(stop, self._window)
            listen = () if self._listen is None else ("--listen", self._listen)
            self.lab = self._stack.enter_context(LabProcess(*listen))
            self._viewer = self._stack.enter_context(ViewerProcess())
            self._viewer.connect(self.lab.uri)
            say(f"viewer connected to {self.lab.uri}")
        with self._step("start daemon and session; the agent connects") as say:
            self._start_agent()
            wait_for(self._connected, 10, "agent in the viewer")
            capabilities = self._viewer.wait_announced()
            say(f"the viewer sees an agent with {', '.join(capabilities)}")

    def _start_agent(self) -> None:
        fifo, socket = self._directory / "uinput", self._directory / "agent"
        os.mkfifo(fifo)
        self._uinput = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._stack.callback(os.close, self._uinput)
        where = ("-x", "-s", str(self.lab.port), "-S", str(socket))
        self._programs = [self._agent("daemon", "-X", "-f", "-u", str(fifo), *where)]
        wait_for(lambda: socket.exists() or self._has_ended(), 10, "daemon")
        self._programs.append(self._agent("session", *where))

    def _connected(self) -> bool:
        if self._has_ended():
            raise SystemFault("the agent does not start")
        return self._viewer.saw("agent-connected", lambda e: e["connected"]) is not None

    def _has_ended(self) -> bool:
        return any(program.poll() is not None for program in self._programs)

    def _agent(self, *argv: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "vdagent", *argv],
                env=self.desktop.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self._stack.callback(stop, process)
        return process

    def text_to_guest(self) -> None:
        with self._step("copy text in the viewer, paste it in the guest") as say:
            self._viewer.do("offer", text=TEXT)
            wait_for(lambda: "UTF8_STRING" in self.desktop.targets(), 10, "offer in the guest")
            pasted = self.desktop.paste("UTF8_STRING").decode()
            say(f"xclip pasted: {pasted}")
            if pasted != TEXT:
                raise DesktopError("the pasted text is not the copied one")

    def picture_to_viewer(self) -> None:
        with self._step("copy a picture in the guest, paste it in the viewer") as say:
            picture = screenshot(self.desktop.display)
            since = self._viewer.mark()
            self._stack.callback(stop, self.desktop.copy(picture, "image/png"))
            self._viewer.wait("guest-grab", predicate=lambda e: "png" in e["types"], since=since)
            self._viewer.do("request", type="png")
            data = self._viewer.wait("guest-data", since=since)
            say(
                f"the viewer got {data['type']}, {data['size']} bytes, SHA-256 {data['sha256'][:16]}"
            )
            if data["sha256"] != hashlib.sha256(picture).hexdigest():
                raise HostError("the picture is not the copied one")

    def resize(self) -> None:
        width, height = SIZE
        with self._step(f"make the viewer's window {width} x {height}") as say:
            self._viewer.do("resize", monitors=[[width, height, 0, 0]])
            wait_for(lambda: self.desktop.size() == SIZE, 10, f"desktop of {width} x {height}")
            say(self.desktop.run("xrandr", "--query").decode().splitlines()[0])

    def click(self) -> None:
        x, y = CLICK_AT
        with self._step(f"move the pointer to {x}, {y} and click") as say:
            self._viewer.do("mouse_mode", mode="client")
            self._viewer.wait("mouse-mode", predicate=lambda e: e["mode"] == "client")
            self._viewer.do("position", x=x, y=y)
            self._viewer.do("press", button="left")
            self._viewer.do("release_button", button="left")
            events: list[str] = []

            def released() -> bool:
                events.extend(self._input_events())
                return "BTN_LEFT 0" in events

            wait_for(released, 10, "click among the input events")
            say("input events: " + ", ".join(events))
        self._show(f"pointer {x} {y}")

    def _input_events(self) -> list[str]:
        try:
            data = os.read(self._uinput, 1 << 16)
        except BlockingIOError:
            return []
        events = []
        for _, _, kind, code, value in _INPUT_EVENT.iter_unpack(data):
            name = _NAMES.get((kind, code), f"{kind}/{code}")
            events.append(name if kind == 0 else f"{name} {value}")
        return events

    def take_screenshot(self) -> None:
        with self._step("take a screenshot") as say:
            # The mark at the pointer is the last thing that the window was told to draw.
            drawn = partial(pixel, self.desktop.display, *CLICK_AT)
            wait_for(lambda: drawn() == demo_window.MARK, 10, "mark at the pointer")
            self._picture.write_bytes(screenshot(self.desktop.display))
            say(f"see {self._picture}")

    def keep(self) -> None:
        """Stay until SIGINT or SIGTERM, for a person with a viewer."""
        self._viewer.do("disconnect")
        self._show("", f"remote-viewer {self.lab.uri}")
        print(f"\nAttach with: remote-viewer {self.lab.uri}\nCtrl-C ends everything.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass

    def _show(self, *lines: str) -> None:
        """On the desktop's window, too."""
        if self._window.stdin is not None:
            self._window.stdin.write("".join(f"{line}\n" for line in lines).encode())
            self._window.stdin.flush()

    def last_words(self) -> str:
        """What daemon and session said, for the reader of a failure."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])


def run(options: argparse.Namespace) -> int:
    """All steps; 1 after the first that fails."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="vdagent-demo-"))
        demo = Demo(Path(directory), stack, options)
        try:
            demo.start()
            demo.text_to_guest()
            demo.picture_to_viewer()
            demo.resize()
            demo.click()
            demo.take_screenshot()
        except (VdagentError, OSError) as error:
            print(f"demo: {error}", file=sys.stderr)
            if said := demo.last_words():
                print(f"Daemon and session said last:\n{said}", file=sys.stderr)
            return 1
        if options.keep:
            demo.keep()
    return 0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m vdagent.lab.demo", description=__doc__)
    add = parser.add_argument
    keep = os.environ.get("KEEP", "") not in ("", "0")
    add("--keep", action="store_true", default=keep, help="stay up for remote-viewer (or KEEP=1)")
    add("--listen", metavar="HOST:PORT", help="loopback address for a viewer (default: a socket)")
    add("--screenshot", type=Path, default=Path("demo-screenshot.png"), metavar="PATH")
    options = parser.parse_args(argv)
    # Ctrl-C and SIGTERM leave through the same door, so that everything started is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if demo_in_guest.is_in_guest():
            return demo_in_guest.run()
        return run(options)
    except (SystemFault, HostError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
