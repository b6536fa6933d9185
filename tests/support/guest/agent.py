# SPDX-License-Identifier: MIT
"""How do our two programs run in a guest that has neither a service manager nor a login?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tests.support.guest.machine import AGENT_PORT, Guest

DAEMON_LOG = "/run/vdagent-daemon.log"
SESSION_LOG = "/run/vdagent-session.log"


class Agent:
    """The daemon, as root on the real port and the real uinput, and a session.

    The session is that of the X display :0, unless `environment` is another one's.
    """

    def __init__(self, guest: Guest, *options: str, environment: Mapping[str, str] = {}) -> None:
        self.guest = guest
        self.program = f"{sys.executable} -m vdagent"
        self._told: dict[str, int] = {}
        guest.output("mkdir -p /run/spice-vdagentd")  # what a package leaves to tmpfiles.d
        self.start_daemon()
        self._session_command = self._command(options, environment)
        self.start_session()

    def _command(self, options: Sequence[str], environment: Mapping[str, str]) -> str:
        desktop = [f"{name}={value}" for name, value in environment.items()]
        words = ["env", *(["-u", "DISPLAY", *desktop] if desktop else []), self.program]
        words += ["session --foreground --debug", *options]
        return " ".join(words)

    def start_daemon(self, port: str = AGENT_PORT) -> None:
        """Start the daemon; without logind, as there is none here."""
        command = f"{self.program} daemon --foreground --debug -X -s {port}"
        self.daemon = self.guest.start(command, DAEMON_LOG)

    def start_session(self) -> None:
        """Start the session agent, for the first time or again."""
        self.session = self.guest.start(self._session_command, SESSION_LOG)

    def stop_daemon(self) -> None:
        """End the daemon by SIGTERM and wait for it."""
        self.guest.output(f"kill {self.daemon} && timeout 10 tail --pid={self.daemon} -f /dev/null")

    def stop(self) -> None:
        """End both."""
        self.stop_daemon()
        self.guest.run(f"kill {self.session}; timeout 10 tail --pid={self.session} -f /dev/null")

    def survived(self) -> bool:
        """Are both programs still the processes that were started last?"""
        return self.guest.run(f"kill -0 {self.daemon} && kill -0 {self.session}").status == 0

    def wait_log(self, words: str, timeout_s: float = 30.0) -> str:
        """Wait for a line that matches `words` in what the daemon said since `forget_log`."""
        start = self._told.get(DAEMON_LOG, 0) + 1
        find = f"tail -c +{start} {DAEMON_LOG} | grep -E -- '{words}'"
        self.guest.wait_until(f"{find} >/dev/null", timeout_s, f"the daemon says {words!r}")
        return self.guest.output(find)

    def forget_log(self) -> None:
        """From now on only what is said after this counts."""
        for log in (DAEMON_LOG, SESSION_LOG):
            self._told[log] = int(self.guest.output(f"stat -c %s {log}"))

    def new_log(self) -> str:
        """What both have said since `forget_log`."""
        return "".join(
            f"{log}:\n{self.guest.output(f'tail -c +{self._told.get(log, 0) + 1} {log}')}"
            for log in (DAEMON_LOG, SESSION_LOG)
        )
