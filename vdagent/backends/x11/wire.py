# SPDX-License-Identifier: MIT
"""How do X11 requests, replies, errors and events travel between python-xlib's classes and asyncio?

python-xlib 0.33 is used to pack and parse only. Its own connection blocks on a full socket, copies
its buffers once per message, hides events it read while waiting for a reply, fails on descriptors
from 1024 up, and registers RandR's errors over BadRequest and BadValue. `Wire` stands in for the
`display` argument its request classes expect, and none of that code runs.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from Xlib import error
from Xlib.protocol import display as xdisplay
from Xlib.protocol import rq

from ...errors import DesktopError

PACKET = 32  # every error, event and reply has at least this many bytes
GENERIC_EVENT = 35
EVENTS_PER_TURN = 64  # then the loop gets a turn: an event may cost a 256 KiB answer
EVENTS_HIGH, EVENTS_LOW = 4096, 1024

_BYTE_ORDER = 0x6C if sys.byteorder == "little" else 0x42


class XRefusal(DesktopError):
    """The X server answered a request with an error; `code` is the protocol's error code."""

    def __init__(self, request: str, code: int) -> None:
        known = error.xerror_class.get(code)
        super().__init__(f"the X server refused {request}: {known.__name__ if known else code}")
        self.code = code


class Wire(asyncio.Protocol):
    """One X11 connection's two directions; also python-xlib's idea of a display."""

    def __init__(
        self, on_event: Callable[[int, bytes], None], on_closed: Callable[[str], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._setup: asyncio.Future[Any] = self._loop.create_future()
        self._serial = 1
        self._waiting: deque[Any] = deque()
        self._out: list[bytes] = []
        self._in = bytearray()
        self._events: deque[bytes] = deque()
        self._paused = False
        self._held = True

    # What python-xlib's request and event classes call.

    def send_request(self, request: Any, wait_for_response: bool) -> None:
        """Queue a packed request; all of one loop turn leave in one write."""
        if self._transport is None:
            if wait_for_response:
                raise DesktopError("the connection to the X server is closed")
            return
        request._serial = self._serial
        self._serial = (self._serial + 1) & 0xFFFF
        if wait_for_response:
            self._waiting.append(request)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(request._binary)

    def get_resource_class(self, name: str, default: object = None) -> None:
        """Windows and other resources stay plain numbers."""

    # Our side.

    async def set_up(self, cookie: tuple[bytes, bytes]) -> Any:
        """Say hello; returns the server's description (roots, resource ids, request limits)."""
        greeting = xdisplay.ConnectionSetupRequest._request.to_binary(
            byte_order=_BYTE_ORDER,
            protocol_major=11,
            protocol_minor=0,
            auth_prot_name=cookie[0],
            auth_prot_data=cookie[1],
        )
        if self._transport is not None:
            self._transport.write(greeting)
        return await self._setup

    def ask(self, request_class: Any, fields: dict[str, Any]) -> asyncio.Future[Any]:
        """Send a request that has a reply; the future brings the reply or XRefusal."""
        return self._expect(request_class(display=self, defer=True, **fields))

    def check(self, request_class: Any, fields: dict[str, Any]) -> asyncio.Future[Any]:
        """Send a request without reply; the future ends at the next reply, or with XRefusal."""
        return self._expect(request_class(display=self, onerror=True, **fields))

    def _expect(self, request: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        request.future = future
        return future

    def deliver(self) -> None:
        """From now on hand out events; those that came before are kept till then."""
        self._held = False
        if self._events:
            self._loop.call_soon(self._deliver_events)

    def close(self) -> None:
        """Close without a call to `on_closed`."""
        self._on_closed = lambda reason: None
        if self._transport is not None:
            self._flush()
            self._transport.close()
        self._fail("closed by us")

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        reason = str(exc) if exc else "the X server closed the connection"
        self._fail(reason)
        self._on_closed(reason)

    def _fail(self, reason: str) -> None:
        self._transport = None
        lost = DesktopError(f"the connection to the X server is gone: {reason}")
        for future in (self._setup, *(request.future for request in self._waiting)):
            if not future.done():
                future.set_exception(lost)
                future.exception()  # nobody may be waiting any more
        self._waiting.clear()
        self._events.clear()

    def data_received(self, data: bytes) -> None:
        self._in += data
        if not self._setup.done() and not self._parse_setup():
            return
        at = 0
        size = len(self._in)
        while size - at >= PACKET:
            kind = self._in[at] & 0x7F
            length = PACKET
            if kind in (1, GENERIC_EVENT):
                length += 4 * int.from_bytes(self._in[at + 4 : at + 8], sys.byteorder)
                if size - at < length:
                    break
            packet = bytes(memoryview(self._in)[at : at + length])
            at += length
            if kind > 1:
                self._queue_event(packet)
            else:
                self._answer(kind, packet)
        del self._in[:at]

    def _parse_setup(self) -> bool:
        """True once the server's answer to our hello is complete and taken out of the buffer."""
        if len(self._in) < 8:
            return False
        head, _ = xdisplay.ConnectionSetupRequest._reply.parse_binary(
            bytes(self._in[:8]), self, rawdict=True
        )
        size = 8 + 4 * head["additional_length"]
        if len(self._in) < size:
            return False
        body = bytes(self._in[8:size])
        del self._in[:size]
        if head["status"] == 1:
            info, _ = xdisplay.ConnectionSetupRequest._success_reply.parse_binary(body, self)
            self._setup.set_result(info)
            return True
        reason = body[: head["reason_length"]].decode("latin-1").strip()
        self._setup.set_exception(
            DesktopError(
                f"the X server does not let us in: {reason}", "check XAUTHORITY and DISPLAY"
            )
        )
        return False

    def _answer(self, kind: int, packet: bytes) -> None:
        """Give a reply (kind 1) or error (kind 0) to the request it belongs to."""
        code, serial = struct.unpack_from("=xBH", packet)
        request = self._take_waiting(serial)
        # An error nobody waits for is typically the window of a program that has ended.
        if request is None or request.future.done():
            return
        # A request that kept its future, whose result it is, would keep megabytes until the
        # collector runs, which in an idle session is never.
        future = request.future
        del request.future
        if kind == 0:
            future.set_exception(XRefusal(type(request).__name__, code))
            future.exception()
            return
        try:
            request._parse_response(packet)
            future.set_result(request)
        except Exception as e:  # whatever python-xlib raises on a reply it cannot parse
            future.set_exception(DesktopError(f"unreadable reply of the X server: {e}"))

    def _take_waiting(self, serial: int) -> Any | None:
        """The waiting request with this serial; those without reply before it have succeeded."""
        for index, request in enumerate(self._waiting):
            if request._serial == serial:
                for _ in range(index):
                    passed = self._waiting.popleft().future
                    if not passed.done():
                        passed.set_result(None)
                return self._waiting.popleft()
            if isinstance(request, rq.ReplyRequest):
                return None  # answers come in order: this one is still due
        return None

    def _queue_event(self, packet: bytes) -> None:
        if not self._events and not self._held:
            self._loop.call_soon(self._deliver_events)
        self._events.append(packet)
        if len(self._events) > EVENTS_HIGH and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _deliver_events(self) -> None:
        try:
            for _ in range(min(EVENTS_PER_TURN, len(self._events))):
                packet = self._events.popleft()
                self._on_event(packet[0] & 0x7F, packet)
        finally:
            if self._events:
                self._loop.call_soon(self._deliver_events)
            if self._paused and len(self._events) < EVENTS_LOW and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
