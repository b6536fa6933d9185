# SPDX-License-Identifier: MIT
"""How do bytes get from a file descriptor to a protocol and back without anybody waiting for anybody?

One Link per open stream (the port, or one session's socket). Reading drains adaptively: one read when
idle, then as many as there are, handed on at once. A virtio port gives one buffer (one chunk) per
read, so a backlog costs one system call per chunk and one pass through the protocol per drain.
Writing is a queue that is written as the peer takes it; nothing ever blocks or flushes.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable, Iterable
from io import FileIO

from ..lean import give_back_pages

Buffer = bytes | bytearray | memoryview

READ_SIZE = 256 * 1024
# A virtio port hands over at most one page per read.
_ONE_READ = 4096
_MAX_READS = 64
# Wake-ups closer than this are a backlog; a fast pointer sends every 1 ms.
_BACKLOG_S = 0.0005
_IOV_MAX = 512  # the kernel takes 1024 segments
# What is smaller waits in a common block: a queue of its own objects takes ten times its bytes.
_SMALL = 4096
_BLOCK = 64 * 1024
# A queue that was longer has its pages taken back when all is calm again.
_LONG = 1 << 20
_CALM_S = 0.5

# One for all links: what is read is handled before anything else is.
_READ_BUFFER = memoryview(bytearray(READ_SIZE))


class Link:
    """Moves bytes of one non-blocking file descriptor, which it owns.

    `on_data(view)` gets what was read; the view is good only until it returns. `on_end(reason)` is
    called once, from the loop: "" for end of file, else the system's words. `on_drained()` is called
    whenever the queue has become empty, and when it has become shorter than `room`.
    """

    def __init__(
        self,
        fd: int,
        on_data: Callable[[memoryview], None],
        on_end: Callable[[str], None],
        on_drained: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._file = FileIO(fd, "r+b", closefd=False)
        self._on_data = on_data
        self._on_end = on_end
        self._on_drained = on_drained
        self._budget = 1
        self._woken = 0.0
        self._queue: deque[Buffer] = deque()
        self.queued = 0
        self._was_long = False
        self.room = 0
        self.sent = 0  # bytes the peer or the kernel took, ever
        self.received = 0
        self._reading = False
        self._writing = False
        self._ended = False  # until resumed: a port whose host has gone would wake its writer too
        self.closed = False
        self.resume_reading()

    def fileno(self) -> int:
        """The file descriptor."""
        return self._fd

    # -- reading ---------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Take no more bytes until `resume_reading`; the peer's queue fills up."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Take bytes again."""
        if not self._reading and not self.closed:
            self._reading = True
            self._ended = False
            self._loop.add_reader(self._fd, self._readable)
            self._start_writing()

    def _readable(self) -> None:
        have = reads = 0
        last = _ONE_READ
        view = _READ_BUFFER
        read = self._file.readinto
        ended: str | None = None
        try:
            # As much again may come; less than that would only cut a message in two.
            while reads < self._budget and have + last <= READ_SIZE:
                n = read(view[have:])
                if not n:
                    ended = None if n is None else ""
                    break
                have += n
                last = n
                reads += 1
        except OSError as error:
            ended = os.strerror(error.errno or errno.EIO)
        if have:
            self.received += have
            self._on_data(view[:have])
        self._adapt(reads)
        if ended is not None and not self.closed:
            self.pause_reading()
            self._stop_writing()
            self._ended = True
            self._on_end(ended)

    def _adapt(self, reads: int) -> None:
        """Allow more reads while one wake-up follows the other at once, and one when it is calm.

        A read too many costs a system call before the data is handled, so paced pointer events
        are read one at a time.
        """
        now = self._loop.time()
        if reads < self._budget:
            if reads <= 1:
                self._budget = 1
        elif now - self._woken < _BACKLOG_S:
            self._budget = min(self._budget * 4, _MAX_READS)
        self._woken = now

    # -- writing ---------------------------------------------------------------------------------

    def write(self, buffers: Iterable[Buffer]) -> None:
        """Send buffers in order: what the peer takes now, and the rest as it makes room.

        Views are transient, so what is left of them is copied; bytes and bytearrays are kept as
        they are and must not change any more.
        """
        if self.closed:
            return
        pending = list(buffers)
        done, offset = (0, 0) if self._queue else self._write_now(pending)
        if done == len(pending):
            return
        views: list[memoryview] = []
        for buffer in pending[done:]:
            rest = memoryview(buffer)[offset:]
            offset = 0
            if isinstance(buffer, memoryview):
                views.append(rest)
            else:
                self._enqueue(b"".join(views))
                views = []
                self._enqueue(rest)
        # One block, not thousands of 2 KiB pieces: those would stay in the heap for ever.
        self._enqueue(b"".join(views))
        self._start_writing()

    def _enqueue(self, buffer: Buffer) -> None:
        if not len(buffer):
            return
        self.queued += len(buffer)
        self._was_long = self._was_long or self.queued > _LONG
        last = self._queue[-1] if self._queue else None
        if len(buffer) > _SMALL:
            self._queue.append(buffer)
        elif isinstance(last, bytearray) and len(last) < _BLOCK:
            last += buffer  # a block of ours: what callers gave us is in the queue as views
        else:
            self._queue.append(bytearray(buffer))

    def _write_now(self, buffers: list[Buffer]) -> tuple[int, int]:
        """Write as much as fits: how many whole buffers, and how many bytes of the next one."""
        done = 0
        while done < len(buffers):
            batch = buffers[done : done + _IOV_MAX]
            taken = self._writev(batch)
            self.sent += taken
            for buffer in batch:
                if taken < len(buffer):
                    return done, taken
                taken -= len(buffer)
                done += 1
        return done, 0

    def _writev(self, buffers: list[Buffer]) -> int:
        try:
            if len(buffers) == 1:
                return self._file.write(buffers[0]) or 0
            return os.writev(self._fd, buffers)
        except BlockingIOError:
            return 0
        except OSError as error:
            # Told from the loop, not from inside a caller's write.
            reason = os.strerror(error.errno or errno.EIO)
            self._loop.call_soon(self._fail, reason)
            return 0

    def _writable(self) -> None:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(len(queue), _IOV_MAX))]
        before = self.queued
        done, offset = self._write_now(batch)
        self.queued -= sum(map(len, batch[:done])) + offset
        if done < len(batch):
            queue.extendleft(reversed(batch[done + 1 :]))
            queue.appendleft(memoryview(batch[done])[offset:])
        if not queue:
            self._stop_writing()
            if self._was_long:
                self._was_long = False
                self._loop.call_later(_CALM_S, give_back_pages)
        if self._on_drained is not None and (not queue or self.queued < self.room <= before):
            self._on_drained()

    def _start_writing(self) -> None:
        if self._queue and not self._writing and not self._ended:
            self._writing = True
            self._loop.add_writer(self._fd, self._writable)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    # -- the end ---------------------------------------------------------------------------------

    def _fail(self, reason: str) -> None:
        if not self.closed:
            self.pause_reading()
            self._stop_writing()
            self._on_end(reason)

    def close(self) -> None:
        """Close at once; what is still queued is lost. Nothing is called any more."""
        if self.closed:
            return
        self.pause_reading()
        self._stop_writing()
        self.closed = True
        self._queue.clear()
        self.queued = 0
        os.close(self._fd)
