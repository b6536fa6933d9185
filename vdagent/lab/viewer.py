#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What does a real SPICE viewer see of the agent? spice-gtk without a window, told what to do.

A JSON object per line on standard input is a command, one per line on standard output an event:

    {"do": "connect", "uri": "spice+unix:///run/vm/spice"}
    {"event": "agent-connected", "time": 0.041, "connected": true}

The methods of Viewer called do_NAME are the commands, with their arguments as further keys. Every
command is answered by an event {"event": "done", "command": NAME} or {"event": "failed", ...}.

It needs spice-gtk's introspection data and PyGObject, which belong to the distribution's Python;
so this file stands alone. On Debian: apt install gir1.2-spiceclientglib-2.0 python3-gi.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import Gio, GLib, GObject  # noqa: E402
from gi.repository import SpiceClientGLib as Spice  # noqa: E402

CAPABILITIES = (
    *("MOUSE_STATE", "MONITORS_CONFIG", "REPLY", "CLIPBOARD", "DISPLAY_CONFIG"),
    *("CLIPBOARD_BY_DEMAND", "CLIPBOARD_SELECTION", "SPARSE_MONITORS_CONFIG"),
    *("GUEST_LINEEND_LF", "GUEST_LINEEND_CRLF", "MAX_CLIPBOARD", "AUDIO_VOLUME_SYNC"),
    *("MONITORS_CONFIG_POSITION", "FILE_XFER_DISABLED", "FILE_XFER_DETAILED_ERRORS"),
    *("GRAPHICS_DEVICE_INFO", "CLIPBOARD_NO_RELEASE_ON_REGRAB", "CLIPBOARD_GRAB_SERIAL"),
)
TYPES = {"text": 1, "png": 2, "bmp": 3, "tiff": 4, "jpeg": 5, "files": 6}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
SELECTIONS = ("clipboard", "primary", "secondary")
BUTTONS = {"left": 1, "middle": 2, "right": 3, "up": 4, "down": 5, "side": 6, "extra": 7}

# Longer data is reported by its size and hash only.
INLINE_LIMIT = 4096

# Session.connect() and Channel.connect() of spice-gtk open connections, and shadow GObject's.
on_signal = GObject.Object.connect


def emit(event: str, **values: Any) -> None:
    line = {"event": event, "time": round(time.monotonic() - STARTED, 6), **values}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class NamedFile(GObject.Object, Gio.File):  # type: ignore[misc]
    """A file that says it is called `name`, as a hostile viewer's may."""

    def __init__(self, name: str, file: Any) -> None:
        super().__init__()
        self.name, self.file = name, file

    def do_dup(self) -> Any:
        return NamedFile(self.name, self.file)

    def do_get_basename(self) -> str:
        return self.name

    def do_get_path(self) -> str:
        return str(self.file.get_path())

    def do_get_uri(self) -> str:
        return str(self.file.get_uri())

    def do_query_info(self, *arguments: Any) -> Any:
        info = self.file.query_info(*arguments)
        info.set_name(self.name)
        return info

    def do_read_fn(self, cancellable: Any) -> Any:
        return self.file.read(cancellable)


class Viewer:
    """One connection to a SPICE server."""

    def __init__(self) -> None:
        self.session: Any = None
        self.main: Any = None
        self.inputs: Any = None
        self.transfers: list[Any] = []
        self.buttons = 0
        self.silent = False
        self.offered: dict[int, dict[int, bytes]] = {}
        self.save_to: dict[int, str] = {}

    # Connection

    def do_connect(self, uri: str, display: bool = True) -> None:
        """Connect; without `display` as a viewer that shows nothing (no client mouse mode)."""
        self.session = Spice.Session()
        self.session.set_property("uri", uri)
        self.session.set_property("enable-audio", False)
        self.session.set_property("enable-usbredir", False)
        shown = (Spice.DisplayChannel, Spice.CursorChannel) if display else ()
        wanted = (Spice.MainChannel, Spice.InputsChannel, *shown)

        def channel_new(_session: Any, channel: Any) -> None:
            self._watch(channel)
            if isinstance(channel, wanted):
                Spice.Channel.connect(channel)  # no channel opens by itself

        on_signal(self.session, "channel-new", channel_new)
        on_signal(self.session, "disconnected", lambda _: emit("disconnected"))
        Spice.Session.connect(self.session)

    def do_disconnect(self) -> None:
        self.session.disconnect()
        self.session = self.main = self.inputs = None

    def do_quit(self) -> None:
        sys.stdout.flush()
        os._exit(0)  # no GObject teardown against a server that may be gone

    # Clipboard

    def do_offer(
        self,
        selection: str = "clipboard",
        text: str | None = None,
        data: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
    ) -> None:
        """Grab `selection` with `text`, or with {type: text} or {type: path of a file}."""
        offered = {TYPES[name]: Path(path).read_bytes() for name, path in (files or {}).items()}
        offered |= {TYPES[name]: value.encode() for name, value in (data or {}).items()}
        if text is not None:
            offered[TYPES["text"]] = text.encode()
        number = SELECTIONS.index(selection)
        self.offered[number] = offered
        self.main.clipboard_selection_grab(number, list(offered))

    def do_release(self, selection: str = "clipboard") -> None:
        number = SELECTIONS.index(selection)
        self.offered.pop(number, None)
        self.main.clipboard_selection_release(number)

    def do_silent(self, silent: bool = True) -> None:
        """Do not answer the guest's requests any more (or do so again)."""
        self.silent = silent

    def do_request(
        self, selection: str = "clipboard", type: str = "text", save: str | None = None
    ) -> None:
        """Ask for the guest's data; a guest-data event follows, and the file `save` is written."""
        number = SELECTIONS.index(selection)
        if save is not None:
            self.save_to[number] = save
        self.main.clipboard_selection_request(number, TYPES[type])

    # Display

    def do_resize(self, monitors: list[list[int]], positions: bool = False) -> None:
        """Ask for monitors [[width, height, x, y]...], the first being display 0, [] one that is off.

        Without `positions` as a viewer with windows, which stand side by side wherever they are.
        """
        self.main.props.disable_display_position = not positions
        self.main.props.disable_display_align = positions
        for number, monitor in enumerate(monitors):
            self.main.update_display_enabled(number, bool(monitor), False)
            if monitor:
                width, height, x, y = monitor
                self.main.update_display(number, x, y, width, height, False)
        if not self.main.send_monitor_config():
            raise RuntimeError("the agent takes no monitor configuration")

    # Pointer

    def do_mouse_mode(self, mode: str = "client") -> None:
        """Positions only reach the agent in client mode."""
        self.main.request_mouse_mode({"server": 1, "client": 2}[mode])

    def do_position(self, x: int, y: int, display: int = 0) -> None:
        self.inputs.position(x, y, display, self.buttons)

    def do_press(self, button: str = "left") -> None:
        number = BUTTONS[button]
        self.buttons |= 1 << number - 1
        self.inputs.button_press(number, self.buttons)

    def do_release_button(self, button: str = "left") -> None:
        number = BUTTONS[button]
        self.buttons &= ~(1 << number - 1)
        self.inputs.button_release(number, self.buttons)

    def do_wheel(self, direction: str = "up") -> None:
        self.do_press(direction)
        self.do_release_button(direction)

    # Files

    def do_send_files(self, paths: list[str], names: list[str] | None = None) -> None:
        """Drop files, under other `names` if some are given."""
        files = [Gio.File.new_for_path(path) for path in paths]
        if names is not None:
            files = [NamedFile(*named) for named in zip(names, files, strict=True)]
        self.main.file_copy_async(files, Gio.FileCopyFlags.NONE, None, None, None, self._files_sent)

    def do_cancel_files(self) -> None:
        """Cancel what still runs, as a viewer's button does."""
        # spice-gtk tells the agent, but only sends that with the next message to it.
        for task in self.transfers:
            task.cancel()

    def _files_sent(self, channel: Any, result: Any) -> None:
        try:
            emit("files-sent", ok=bool(channel.file_copy_finish(result)))
        except GLib.Error as error:
            emit("files-sent", ok=False, error=error.message)

    # What the session says

    def _watch(self, channel: Any) -> None:
        name = type(channel).__name__
        on_signal(
            channel, "channel-event", lambda _, e: emit("channel", channel=name, state=e.value_nick)
        )
        if isinstance(channel, Spice.MainChannel):
            self.main = channel
            self._watch_main(channel)
        elif isinstance(channel, Spice.InputsChannel):
            self.inputs = channel
        elif isinstance(channel, Spice.DisplayChannel):
            # The `monitors` property cannot be read from Python, it always looks empty.
            on_signal(channel, "display-primary-create", self._primary)

    def _watch_main(self, channel: Any) -> None:
        for signal, handler in {
            "notify::agent-connected": self._agent_connected,
            "main-agent-update": self._agent_update,
            "main-mouse-update": self._mouse_mode,
            "main-clipboard-selection-grab": self._guest_grab,
            "main-clipboard-selection": self._guest_data,
            "main-clipboard-selection-request": self._guest_request,
            "main-clipboard-selection-release": self._guest_release,
            "new-file-transfer": self._transfer,
        }.items():
            on_signal(channel, signal, handler)

    def _primary(self, _channel: Any, _format: int, width: int, height: int, *_rest: Any) -> None:
        emit("primary", width=width, height=height)

    def _agent_connected(self, channel: Any, _property: Any) -> None:
        emit("agent-connected", connected=bool(channel.props.agent_connected))

    def _agent_update(self, channel: Any) -> None:
        known = [n for i, n in enumerate(CAPABILITIES) if channel.agent_test_capability(i)]
        emit("agent-update", connected=bool(channel.props.agent_connected), capabilities=known)

    def _mouse_mode(self, channel: Any) -> None:
        emit("mouse-mode", mode={1: "server", 2: "client"}.get(channel.props.mouse_mode))

    def _guest_grab(self, _channel: Any, selection: int, types: Any, count: int) -> bool:
        if isinstance(types, int):  # the binding hands over the bare pointer
            types = list((ctypes.c_uint32 * count).from_address(types)) if types else []
        names = [TYPE_NAMES.get(number, str(number)) for number in types]
        emit("guest-grab", selection=SELECTIONS[selection], types=names)
        return True

    def _guest_data(self, _channel: Any, selection: int, type_: int, data: Any, _size: int) -> None:
        content = bytes(data) if data else b""  # no bytes at all arrive as None
        told: dict[str, Any] = {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "type": TYPE_NAMES.get(type_, str(type_)),
        }
        if len(content) <= INLINE_LIMIT:
            told["text"] = content.decode(errors="replace")
        if path := self.save_to.pop(selection, None):
            Path(path).write_bytes(content)
        emit("guest-data", selection=SELECTIONS[selection], **told)

    def _guest_request(self, channel: Any, selection: int, type_: int) -> bool:
        name = TYPE_NAMES.get(type_, str(type_))
        emit("guest-request", selection=SELECTIONS[selection], type=name)
        if not self.silent:
            data = self.offered.get(selection, {}).get(type_, b"")
            channel.clipboard_selection_notify(selection, type_, data)
        return True  # anything else counts as not handled

    def _guest_release(self, _channel: Any, selection: int) -> None:
        emit("guest-release", selection=SELECTIONS[selection])

    def _transfer(self, _channel: Any, task: Any) -> None:
        # The task object is unique in its life; the id it has is the one on the wire.
        name = task.get_filename()
        self.transfers.append(task)
        emit("transfer", name=name)
        on_signal(
            task,
            "notify::progress",
            lambda t, _: emit("transfer-progress", name=name, progress=round(t.get_progress(), 4)),
        )
        on_signal(
            task,
            "finished",
            lambda _, error: emit(
                "transfer-finished", name=name, error=error.message if error else None
            ),
        )


def command(viewer: Viewer, line: str) -> None:
    name = "?"
    try:
        arguments = json.loads(line)
        name = arguments.pop("do")
        getattr(viewer, "do_" + name.replace("-", "_"))(**arguments)
    except Exception as error:  # whatever is wrong with it, the other side has to hear of it
        emit("failed", command=name, error=f"{type(error).__name__}: {error}")
    else:
        emit("done", command=name)


def main() -> None:
    viewer = Viewer()
    pending = bytearray()

    def readable(fd: int, _condition: Any) -> bool:
        data = os.read(fd, 65536)
        if not data:
            viewer.do_quit()
        pending.extend(data)
        *lines, rest = pending.split(b"\n")
        pending[:] = rest
        for line in lines:
            command(viewer, line.decode())
        return True

    GLib.unix_fd_add_full(
        GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, readable
    )
    with contextlib.suppress(KeyboardInterrupt):
        GLib.MainLoop().run()


STARTED = time.monotonic()

if __name__ == "__main__":
    main()
