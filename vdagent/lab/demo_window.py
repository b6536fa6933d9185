# SPDX-License-Identifier: MIT
"""What is there to see on the demo's desktop? A window over all of it that shows what happens.

Every line on standard input is shown; `pointer X Y` moves a mark there instead. The window keeps
the size of the desktop and says it.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Any, Final

from Xlib import X, display

BACKGROUND: Final = 0x1E3A5F
FOREGROUND: Final = 0xF0F0E8
MARK: Final = 0xE8A33D

_LINE_HEIGHT: Final = 22
_MARGIN: Final = 40


class Window:
    """The window and what it shows."""

    def __init__(self) -> None:
        self.connection: Any = display.Display()
        screen = self.connection.screen()
        self.root = screen.root
        self.width, self.height = screen.width_in_pixels, screen.height_in_pixels
        self.lines: list[str] = []
        self.pointer: tuple[int, int] | None = None
        self.window = self.root.create_window(
            *(0, 0, self.width, self.height, 0, screen.root_depth),
            background_pixel=BACKGROUND,
            event_mask=X.ExposureMask,
            override_redirect=True,
        )
        font = self._font()
        self.text = self.window.create_gc(foreground=FOREGROUND, background=BACKGROUND, **font)
        self.mark = self.window.create_gc(foreground=MARK, line_width=3)
        self.root.change_attributes(event_mask=X.StructureNotifyMask)
        self.window.map()

    def _font(self) -> dict[str, Any]:
        """A larger font where there is one; a bare Xvfb has only `fixed`."""
        for name in ("10x20", "9x15", "fixed"):
            if next(iter(self.connection.list_fonts(name, 1)), None):
                return {"font": self.connection.open_font(name)}
        return {}

    def draw(self) -> None:
        self.window.clear_area(0, 0, self.width, self.height)
        border = 10
        self.window.rectangle(
            self.mark, border, border, self.width - 2 * border, self.height - 2 * border
        )
        heading = f"vdagent demo: a desktop of {self.width} x {self.height}"
        room = (self.height - 2 * _MARGIN) // _LINE_HEIGHT - 1
        for number, line in enumerate([heading, "", *self.lines[-room:]]):
            y = _MARGIN + _LINE_HEIGHT * (number + 1)
            self.window.image_text(self.text, _MARGIN, y, line.encode("latin-1", "replace")[:250])
        if self.pointer is not None:
            x, y = self.pointer
            self.window.line(self.mark, x - 15, y, x + 15, y)
            self.window.line(self.mark, x, y - 15, x, y + 15)
        self.connection.sync()

    def show(self, line: str) -> None:
        match line.split():
            case ["pointer", x, y]:
                self.pointer = int(x), int(y)
            case _:
                self.lines.append(line)

    def handle_x(self) -> None:
        while self.connection.pending_events():
            event = self.connection.next_event()
            if event.type == X.ConfigureNotify and event.window == self.root:
                self.width, self.height = event.width, event.height
                self.window.configure(width=self.width, height=self.height)


def main() -> None:
    window = Window()
    pending = b""
    while True:
        window.draw()
        # What draw() has read from the server besides its answers, select() does not see.
        if window.connection.pending_events():
            window.handle_x()
            continue
        ready, _, _ = select.select([window.connection, sys.stdin], [], [])
        window.handle_x()
        if sys.stdin in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                window.show(line.decode(errors="replace"))


if __name__ == "__main__":
    main()
