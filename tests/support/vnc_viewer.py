# SPDX-License-Identifier: MIT
"""What does a VNC viewer see of a guest? An RFB 3.8 client without a screen: clipboard and pointer.

The clipboard is the extended one (pseudo-encoding 0xC0A1E5CE, github.com/rfbproto/rfbproto): a cut-text
message of negative length, of which the first word says what it is.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Final, NamedTuple, Self

EXTENDED_CLIPBOARD: Final = 0xC0A1E5CE
ABSOLUTE_POINTER: Final = -257  # "pointer type change"
TEXT: Final = 1
CAPS, REQUEST, PEEK, NOTIFY, PROVIDE = (1 << bit for bit in range(24, 29))

_TIMEOUT_S = 10.0


class Event(NamedTuple):
    """What QEMU said: "caps", "notify" (the guest copied), "request" (it pastes), "provide"."""

    kind: str
    text: str = ""


class VncViewer:
    """One connection; it answers the guest's pastes with what was offered last."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self._arrived = threading.Condition()
        self._offered = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.connect(str(path))
        self._shake_hands()
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait("caps")
        self._say(CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, struct.pack(">I", 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # QEMU was faster
        self._reader.join(_TIMEOUT_S)
        self._socket.close()

    # -- what a person does ----------------------------------------------------------------------

    def offer(self, text: str) -> None:
        """Copy here."""
        # The clipboard extension demands the NUL at the end.
        self._offered = text.encode() + b"\0"
        self._say(NOTIFY | TEXT)

    def paste(self, timeout_s: float = _TIMEOUT_S) -> str:
        """Paste here: the text the guest hands over."""
        since = self.mark()
        self._say(REQUEST | TEXT)
        return self.wait("provide", since, timeout_s).text

    def point(self, x: int, y: int, buttons: int = 0) -> None:
        """Move the pointer; `buttons` are RFB's: 1 left, 2 middle, 4 right."""
        self._socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    # -- what it saw -----------------------------------------------------------------------------

    def mark(self) -> int:
        """The place of the next event, for `wait`."""
        return len(self.events)

    def wait(self, kind: str, since: int = 0, timeout_s: float = _TIMEOUT_S) -> Event:
        """The first event of this kind at or after place `since`."""

        def found() -> Event | None:
            return next((event for event in self.events[since:] if event.kind == kind), None)

        deadline = time.monotonic() + timeout_s
        with self._arrived:
            while (event := found()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    seen = [event.kind for event in self.events[since:]]
                    raise TimeoutError(f"VNC: no {kind} in {timeout_s} s; it saw {seen}")
            return event

    # -- RFB -------------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        self._receive(12)
        self._socket.sendall(b"RFB 003.008\n")
        kinds = self._receive(self._receive(1)[0])
        if 1 not in kinds:
            raise ConnectionError(f"VNC wants a password: {kinds!r}")
        self._socket.sendall(b"\x01")  # no security
        if self._receive(4) != bytes(4):
            raise ConnectionError("VNC: refused")
        self._socket.sendall(b"\x01")  # others may stay
        self.size = struct.unpack(">HH", self._receive(4))
        self._receive(16)  # the pixel format
        self.name = self._receive(struct.unpack(">I", self._receive(4))[0]).decode()
        encodings = struct.pack(">iiI", 0, ABSOLUTE_POINTER, EXTENDED_CLIPBOARD)
        self._socket.sendall(struct.pack(">BxH", 2, 3) + encodings)

    def _say(self, flags: int, body: bytes = b"") -> None:
        head = struct.pack(">BxxxiI", 6, -(4 + len(body)), flags)
        self._socket.sendall(head + body)

    def _read(self) -> None:
        try:
            while True:
                self._read_message(self._receive(1)[0])
        except (OSError, EOFError):
            pass  # the end, whoever made it

    def _read_message(self, kind: int) -> None:
        if kind == 0:
            for _ in range(struct.unpack(">xH", self._receive(3))[0]):
                self._read_rectangle()
        elif kind == 3:
            (length,) = struct.unpack(">xxxi", self._receive(7))
            body = self._receive(abs(length))
            if length < 0:
                self._read_clipboard(struct.unpack_from(">I", body)[0], body[4:])
        elif kind != 2:  # the bell
            raise EOFError(f"VNC: unknown message {kind}")

    def _read_rectangle(self) -> None:
        """A pseudo-rectangle: no picture is ever asked for, so that none comes."""
        _, _, width, height, encoding = struct.unpack(">HHHHi", self._receive(12))
        if encoding == 0:
            self._receive(width * height * 4)

    def _read_clipboard(self, flags: int, body: bytes) -> None:
        if flags & CAPS:
            self._tell(Event("caps"))
        elif flags & NOTIFY:
            self._tell(Event("notify"))
        elif flags & REQUEST:
            self._tell(Event("request"))
            content = struct.pack(">I", len(self._offered)) + self._offered
            self._say(PROVIDE | TEXT, zlib.compress(content))
        elif flags & PROVIDE:
            content = zlib.decompressobj().decompress(body)
            (size,) = struct.unpack_from(">I", content)
            self._tell(Event("provide", content[4 : 4 + size].decode()))

    def _tell(self, event: Event) -> None:
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError("VNC: QEMU has closed the connection")
            data += part
        return bytes(data)
