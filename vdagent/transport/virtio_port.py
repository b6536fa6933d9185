# SPDX-License-Identifier: MIT
"""How is the port to the host opened, kept and opened again?

Opening the character device is what makes the kernel send VIRTIO_CONSOLE_PORT_OPEN 1, closing it sends
0: an open port means "there is an agent" to spice-server and to the viewer, so whoever uses this
class decides *when*; it knows only *how*. The path may also be a UNIX socket (Xspice, the lab).

What the device says, measured on Linux 6.1 with QEMU 7.2:

    read 0 bytes, POLLHUP     no host at the other end: neither the end, nor a reason to spin
    ENXIO at open             the port is being set up: try again at once
    EBUSY at open             one opener at a time, whoever it is
    ENODEV                    unplugged: wait until the node is there again
    short write               at most 32 KiB at a time
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import socket
import stat
from collections.abc import Callable, Iterable

from .holders import who_holds
from .link import Buffer, Link

log = logging.getLogger("port")

FIRST_RETRY_S = 0.05
LAST_RETRY_S = 2.0
# Where the host is not attached, look again this often until the connection is given up.
_HOST_CHECK_S = 0.01


class VirtioPort:
    """The stream to the host: open while wanted, reopened with back-off while it fails.

    on_open()        a new connection is there: say hello on it
    on_data(view)    bytes from the host
    on_lost(reason)  the connection has gone; another one is being made
    """

    def __init__(
        self,
        path: str,
        on_open: Callable[[], None],
        on_data: Callable[[memoryview], None],
        on_lost: Callable[[str], None],
        on_drained: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self._on_open, self._on_data, self._on_lost = on_open, on_data, on_lost
        self._on_drained = on_drained
        self._loop = asyncio.get_running_loop()
        self.link: Link | None = None  # the open connection, if there is one
        self._wanted = False
        self._timer: asyncio.TimerHandle | None = None
        self._retry_s = FIRST_RETRY_S
        self._is_device = False
        self._host_absent = False  # on this connection, so far
        self._host_was_absent = False  # on the last one, so that opening this one is no news
        self._paused = False
        self._last_complaint = ""
        # Set where udev tells us about the node: no need to look for it then.
        self.is_watched = False

    @property
    def problem(self) -> str | None:
        """Why it is not open though it is wanted, as far as that is known."""
        return self._last_complaint if self._wanted and self.link is None else None

    def open(self) -> None:
        """Open it, now or as soon as that is possible; nothing happens if it is open."""
        if not self._wanted:
            self._wanted = True
            self._retry_s = FIRST_RETRY_S
            self._try_open()

    def close(self) -> None:
        """Close it and stop trying."""
        self._wanted = False
        self._cancel_timer()
        if self.link is not None:
            self.link.close()
            self.link = None

    def reopen(self, reason: str) -> None:
        """Give up this connection and make another one."""
        if self._wanted and self.link is not None:
            self._lost(reason)

    def node_appeared(self) -> None:
        """udev says the device is there: no need to wait for the next try."""
        if self._wanted and self.link is None:
            self._cancel_timer()
            self._try_open()

    def write(self, buffers: Iterable[Buffer]) -> None:
        """Queue bytes for the host; dropped while there is no connection."""
        if self.link is not None:
            self.link.write(buffers)

    def pause(self, paused: bool) -> None:
        """Whether to leave the host's bytes where they are."""
        self._paused = paused
        if self.link is not None and not self._host_absent:
            if paused:
                self.link.pause_reading()
            else:
                self.link.resume_reading()

    # -- opening ---------------------------------------------------------------------------------

    def _try_open(self) -> None:
        self._timer = None
        try:
            self.link = self._open_link()
        except OSError as error:
            self._complain(error)
            if not (self.is_watched and error.errno in (errno.ENOENT, errno.ENODEV)):
                self._retry()
            return
        self._paused = self._host_absent = False
        if not self._host_was_absent:
            log.info("port: %s is open", self.path)
        self._on_open()

    def _open_link(self) -> Link:
        fd = self._open_path()
        try:
            return Link(fd, self._on_data, self._ended, self._on_drained)
        except PermissionError:  # epoll's word for what cannot be waited for, like a plain file
            os.close(fd)
            raise OSError(errno.ENOTTY, "not a port") from None

    def _open_path(self) -> int:
        if not stat.S_ISSOCK(os.stat(self.path).st_mode):
            self._is_device = True
            return os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_device = False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as stream:
            stream.setblocking(False)
            stream.connect(self.path)
            return stream.detach()

    def _complain(self, error: OSError) -> None:
        """Say once what is wrong; the retries are silent."""
        message = f"port: cannot open {self.path}: {os.strerror(error.errno or errno.EIO)}"
        if error.errno == errno.EBUSY:
            message = f"port: {self.path} is in use {who_holds(self.path)}"
        level = logging.DEBUG if error.errno == errno.ENXIO else logging.ERROR
        if message != self._last_complaint:
            log.log(level, "%s; trying again until it works", message)
            self._last_complaint = message

    def _retry(self) -> None:
        if self._wanted and self._timer is None:
            self._timer = self._loop.call_later(self._retry_s, self._try_open)
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- life ------------------------------------------------------------------------------------

    def _ended(self, reason: str) -> None:
        link = self.link
        if link is None:
            return
        if self._is_device and not reason and not link.received:
            return self._wait_for_host(link, _HOST_CHECK_S, 0.0)
        self._lost(reason or "the host hung up")

    def _wait_for_host(self, link: Link, pause_s: float, waited_s: float) -> None:
        """The device reads 0 bytes: look again a few times, then close and open it.

        The host normally attaches within milliseconds. After a chardev-change it never does until
        the guest has closed and opened the port, so waiting for ever would be no help.
        """
        if link is not self.link or link.closed:
            return
        poller = select.poll()
        poller.register(link.fileno(), select.POLLIN)
        self._host_absent = any(event & select.POLLHUP for _, event in poller.poll(0))
        if not self._host_absent:
            return self.pause(self._paused)
        if waited_s >= max(self._retry_s, 0.5):
            self._host_was_absent = True
            return self._lost("the host is not attached")
        self._loop.call_later(
            pause_s, self._wait_for_host, link, min(pause_s * 2, 0.25), waited_s + pause_s
        )

    def _lost(self, reason: str) -> None:
        if self.link is not None:
            if self.link.received:
                self._retry_s = FIRST_RETRY_S
                self._host_was_absent = False
            self.link.close()
            self.link = None
            if reason != self._last_complaint:
                log.warning("port: lost the host: %s; opening %s again", reason, self.path)
                self._last_complaint = reason
            self._on_lost(reason)
            self._retry()
