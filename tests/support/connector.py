# SPDX-License-Identifier: MIT
"""What does the process of an AgentProcess do? It becomes a user, connects, hands the socket over, waits.

Arguments: the descriptor of the test's socket, the uid.
"""

from __future__ import annotations

import os
import socket
import sys


def main(control_fd: int, uid: int) -> None:
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    control = socket.socket(fileno=control_fd)
    path = control.recv(4096)
    if path:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        socket.send_fds(control, [b"."], [connection.fileno()])
        connection.close()
        control.recv(1)  # until the test ends: the change of user has undone PR_SET_PDEATHSIG


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
