# SPDX-License-Identifier: MIT
"""Where do session agents find the daemon, and who is at the other end of a connection?"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable

from ..errors import SessionError, SystemFault
from .peers import Peer

LISTEN_FDS_START = 3  # sd_listen_fds(3)
# All connections that are let in at the daemon's two sockets take two each: their own, and one that
# holds the process at the other end.
DESCRIPTORS = 4096


def activated_socket() -> socket.socket | None:
    """The listening socket systemd passed to this process, if it did (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(os.environ.get("LISTEN_FDS", "0") or 0)
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if count == 0:
        return None
    if count > 1:
        raise SystemFault(f"daemon: systemd passed {count} sockets, expected one")
    os.set_inheritable(LISTEN_FDS_START, False)
    return socket.socket(fileno=LISTEN_FDS_START)


def bind(path: str, made_as: str = "") -> socket.socket:
    """Listen at `path`, open to all users (who may talk is decided after accept).

    A socket file that a dead daemon left behind is replaced; a live one is an error. Made as another
    file it appears at `path` when it listens: whoever waits for it may connect at once.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    old_umask = os.umask(0o111)
    try:
        _remove_stale(path)
        if made_as:
            _remove_stale(made_as)
        listener.bind(made_as or path)
        listener.listen(64)
        if made_as:
            os.rename(made_as, path)
    except SystemFault:
        listener.close()
        raise
    except OSError as error:
        listener.close()
        directory = os.path.dirname(path) or "."
        hint = f"make the directory {directory}" if error.errno == errno.ENOENT else ""
        raise SystemFault(
            f"daemon: cannot listen on {path}: {error.strerror or error}", hint
        ) from None
    finally:
        os.umask(old_umask)
    return listener


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SystemFault(f"daemon: {path} exists and is not a socket", "remove it, or use -S")
    except FileNotFoundError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
    except BlockingIOError:  # its backlog is full: somebody lives there
        raise _already_there(path) from None
    else:
        raise _already_there(path)
    finally:
        probe.close()


def _already_there(path: str) -> SystemFault:
    return SystemFault(
        f"daemon: another agent daemon listens on {path}",
        "stop it first: systemctl stop spice-vdagentd vdagentd",
    )


def serve(
    listener: socket.socket, on_connection: Callable[[socket.socket, Peer], None]
) -> Callable[[], None]:
    """Accept connections and hand them over, non-blocking, with who it is; returns a stop function."""
    import asyncio  # not for who only connects, which is the first that a session agent does

    loop = asyncio.get_running_loop()
    listener.setblocking(False)

    def accept() -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # Out of file descriptors or memory: leave the loop to others for a moment, or the
            # readable listener would spin.
            loop.remove_reader(listener)
            loop.call_later(0.5, resume)
            return
        connection.setblocking(False)
        on_connection(connection, Peer(connection))

    def resume() -> None:
        if listener.fileno() >= 0:
            loop.add_reader(listener, accept)

    def stop() -> None:
        loop.remove_reader(listener)
        listener.close()

    resume()
    return stop


def allow_descriptors() -> None:
    """Have as many as all connections can take, if we may: the port has to be opened whatever they do."""
    import resource  # not for the start

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connect(path: str) -> socket.socket:
    """Connect to the daemon, non-blocking from then on. Raises SessionError if that does not work."""
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except OSError as error:  # out of descriptors, or of memory: another time
        raise SessionError(
            f"session: no socket to reach the agent daemon: {error.strerror}"
        ) from None
    connection.setblocking(False)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise SessionError(
            f"session: cannot reach the agent daemon at {path}: {error.strerror or error}",
            "is it running? systemctl status vdagentd spice-vdagentd",
        ) from None
    return connection
