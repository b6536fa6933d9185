# SPDX-License-Identifier: MIT
"""How do a test and the demo run the lab beside themselves? `vdagent lab` as a process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Self

from ..errors import HostError
from ..options import PORT_NAME
from . import qmp
from .children import die_with_parent, stop

_START_TIMEOUT_S: Final = 30.0


class LabProcess:
    """A running lab: `port` for the daemon, `uri` for a viewer, `log` with QEMU's trace."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vdagent.lab", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        try:
            self._said = self._read_start()
            self.port = Path(self._said["port"])
            self.uri = self._said["viewer"]
            self.monitor = Path(self._said["monitor"])
            self.log = Path(self._said["log"])
        except KeyError as error:
            stop(self._process)
            raise HostError("the lab does not start") from error

    def _read_start(self) -> dict[str, str]:
        said: dict[str, str] = {}
        if self._process.stdout is None:
            return said
        # A lab that hangs is ended, and then its output ends too.
        watchdog = threading.Timer(_START_TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            for line in self._process.stdout:
                name, _, value = line.decode().strip().partition(": ")
                said[name] = value
                if name == "log":
                    break
        finally:
            watchdog.cancel()
        return said

    @property
    def pid(self) -> int:
        """The lab's own, not its QEMU's."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command on the lab's QEMU."""
        return asyncio.run(qmp.execute(self.monitor, command, **arguments))

    def plug_in(self) -> bool:
        """Plug the agent port in again after `device_del`; False where it is too early for that.

        QEMU frees the old port's character device a moment after the port is gone.
        """
        port = {"chardev": "vdagent", "name": PORT_NAME, "id": "vdport", "nr": 1}
        try:
            self.qmp("device_add", driver="virtserialport", **port)
        except HostError:
            return False
        return True

    def trace(self) -> list[str]:
        """QEMU's trace events so far."""
        return self.log.read_text(errors="replace").splitlines()

    def close(self) -> int:
        """End the lab; its exit status."""
        status = stop(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status
