# SPDX-License-Identifier: MIT
"""What do a viewer and the guest's user do all day, and does all of it arrive?

Daemon and session are processes on a private X server; the host is scripted. Each deed ends with a
check of what came out at the other end.
"""

from __future__ import annotations

import random
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tests.interop.desk import Desk
from tests.support import wire
from tests.support.processes import wait_for
from tests.support.rig import Agent
from tests.support.wire import TEXT, Port, message, u32

# Without grab serials: they are the handshake's business, and tested there.
CAPS = wire.VIEWER_CAPS & ~(1 << 17)
SIZES = (0, 1, 40, 2000, 70_000, 300_000, 2_000_000)
MODES = ((1024, 768), (800, 600), (1280, 720), (1600, 900), (1111, 777))
ABS_X = (3, 0)


class Mismatch(AssertionError):
    """Something did not arrive as it was sent."""


def check(holds: object, what: str) -> None:
    """Raises Mismatch."""
    if not holds:
        raise Mismatch(what)


class Viewer:
    """A day with a guest; `dice` decides what is done next."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.host, self.rig = desk, desk.host, desk.rig
        self.dice = random.Random(seed)
        self.files = 0
        self.history: deque[str] = deque(maxlen=5)  # what was done lately
        self.done = dict.fromkeys((deed.__name__ for deed, _ in DEEDS), 0)
        self.host.greet(CAPS)
        self.host.fence()

    def next(self) -> None:
        """Do one thing."""
        deeds, weights = zip(*DEEDS, strict=True)
        deed: Callable[[Viewer], None] = self.dice.choices(deeds, weights)[0]
        self.history.append(deed.__name__)
        deed(self)
        self.done[deed.__name__] += 1

    def text(self) -> bytes:
        """Some text, short more often than long."""
        size = self.dice.choice(SIZES[:4] if self.dice.random() < 0.7 else SIZES)
        word = b"%x \xc3\xa4\n" % self.dice.getrandbits(32)
        return (word * (size // len(word) + 1))[:size].decode(errors="ignore").encode()

    def copy_in_viewer_paste_in_guest(self) -> None:
        """A grab, then pastes of it."""
        selection, text = self.dice.randrange(2), self.text()
        self.host.send(message(Port.GRAB, u32(selection, TEXT)))
        self.desk.wait_offer("UTF8_STRING", selection)
        for _ in range(self.dice.randrange(1, 3)):
            paste = self.desk.paste(selection=selection)
            check(self.host.until(Port.REQUEST) == u32(selection, TEXT), "another was asked for")
            self.host.send(wire.clipboard(text, TEXT, selection))
            check(self.desk.pasted(paste) == text, f"{len(text)} bytes changed on the way in")
        if self.dice.random() < 0.3:
            self.host.send(wire.release(selection))

    def copy_in_guest_paste_in_viewer(self) -> None:
        """A program owns the selection, the viewer asks for it once or more, the program ends."""
        selection, text = self.dice.randrange(2), self.text()
        self.desk.copy(text, selection=selection)
        body = self.host.until(Port.GRAB)
        while body[0] != selection:
            body = self.host.until(Port.GRAB)
        for _ in range(self.dice.randrange(1, 4)):
            self.host.send(wire.request(TEXT, selection))
            answer = self.host.until(Port.CLIPBOARD)
            check(
                answer == u32(selection, TEXT) + text, f"{len(text)} bytes changed on the way out"
            )
        self.desk.owner_exits(selection)
        self.host.until(Port.RELEASE)
        for path in self.desk.directory.glob("copied-*"):
            path.unlink()

    def ask_for_nothing(self) -> None:
        """The viewer asks for what nobody has; it is answered all the same."""
        type_ = self.dice.randrange(8)
        self.host.send(wire.request(type_, 2))
        check(self.host.until(Port.CLIPBOARD)[4:] == u32(type_), "not answered")

    def drop_a_file(self) -> None:
        """A file, which arrives whole or is cancelled."""
        self.files += 1
        data = self.dice.randbytes(self.dice.choice((0, 1, 5000, 65_536, 700_000)))
        name = f"file {self.files}"
        head = f"[vdagent-file-xfer]\nname={name}\nsize={len(data)}\n".encode() + b"\0"
        self.host.send(message(Port.FILE_START, u32(self.files) + head))
        answer = self.host.until(Port.FILE_STATUS)
        check(answer == u32(self.files, 0), f"file {self.files} is refused: {answer.hex()}")
        if self.dice.random() < 0.2 and len(data) > 100:
            self.host.send(message(Port.FILE_DATA, u32(self.files) + _sized(data[:100])))
            self.host.send(message(Port.FILE_STATUS, u32(self.files, 1)))
            return
        for start in range(0, max(len(data), 1), 65_536):
            part = data[start : start + 65_536]
            self.host.send(message(Port.FILE_DATA, u32(self.files) + _sized(part)))
        check(self.host.until(Port.FILE_STATUS)[:8] == u32(self.files, 3), "the file failed")
        path = self.desk.received / name
        check(path.read_bytes() == data, "the file changed on the way")
        path.unlink()

    def move_the_pointer(self) -> None:
        """Two hundred moves and a click; the last position is that of the tablet."""
        moves = [(self.dice.randrange(700), self.dice.randrange(500)) for _ in range(200)]
        x = 701 + self.dice.randrange(90)
        states = [wire.mouse(*at) for at in moves]
        self.host.send(b"".join(states), wire.mouse(x, 3, 2), wire.mouse(x, 5))
        wait_for(lambda: _last_x(self.rig.uinput) == x, 10, "the pointer arrives")

    def resize(self) -> None:
        """The window gets another size, and the desktop follows."""
        width, height = self.dice.choice(MODES)
        self.host.send(wire.monitors((width, height)))
        wait_for(lambda: self.desk.size() == f"{width}x{height}", 10, "the desktop follows")

    def change_the_volume(self) -> None:
        """Where there is no sound server nothing comes of it."""
        self.host.send(message(Port.AUDIO, b"\1\0\2" + self.dice.randbytes(4)))

    def host_reconnects(self) -> None:
        """The port is closed and opened, in the middle of anything or nothing."""
        if self.dice.random() < 0.5:
            self.host.send(wire.clipboard(b"half of it" * 50)[: self.dice.randrange(500)])
        self.host.hang_up()
        self.host.greet(CAPS)
        self.host.fence()

    def viewer_reconnects(self) -> None:
        """The viewer goes and comes, on the same port."""
        self.host.send(message(Port.CLIENT_DISCONNECTED, port=wire.SERVER))
        self.host.send(wire.announce(True, CAPS))
        self.host.until(Port.ANNOUNCE)
        self.host.fence()

    def another_session_comes_and_goes(self) -> None:
        """It is served while it is there; then the first one is again."""
        agent = Agent(self.rig.socket)
        agent.report(640, 480)
        agent.say(wire.Uds.GRAB, 0, 0, struct.pack("=I", wire.PNG))
        self.host.until(Port.GRAB)
        agent.close()
        self.host.until(Port.RELEASE)
        self.host.fence()


def _sized(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def _last_x(path: Path) -> int:
    """The newest horizontal position of the fake tablet; the file is kept short."""
    size = struct.calcsize("@llHHi")
    with path.open("rb") as events:
        events.seek(max(0, path.stat().st_size - 12 * size) // size * size)
        data = events.read()  # a write across two pages may be seen half
    rows = [row[2:] for row in struct.iter_unpack("@llHHi", data[: len(data) // size * size])]
    found = [value for type_, code, value in rows if (type_, code) == ABS_X]
    return found[-1] if found else -1


DEEDS: tuple[tuple[Callable[[Viewer], None], int], ...] = (
    (Viewer.copy_in_viewer_paste_in_guest, 20),
    (Viewer.copy_in_guest_paste_in_viewer, 20),
    (Viewer.ask_for_nothing, 10),
    (Viewer.drop_a_file, 20),
    (Viewer.move_the_pointer, 20),
    (Viewer.resize, 5),
    (Viewer.change_the_volume, 3),
    (Viewer.host_reconnects, 4),
    (Viewer.viewer_reconnects, 4),
    (Viewer.another_session_comes_and_goes, 4),
)
