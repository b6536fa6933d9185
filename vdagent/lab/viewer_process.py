# SPDX-License-Identifier: MIT
"""How do a test and the demo talk to the headless viewer (viewer.py), a process of its own?"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Self

from ..errors import HostError
from .children import die_with_parent, stop

# PyGObject and spice-gtk's introspection data belong to the distribution's Python.
PYTHON: Final = "/usr/bin/python3"
PROGRAM: Final = Path(__file__).with_name("viewer.py")

Predicate = Callable[[dict[str, Any]], bool]


class ViewerProcess:
    """A viewer to give commands to (`do`) and to wait for events of (`wait`); blocking."""

    def __init__(self, log: IO[bytes] | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [PYTHON, "-u", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if log is None else log,
            preexec_fn=die_with_parent,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._arrived:
                self.events.append(json.loads(line))
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def mark(self) -> int:
        """The place of the next event, for `wait(since=)`."""
        with self._arrived:
            return len(self.events)

    def do(self, command: str, **arguments: Any) -> int:
        """Run a command of viewer.py; the place of the first event after it, for `wait(since=)`."""
        since = self.mark()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise HostError("the viewer has ended") from error
        answer = self._wait(
            lambda e: e["event"] in ("done", "failed") and e["command"] == command,
            10.0,
            since,
            command,
        )
        if answer["event"] == "failed":
            raise HostError(f"the viewer cannot {command}: {answer['error']}")
        return since

    def wait(
        self,
        event: str,
        timeout_s: float = 10.0,
        predicate: Predicate = lambda _: True,
        since: int = 0,
    ) -> dict[str, Any]:
        """The first `event` at or after place `since` for which `predicate` holds."""
        return self._wait(lambda e: e["event"] == event and predicate(e), timeout_s, since, event)

    def saw(
        self, event: str, predicate: Predicate = lambda _: True, since: int = 0
    ) -> dict[str, Any] | None:
        """The first such event if it has come already."""
        with self._arrived:
            fitting = (e for e in self.events[since:] if e["event"] == event and predicate(e))
            return next(fitting, None)

    def _wait(self, fits: Predicate, timeout_s: float, since: int, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        place = since
        with self._arrived:
            while True:
                for event in self.events[place:]:
                    if fits(event):
                        return event
                place = len(self.events)
                left = deadline - time.monotonic()
                if self._ended:
                    raise HostError("the viewer has ended", f"waiting for {what}")
                if left <= 0 or not self._arrived.wait(left):
                    seen = [e["event"] for e in self.events[since:]][-8:]
                    raise TimeoutError(f"viewer: no {what} in {timeout_s} s; it saw {seen}")

    def connect(self, uri: str, timeout_s: float = 10.0) -> int:
        """Connect and wait until the main channel is open; the place before the first event."""
        since = self.do("connect", uri=uri)
        self.wait(
            "channel",
            timeout_s,
            lambda e: e["channel"] == "MainChannel" and e["state"] == "opened",
            since,
        )
        return since

    def wait_announced(self, since: int = 0, timeout_s: float = 10.0) -> list[str]:
        """Wait for the agent's announcement (`agent-connected` only says that its port is open)."""
        update = self.wait(
            "agent-update", timeout_s, lambda e: "CLIPBOARD_SELECTION" in e["capabilities"], since
        )
        return list(update["capabilities"])

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Hold it for a while, as a window that does not react."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the viewer."""
        stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
