# SPDX-License-Identifier: MIT
"""What does the X11 backend make of a program that answers a conversion with any property, or many?

The X server is played here: it hands over the properties that the input describes, one by one.
"""

from __future__ import annotations

import array
import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from Xlib import X
from Xlib.protocol import event, request

from tests.fuzz.loop import play
from tests.fuzz.wires import check
from vdagent.backends.base import Buffer, Format, Patience, Selection
from vdagent.backends.x11 import targets
from vdagent.backends.x11.clipboard import X11Clipboard
from vdagent.errors import DesktopError

NAMES = ["TARGETS", "MULTIPLE", "TIMESTAMP", "ATOM_PAIR", "INCR", "VDAGENT_SELECTION", "CLIPBOARD"]
ATOMS = {name: number for number, name in enumerate([*NAMES, "PRIMARY", *targets.all_names()], 1)}
NAME_OF = {number: name for name, number in ATOMS.items()}
CODES = {8: "B", 16: "H", 32: "I"}
WINDOW, OTHER = 1, 2
LIMIT = 1 << 16


class Server:
    """As much of an XConnection as reading needs. `data` describes properties: type, format, size."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.window, self.max_request = WINDOW, 1 << 18
        self.callbacks: dict[int, list[Callable[[Any], None]]] = {}
        self.windows = 100

    def share(self) -> Server:
        return self

    def atom(self, name: str) -> int:
        return ATOMS[name]

    async def atom_names(self, atoms: list[int]) -> list[str]:
        return [NAME_OF.get(atom, "") for atom in atoms]

    def promise(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def subscribe(self, code: int, event_class: Any, callback: Callable[[Any], None]) -> None:
        self.callbacks.setdefault(code, []).append(callback)

    def tell(self, code: int, **fields: Any) -> None:
        for callback in self.callbacks[code]:
            callback(SimpleNamespace(**fields))

    def new_window(self) -> int:
        self.windows += 1
        return self.windows

    def send(self, request_class: Any, **fields: Any) -> None:
        if request_class is request.ConvertSelection:
            refused, self.data = self.data[:1] == b"\xff", self.data[1:]
            prop = 0 if refused else 7
            self.tell(X.SelectionNotify, requestor=fields["requestor"], property=prop)

    async def ask(self, request_class: Any, **fields: Any) -> Any:
        if request_class is not request.GetProperty or len(self.data) < 4:
            raise DesktopError("the window is gone")
        kind, bits, size, after = self.data[0] % 40, (8, 16, 32)[self.data[1] % 3], *self.data[2:4]
        raw, self.data = self.data[4 : 4 + size], self.data[4 + size :]
        raw = raw[: len(raw) * 8 // bits * bits // 8]
        value = raw if bits == 8 else array.array(CODES[bits], raw)
        if not kind:
            raise DesktopError("and nothing more came")
        self.tell(X.PropertyNotify, window=fields["window"], atom=0, state=X.PropertyNewValue)
        return SimpleNamespace(property_type=kind, value=(bits, value), bytes_after=after // 250)


class Listener:
    """Hears of owners."""

    def __init__(self) -> None:
        self.told = 0

    def on_owner_changed(self, selection: Selection, formats: Any, secret: bool = False) -> None:
        self.told += 1

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        return b""


async def _play(data: bytes) -> None:
    server, listener = Server(data), Listener()
    x: Any = server
    clipboard = X11Clipboard(x, listener, Patience(1, 1, LIMIT))
    owned = SimpleNamespace(selection=ATOMS["CLIPBOARD"], owner=OTHER, selection_timestamp=1)
    clipboard._on_owner(owned)
    guest = clipboard._guests[Selection.CLIPBOARD]
    check(guest.query, "the owner is not asked")
    if guest.query:
        await guest.query
    check(listener.told == 1 and guest.query is None, "the owner was never met")
    for fmt in guest.targets:
        try:
            check(len(await clipboard.read(Selection.CLIPBOARD, fmt)) <= 2 * LIMIT, "memory")
        except DesktopError:
            pass


def x11_properties(data: bytes) -> None:
    """A program owns the selection and answers TARGETS and every read."""
    play(_play(data))


class _Display:
    """python-xlib's idea of a display, as far as parsing goes."""

    def get_resource_class(self, name: str, default: object = None) -> None:
        return None


def x11_events(data: bytes) -> None:
    """Events that another program may send in any shape, as python-xlib parses them."""
    packet = data[:32].ljust(32, b"\0")
    for cls in (event.SelectionNotify, event.SelectionRequest, event.PropertyNotify):
        parsed = cls(display=_Display(), binarydata=packet)
        check(0 <= parsed.time < 1 << 32, "time")
