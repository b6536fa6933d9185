# SPDX-License-Identifier: MIT
"""How does a test tell a guest program of its own what to do? One line of JSON each way.

AppProcess is the test's end; Commands is the program's, between its other work.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import spawn, stop

TREE = Path(__file__).parents[2]


class AppProcess:
    """A running program of tests.support, called like `await app.own(selection="PRIMARY", …)`."""

    def __init__(
        self,
        program: str,
        desktop: str,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        argv = [sys.executable, "-m", f"tests.support.{program}", desktop]
        pipe = subprocess.PIPE
        self.process = spawn(argv, stdin=pipe, stdout=pipe, cwd=TREE, log=log, env=env)
        assert self.process.stdin is not None and self.process.stdout is not None
        self._to, self._from = self.process.stdin, self.process.stdout

    def ask(self, command: str, **arguments: Any) -> Any:
        """Have it do `command`; what that came to."""
        self._to.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
        self._to.flush()
        return json.loads(self._from.readline())

    def __getattr__(self, command: str) -> Callable[..., Any]:
        async def call(**arguments: Any) -> Any:
            return await asyncio.to_thread(self.ask, command, **arguments)

        return call

    def close(self) -> None:
        """End it."""
        stop(self.process)
        self._to.close()
        self._from.close()


class Commands:
    """What the test asks of `app`, on standard input; each is a method of it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._pending = b""

    def obey(self) -> bool:
        """Do what has come; False when no more will."""
        part = os.read(0, 1 << 20)
        *lines, self._pending = (self._pending + part).split(b"\n")
        for line in lines:
            command = json.loads(line)
            print(json.dumps(getattr(self._app, command.pop("do"))(**command)), flush=True)
        return bool(part)
