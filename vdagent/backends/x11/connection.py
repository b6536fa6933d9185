# SPDX-License-Identifier: MIT
"""How does the X11 backend talk to its X server: connect, ask, be told, notice its end?"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakSet

from Xlib import X, Xatom
from Xlib.protocol import event, request

from ...errors import DesktopError
from .authority import find_cookie
from .wire import Wire

CONNECT_S = 10.0
REPLY_S = 10.0  # another program's server grab stops every answer while it lasts

# python-xlib has the same pattern, in a module that starts a process when it is imported.
DISPLAY_NAME = re.compile(
    r"(?:(?P<protocol>tcp|unix)/)?(?P<host>[-:\w.]*):(?P<number>\d+)(?:\.(?P<screen>\d+))?"
)
SOCKET_DIRECTORY = "/tmp/.X11-unix"


class Extension(NamedTuple):
    """Where the server put an extension: its request code and the first of its event codes."""

    opcode: int
    first_event: int


class XConnection:
    """A connection to one X server, on the running asyncio loop.

    `window` is ours, unmapped, and reports its property changes; `root` is the default screen's.
    Every wait ends in time or with DesktopError.
    """

    def __init__(self, display_name: str) -> None:
        self.display_name = display_name
        self.root = 0
        self.window = 0
        self.max_request = 0  # bytes
        self._next_id = 0
        self._wire = Wire(self._on_event, self._on_closed)
        self._subscribers: dict[int, tuple[Any, list[Callable[[Any], None]]]] = {}
        self._atoms: dict[str, int] = {}
        self._atom_names: dict[int, str] = {}
        self._stamps: deque[asyncio.Future[int]] = deque()
        self._promises: WeakSet[asyncio.Future[Any]] = WeakSet()
        self._users = 0
        self.on_lost: Callable[[str], None] = lambda reason: None

    @classmethod
    async def open(cls, display_name: str | None = None) -> XConnection:
        """Connect to `display_name`, by default $DISPLAY."""
        name = display_name or os.environ.get("DISPLAY", "")
        if not name:
            raise DesktopError("no X display is named", "set DISPLAY, or start in an X11 session")
        parts = DISPLAY_NAME.fullmatch(name)
        if parts is None:
            raise DesktopError(f"{name!r} is not the name of an X display", "try :0")
        number = int(parts["number"])
        x = cls(name)
        try:
            async with asyncio.timeout(CONNECT_S):
                await x._connect(parts["protocol"], parts["host"], number)
                await x._introduce(find_cookie(number), int(parts["screen"] or 0))
        except TimeoutError:
            x.close()
            raise DesktopError(
                f"the X server on {name} does not answer", "does some program hold a server grab?"
            ) from None
        except OSError as e:
            x.close()
            raise DesktopError(
                f"no X server on {name}: {e.strerror or e}", "is the desktop running? check DISPLAY"
            ) from None
        except BaseException:
            x.close()
            raise
        return x

    async def _connect(self, protocol: str | None, host: str, number: int) -> None:
        loop = asyncio.get_running_loop()
        if protocol != "tcp" and host in ("", "unix"):
            path = f"{SOCKET_DIRECTORY}/X{number}"
            # Servers in another mount namespace (Xwayland in a container) have only the abstract one.
            address = path if os.path.exists(path) else "\0" + path
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                await loop.sock_connect(sock, address)
            except BaseException:
                sock.close()
                raise
            await loop.create_unix_connection(lambda: self._wire, sock=sock)
        else:
            await loop.create_connection(lambda: self._wire, host, 6000 + number)

    async def _introduce(self, cookie: tuple[bytes, bytes], screen: int) -> None:
        info = await self._wire.set_up(cookie)
        self.root = info.roots[min(screen, len(info.roots) - 1)].root
        self._next_id = info.resource_id_base
        self.max_request = info.max_request_length * 4
        self.window = self.new_window()
        await self.atoms(["VDAGENT_TIME"])
        self.subscribe(X.PropertyNotify, event.PropertyNotify, self._on_stamp)

    # Requests.

    def send(self, request_class: Any, **fields: Any) -> None:
        """Send a request that has no reply; an error, or the server's absence, is ignored."""
        request_class(display=self._wire, **fields)

    async def ask(self, request_class: Any, **fields: Any) -> Any:
        """Send a request and return its reply; raises XRefusal if the server refuses it."""
        return await self._in_time(self._wire.ask(request_class, fields))

    async def check(self, request_class: Any, **fields: Any) -> None:
        """Send a request that has no reply and raise XRefusal if the server refuses it."""
        done = self._wire.check(request_class, fields)
        await self.ask(request.GetInputFocus)
        await self._in_time(done)

    async def _in_time(self, answer: asyncio.Future[Any]) -> Any:
        try:
            async with asyncio.timeout(REPLY_S):
                return await answer
        except TimeoutError:
            raise DesktopError(
                f"the X server on {self.display_name} does not answer",
                "does some program hold a server grab?",
            ) from None

    def put(self, window: int, prop: int, kind: int, bits: int, data: bytes | list[int]) -> None:
        """Have a window's property be `data`, in units of so many bits."""
        self.send(
            request.ChangeProperty,
            mode=X.PropModeReplace,
            window=window,
            property=prop,
            type=kind,
            data=(bits, data),
        )

    async def extension(self, name: str) -> Extension | None:
        """Where the server has the extension `name`, None if it has not."""
        answer = await self.ask(request.QueryExtension, name=name)
        return Extension(answer.major_opcode, answer.first_event) if answer.present else None

    def new_window(self) -> int:
        """A window that is never shown and reports its property changes."""
        self._next_id += 1
        self.send(
            request.CreateWindow,
            depth=0,
            wid=self._next_id,
            parent=self.root,
            x=-10,
            y=-10,
            width=1,
            height=1,
            border_width=0,
            window_class=X.InputOnly,
            visual=X.CopyFromParent,
            attrs={"event_mask": X.PropertyChangeMask},
        )
        return self._next_id

    # Atoms.

    def atom(self, name: str) -> int:
        """The number of an atom that `atoms` has asked for before."""
        return self._atoms[name]

    async def atoms(self, names: Iterable[str]) -> list[int]:
        """The numbers of `names`, in one round trip."""
        wanted = list(names)
        unknown = [name for name in wanted if name not in self._atoms]
        answers = await asyncio.gather(
            *(self.ask(request.InternAtom, name=name, only_if_exists=0) for name in unknown)
        )
        for name, answer in zip(unknown, answers, strict=True):
            self._atoms[name] = answer.atom
            self._atom_names[answer.atom] = name
        return [self._atoms[name] for name in wanted]

    async def atom_names(self, atoms: Iterable[int]) -> list[str]:
        """The names of `atoms`, in one round trip; an empty string for what is no atom."""
        wanted = list(atoms)
        unknown = [atom for atom in dict.fromkeys(wanted) if atom not in self._atom_names]
        answers = await asyncio.gather(
            *(self.ask(request.GetAtomName, atom=atom) for atom in unknown), return_exceptions=True
        )
        names = dict.fromkeys(wanted, "")
        for atom, answer in zip(unknown, answers, strict=True):
            if not isinstance(answer, BaseException):
                names[atom] = answer.name
        if len(self._atom_names) < 4096:  # a program may make up names without end
            self._atom_names.update({atom: name for atom, name in names.items() if name})
        return [self._atom_names.get(atom) or names[atom] for atom in wanted]

    # Time.

    async def server_time(self) -> int:
        """The X server's present time, for claiming selections (ICCCM 2.1 forbids CurrentTime)."""
        stamp: asyncio.Future[int] = self.promise()
        self._stamps.append(stamp)
        self.send(
            request.ChangeProperty,
            mode=X.PropModeAppend,
            window=self.window,
            property=self.atom("VDAGENT_TIME"),
            type=Xatom.INTEGER,
            data=(8, b""),
        )
        time: int = await self._in_time(stamp)
        return time

    def _on_stamp(self, e: Any) -> None:
        if e.window == self.window and e.atom == self.atom("VDAGENT_TIME") and self._stamps:
            stamp = self._stamps.popleft()
            if not stamp.done():
                stamp.set_result(e.time)

    # Events.

    def subscribe(self, code: int, event_class: Any, callback: Callable[[Any], None]) -> None:
        """Call `callback` with every event of this code, parsed by python-xlib's `event_class`."""
        self._subscribers.setdefault(code, (event_class, []))[1].append(callback)

    def deliver(self) -> None:
        """Everybody has subscribed: hand out events, from the first that came."""
        self._wire.deliver()

    def _on_event(self, code: int, packet: bytes) -> None:
        # What a program sent in the server's name is believed only where the protocol wants it so.
        if code not in self._subscribers or (packet[0] & 0x80 and code != X.SelectionNotify):
            return
        event_class, callbacks = self._subscribers[code]
        parsed = event_class(display=self._wire, binarydata=packet)
        for callback in callbacks:
            callback(parsed)

    # The end.

    def promise(self) -> asyncio.Future[Any]:
        """A future that ends with DesktopError if the connection ends first."""
        promise: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._promises.add(promise)
        return promise

    def _on_closed(self, reason: str) -> None:
        self._break_promises(reason)
        self.on_lost(reason)

    def _break_promises(self, reason: str) -> None:
        for promise in list(self._promises):
            if not promise.done():
                promise.set_exception(DesktopError(f"the X server is gone: {reason}"))
                promise.exception()  # nobody may be waiting any more

    def share(self) -> XConnection:
        """One more user; the last `leave` closes the connection."""
        self._users += 1
        return self

    def leave(self) -> None:
        """The end of one `share`."""
        self._users -= 1
        if self._users <= 0:
            self.close()

    def close(self) -> None:
        """Close without telling `on_lost`."""
        self._wire.close()
        self._break_promises("closed by us")
