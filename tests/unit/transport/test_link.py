# SPDX-License-Identifier: MIT
"""Do bytes keep their order and their contents, whatever the peer does, and does nobody ever wait?"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.waiting import until
from vdagent.transport.link import READ_SIZE, Buffer, Link

pytestmark = pytest.mark.virtual_time


class End:
    """One end of a connection as a Link that remembers what it was told; `peer` is the other."""

    def __init__(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        self.peer, ours = socket.socketpair(socket.AF_UNIX, kind)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.peer.setblocking(False)
        ours.setblocking(False)
        self.got = bytearray()
        self.reads: list[int] = []
        self.ends: list[str] = []
        self.drained = 0
        self.on_data: Callable[[], None] = lambda: None
        self.link = Link(ours.detach(), self._data, self.ends.append, self._drained)

    def _data(self, view: memoryview) -> None:
        self.got += view
        self.reads.append(len(view))
        self.on_data()

    def _drained(self) -> None:
        self.drained += 1

    def has(self, size: int) -> bool:
        return len(self.got) == size

    async def drain(self, size: int) -> bytes:
        """Read `size` bytes at the peer, as they come."""
        got = bytearray()

        def more() -> bool:
            try:
                got.extend(self.peer.recv(5000))
            except BlockingIOError:
                pass
            return len(got) >= size

        await until(more)
        return bytes(got)

    def close(self) -> None:
        self.link.close()
        self.peer.close()


@pytest.fixture
def kind() -> socket.SocketKind:
    return socket.SOCK_STREAM


async def test_bytes_come_in(kind: socket.SocketKind) -> None:
    end = End(kind)
    end.peer.send(b"hello")
    await until(lambda: end.got)
    assert end.got == b"hello"
    assert end.link.received == 5
    end.close()


async def test_records_of_a_backlog_are_handed_over_together() -> None:
    """A virtio port gives one chunk per read."""
    end = End(socket.SOCK_SEQPACKET)
    end.link.pause_reading()
    for _ in range(10):
        end.peer.send(b"x" * 100)
    end.link.resume_reading()
    await until(lambda: len(end.got) == 1000)
    assert len(end.reads) < 10
    end.close()


async def test_the_end_of_the_file_is_told_once_and_after_the_data() -> None:
    end = End()
    end.peer.send(b"last")
    end.peer.close()
    await until(lambda: end.ends)
    assert (bytes(end.got), end.ends) == (b"last", [""])
    end.link.close()


async def test_a_paused_link_reads_nothing() -> None:
    end = End()
    end.link.pause_reading()
    end.link.pause_reading()
    end.peer.send(b"x")
    end.link.write([b"still writes"])
    assert await end.drain(12) == b"still writes"
    assert end.got == b""
    end.link.resume_reading()
    await until(lambda: end.got)
    end.close()


async def test_large_reads_do_not_pass_the_buffer() -> None:
    end = End()
    end.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * READ_SIZE)
    sent = 0
    while sent < 3 * READ_SIZE:
        try:
            sent += end.peer.send(bytes(READ_SIZE))
        except BlockingIOError:
            await until(partial(end.has, sent))
    await until(partial(end.has, sent))
    assert max(end.reads) <= READ_SIZE
    end.close()


async def test_what_fits_is_written_at_once() -> None:
    end = End()
    end.link.write([b"a", b"", memoryview(b"b"), bytearray(b"c")])
    assert end.peer.recv(10) == b"abc"
    assert end.link.queued == 0
    end.close()


async def test_short_writes_keep_order_and_contents() -> None:
    end = End()
    expected = bytearray()
    scratch = bytearray(3000)
    for i in range(1500):
        scratch[:] = bytes([i % 256]) * 3000
        size = (i * 37) % 3000
        views: list[Buffer] = [memoryview(scratch)[:size], b"|%d|" % i]
        end.link.write(views)
        for view in views:
            expected += view
    scratch[:] = bytes(3000)  # transient, as a read buffer is
    assert end.link.queued > 0
    assert end.link.sent + end.link.queued == len(expected)
    assert await end.drain(len(expected)) == expected
    await until(lambda: end.drained)
    assert (end.drained, end.link.queued) == (1, 0)
    end.close()


async def test_one_buffer_far_larger_than_the_peer_takes() -> None:
    end = End()
    data = os.urandom(300_000)
    end.link.write([data])
    end.link.write([b"end"])
    assert await end.drain(300_003) == data + b"end"
    end.close()


async def test_more_buffers_than_one_system_call_takes() -> None:
    end = End()
    buffers = [bytes([i % 256]) for i in range(3000)]
    end.link.write(buffers)
    assert await end.drain(3000) == b"".join(buffers)
    end.close()


async def test_a_peer_that_left_is_told_from_the_loop() -> None:
    end = End()
    end.link.pause_reading()
    end.peer.close()
    end.link.write([b"x"])
    end.link.write([b"y"])
    assert end.ends == []
    await until(lambda: end.ends)
    assert end.ends[0] == "Broken pipe"
    end.link.close()


async def test_a_peer_that_leaves_with_bytes_queued() -> None:
    end = End()
    end.link.write([bytes(300_000)])
    end.peer.close()
    await until(lambda: end.ends)
    end.link.close()
    assert end.link.queued == 0


async def test_a_closed_link_calls_nobody() -> None:
    end = End()
    end.link.write([bytes(300_000)])
    fd = end.link.fileno()
    end.link.close()
    end.link.close()
    end.link.write([b"x"])
    end.link.resume_reading()
    end.peer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    await until(lambda: True)
    assert (end.ends, end.drained, end.link.queued) == ([], 0, 0)


async def test_closing_while_data_is_handed_over() -> None:
    end = End()
    end.on_data = end.link.close
    end.peer.send(b"x")
    end.peer.close()
    await until(lambda: end.link.closed)
    assert end.ends == []
