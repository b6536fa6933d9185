# SPDX-License-Identifier: MIT
"""What may a guest program do with X11 selections, well-behaved or not?

Run as `python -m tests.support.x11_app DISPLAY`. Reads one JSON command per line and answers each
with one JSON line; meanwhile it serves what it owns.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

from Xlib import X, Xatom, display
from Xlib.protocol import event

from tests.support.app_process import Commands

INCREMENT = 65536


class App:
    """One guest program: its window, what it owns, and how it behaves."""

    def __init__(self, name: str) -> None:
        self.display = display.Display(name)
        self.display.set_error_handler(lambda *args: None)
        root = self.display.screen().root
        self.window = root.create_window(0, 0, 1, 1, 0, 0, event_mask=X.PropertyChangeMask)
        self.owned: dict[int, dict[int, bytes]] = {}
        self.mute: set[int] = set()  # targets that are never answered
        self.busy_until = 0.0
        self.incr = ""  # "stall": one increment, then nothing; "endless": never an end
        self.sending: dict[int, tuple[Any, int]] = {}  # property -> requestor, type
        self.atom = self.display.intern_atom

    def run(self) -> None:
        commands = Commands(self)
        while True:
            while self.display.pending_events():
                self.handle(self.display.next_event())
            self.display.flush()
            if self.display.pending_events():
                continue
            ready, _, _ = select.select([0, self.display.fileno()], [], [], 5)
            if 0 in ready and not commands.obey():
                return

    # Commands.

    def own(
        self,
        selection: str,
        contents: dict[str, str],
        mute: Sequence[str] = (),
        incr: str = "",
        busy_s: float = 0,
    ) -> bool:
        self.owned[self.atom(selection)] = {
            self.atom(target): data.encode("latin-1") for target, data in contents.items()
        }
        self.mute = {self.atom(target) for target in mute}
        self.incr = incr
        self.window.set_selection_owner(self.atom(selection), X.CurrentTime)
        self.display.sync()
        self.busy_until = monotonic() + busy_s
        return True

    def own_many(self, selection: str, target: str, count: int) -> bool:
        for number in range(count):
            self.own(selection, {target: f"copy {number}"})
        return True

    def grab(self, seconds: float) -> bool:
        """Stop every other program, as a screen locker or a menu that hangs does."""
        self.display.grab_server()
        self.display.sync()
        select.select([], [], [], seconds)
        self.display.ungrab_server()
        self.display.sync()
        return True

    def convert(self, selection: str, target: str, time: int = 0) -> dict[str, Any]:
        """Paste one target; the property's type and contents, or {} if refused."""
        self.window.convert_selection(
            self.atom(selection), self.atom(target), self.atom("APP"), time
        )
        return self.property_of("APP") if self.await_answer() else {}

    def follow(self) -> int:
        """Take what is left of the last paste, which comes in increments; its size."""
        size = 0
        while True:
            value = self.window.get_full_property(self.atom("APP"), X.AnyPropertyType)
            if value is None:
                self.handle(self.display.next_event())
                continue
            self.window.delete_property(self.atom("APP"))
            if not value.value:
                self.display.sync()
                return size
            size += len(value.value)

    def multiple(self, selection: str, targets: list[str]) -> list[dict[str, Any]]:
        pairs = []
        for number, target in enumerate(targets):
            pairs += [self.atom(target), self.atom(f"APP_{number}")]
        self.window.change_property(self.atom("APP"), self.atom("ATOM_PAIR"), 32, pairs)
        self.window.convert_selection(
            self.atom(selection), self.atom("MULTIPLE"), self.atom("APP"), X.CurrentTime
        )
        if not self.await_answer():
            return []
        answer = self.window.get_full_property(self.atom("APP"), X.AnyPropertyType).value
        return [self.property_of(f"APP_{n}") if prop else {} for n, prop in enumerate(answer[1::2])]

    def await_answer(self) -> bool:
        while True:
            e = self.display.next_event()
            if e.type == X.SelectionNotify:
                return bool(e.property)
            self.handle(e)

    def property_of(self, name: str) -> dict[str, Any]:
        """Take a property; deleting an INCR one starts its transfer (`follow`)."""
        value = self.window.get_full_property(self.atom(name), X.AnyPropertyType)
        self.window.delete_property(self.atom(name))
        self.display.sync()
        kind = self.display.get_atom_name(value.property_type)
        if value.format == 8:
            return {"type": kind, "data": bytes(value.value).decode("latin-1")}
        if value.property_type == Xatom.ATOM:
            return {"type": kind, "data": [self.display.get_atom_name(a) for a in value.value]}
        return {"type": kind, "data": list(value.value)}

    # Serving.

    def handle(self, e: Any) -> None:
        if e.type == X.SelectionRequest and e.target not in self.mute:
            sleep(max(0, self.busy_until - monotonic()))
            ok = self.serve(e)
            e.requestor.send_event(
                event.SelectionNotify(
                    time=e.time,
                    requestor=e.requestor,
                    selection=e.selection,
                    target=e.target,
                    property=e.property if ok else X.NONE,
                )
            )
        elif e.type == X.PropertyNotify and e.state == X.PropertyDelete and e.atom in self.sending:
            requestor, kind = self.sending[e.atom]
            requestor.change_property(e.atom, kind, 8, b"x" * INCREMENT)
            if self.incr == "stall":
                del self.sending[e.atom]

    def serve(self, e: Any) -> bool:
        contents = self.owned.get(e.selection, {})
        if e.target == self.atom("TARGETS"):
            e.requestor.change_property(
                e.property, Xatom.ATOM, 32, [self.atom("TARGETS"), *contents]
            )
            return True
        if e.target not in contents:
            return False
        if self.incr:
            e.requestor.change_attributes(event_mask=X.PropertyChangeMask)
            self.sending[e.property] = e.requestor, e.target
            e.requestor.change_property(e.property, self.atom("INCR"), 32, [INCREMENT])
        else:
            e.requestor.change_property(e.property, e.target, 8, contents[e.target])
        return True


if __name__ == "__main__":
    App(sys.argv[1]).run()
