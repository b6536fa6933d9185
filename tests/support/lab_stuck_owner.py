# SPDX-License-Identifier: MIT
"""How does an application behave that hangs while it owns the clipboard?

Run as a program: it owns CLIPBOARD, says that it has text, and never delivers any. Prints a line
once it is the owner.
"""

from __future__ import annotations

from Xlib import X, Xatom, display
from Xlib.protocol import event


def main() -> None:
    connection = display.Display()
    window = connection.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
    clipboard, targets, utf8 = map(connection.get_atom, ("CLIPBOARD", "TARGETS", "UTF8_STRING"))
    window.set_selection_owner(clipboard, X.CurrentTime)
    connection.sync()
    print("owner", flush=True)
    while True:
        request = connection.next_event()
        if request.type != X.SelectionRequest or request.target != targets:
            continue
        request.requestor.change_property(request.property, Xatom.ATOM, 32, [targets, utf8])
        request.requestor.send_event(
            event.SelectionNotify(
                time=request.time,
                requestor=request.requestor,
                selection=request.selection,
                target=request.target,
                property=request.property,
            )
        )
        connection.flush()


if __name__ == "__main__":
    main()
