# SPDX-License-Identifier: MIT
"""How does a test run commands inside the guest? This answers JSON lines on a virtio port.

Request: {"id": n, "command": shell text, "input": text or null, "log": path or null}. With "log" the
command goes on in the background, its output in that file, and the answer is {"id", "pid"}; otherwise
it is {"id", "status", "output"} once it has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time


class Executor:
    """Serves one port; every command has its own thread, so a slow one holds up nothing."""

    def __init__(self, path: str) -> None:
        self._port = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._writing = threading.Lock()

    def serve(self) -> None:
        """Greet, then answer requests for ever."""
        self._send({"id": 0})
        pending = b""
        while True:
            data = os.read(self._port, 65536)
            if not data:  # not the end: the host's side is not connected
                time.sleep(0.05)
                continue
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                threading.Thread(target=self._run, args=(json.loads(line),), daemon=True).start()

    def _run(self, request: dict[str, object]) -> None:
        argv = ["/bin/bash", "-c", str(request["command"])]
        if request.get("log"):
            with open(str(request["log"]), "ab") as log:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            self._send({"id": request["id"], "pid": process.pid})
            process.wait()
            return
        given = str(request.get("input") or "").encode()
        done = subprocess.run(argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode("utf-8", "replace")
        self._send({"id": request["id"], "status": done.returncode, "output": output})

    def _send(self, message: dict[str, object]) -> None:
        data = (json.dumps(message) + "\n").encode()
        with self._writing:
            while data:
                data = data[os.write(self._port, data) :]  # the port takes at most 32 KiB at once


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Executor(sys.argv[1]).serve()
