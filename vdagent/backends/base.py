# SPDX-License-Identifier: MIT
"""What must a desktop be able to do for us, in words that belong to no desktop and no wire?

Handlers call these interfaces, backends implement them, `memory.py` is the desktop in memory that the
contract tests hold to the same promises as the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol

from ..errors import DesktopError, SystemFault

Buffer = bytes | bytearray | memoryview


class Selection(IntEnum):
    """The two selections every desktop knows; the numbers are the SPICE agent protocol's."""

    CLIPBOARD = 0
    PRIMARY = 1


class Format(Enum):
    """A kind of clipboard content, independent of targets and MIME types."""

    TEXT = "text"  # UTF-8, line ends LF, no terminating NUL
    PNG = "png"
    BMP = "bmp"
    TIFF = "tiff"
    JPEG = "jpeg"
    FILES = "files"  # text/uri-list: absolute URIs, each ended by CRLF
    GNOME_FILES = "gnome-files"  # "copy" or "cut", then URIs, a line each
    KDE_CUT = "kde-cut"  # "1" if the files of FILES were cut, else "0"


class ClipboardListener(Protocol):
    """What a clipboard backend tells and asks the handler."""

    def on_owner_changed(
        self, selection: Selection, formats: Sequence[Format], secret: bool = False
    ) -> None:
        """A guest application owns `selection` and offers `formats`, best first.

        Empty `formats`: nobody owns it any more, or the owner has nothing we could pass on. Never
        called for our own offers. Called again at every new copy, also with equal formats. `secret`:
        a password manager says that it is one, or does not answer whether it is.
        """

    async def paste(self, selection: Selection, fmt: Format) -> Buffer:
        """A guest application pastes what we offered: fetch it from the viewer.

        Always returns in bounded time; empty when there is nothing (late, gone, refused).
        """
        ...


class Clipboard(Protocol):
    """A desktop's selections: who owns them, reading them, owning them for the viewer."""

    selections: frozenset[Selection]

    def offer(self, selection: Selection, formats: Sequence[Format]) -> None:
        """Own `selection` for the viewer. Data is asked of the listener only when something pastes.

        Replaces an earlier offer. Pastes that already wait go on; their answer is their own.
        """

    def release(self, selection: Selection) -> None:
        """Give up `selection` if we own it; otherwise nothing happens."""

    async def read(self, selection: Selection, fmt: Format) -> Buffer:
        """Read what a guest application owns.

        Raises DesktopError if nobody owns it, the format is not there, it is larger than the limit
        or the owner does not answer in time (`Patience`). Several reads may run at once.
        """
        ...

    async def close(self) -> None:
        """Let go of everything; the desktop may already be gone."""


class Patience(NamedTuple):
    """How long an owner or requestor may keep us waiting, and how much it may hand over."""

    first_s: float = 10.0  # to the first byte
    progress_s: float = 3.0  # between two bytes from then on
    max_bytes: int = 256 * 1024 * 1024


class Rect(NamedTuple):
    """A rectangle of the desktop in physical pixels; 0x0 is a disabled output."""

    width: int
    height: int
    x: int = 0
    y: int = 0


class Output(NamedTuple):
    """One video output: `rect` is where it shows the desktop, None while it is switched off.

    Beside an output of higher scale `pointer_scale` is more than 1: its pixels are so many of the
    desktop's, for the desktop is as fine as its finest output. `transform` is how the desktop is turned
    to be shown, as in `wl_output`: 1, 2 and 3 are quarters of a turn counter-clockwise, 4 and more are
    mirrored before that. `rect` is upright: of a display with an odd one it has height for width.
    """

    name: str
    rect: Rect | None
    pointer_scale: float = 1.0
    transform: int = 0

    def upright(self, width: int, height: int) -> tuple[int, int]:
        """The size of the rectangle that a display of this size shows."""
        return (height, width) if self.transform & 1 else (width, height)


class Layout(NamedTuple):
    """The whole desktop: its size in physical pixels and every output, in the server's order."""

    width: int
    height: int
    outputs: tuple[Output, ...]


class DisplayListener(Protocol):
    """What a display backend tells the handler."""

    def on_layout_changed(self) -> None:
        """Size, position or number of outputs may have changed."""


class Display(Protocol):
    """A desktop's outputs: reading their layout and changing it."""

    async def layout(self) -> Layout:
        """The layout as it is now. Raises DesktopError if the desktop does not say."""
        ...

    async def probe(self) -> None:
        """Look at the connectors again, where the desktop only does so when it is asked."""

    async def apply(self, wanted: Mapping[str, Rect | None]) -> None:
        """Set the named outputs (None: off) in one step; outputs not named are switched off.

        Positions are used as given after moving the bounding box to 0,0. On error the former
        layout is restored and DesktopError raised. At least one output stays on.
        """

    async def close(self) -> None:
        """Stop watching; the desktop may already be gone."""


def switched_on(wanted: Mapping[str, Rect | None], known: Collection[str]) -> dict[str, Rect]:
    """The outputs that `Display.apply` is to have on. Raises DesktopError if there are none such."""
    rects = {name: rect for name, rect in wanted.items() if rect and rect.width and rect.height}
    if not rects:
        raise DesktopError("a desktop needs at least one output")
    if unknown := sorted(name for name in rects if name not in known):
        raise DesktopError(f"the desktop has no output {', '.join(unknown)}")
    return rects


class Claim(NamedTuple):
    """The right to serve this desktop, given up while the desktop is away."""

    leave: Callable[[], None]
    take: Callable[[], bool]  # False: somebody else has it now


ALWAYS_OURS = Claim(lambda: None, lambda: True)
TAKEN = "another session agent serves it now"


class Pointer(Protocol):
    """An absolute pointing device over the whole desktop (in the daemon)."""

    def play(self, states: Sequence[tuple[int, int, int]]) -> None:
        """Show states (x, y, held buttons as MouseButton bits) in order, none left out.

        Raises SystemFault when the device is gone.
        """

    @property
    def backlog(self) -> int:
        """Bytes of events that the reader has not taken yet; always 0 for a real device."""
        ...

    def close(self) -> None:
        """Remove the device."""


class PointerFactory(Protocol):
    """Makes a pointing device for a desktop of the given size. Raises SystemFault if it cannot."""

    def __call__(self, width: int, height: int) -> Pointer: ...


class NoSpace(SystemFault):
    """There is not enough room on the disk; `free_bytes` is what there is."""

    def __init__(self, free_bytes: int) -> None:
        super().__init__(f"disk: {free_bytes} bytes are free")
        self.free_bytes = free_bytes


class IncomingFile(Protocol):
    """A file that is being received; nobody sees it before it is whole.

    All raise SystemFault when the disk refuses, NoSpace when it is full. Nothing waits in the loop.
    """

    async def write(self, buffers: Sequence[Buffer]) -> None:
        """Append bytes; the buffers must not change any more."""

    async def finish(self, name: str) -> str:
        """Show the whole file under `name`, or beside a file of that name; returns its path."""
        ...

    def discard(self) -> None:
        """Remove what was written, unless it is finished. Does not wait."""


class FileStore(Protocol):
    """Where received files go."""

    async def create(self, size: int, promised: int) -> IncomingFile:
        """Start a file of `size` bytes while `promised` bytes of others are still to come.

        Raises NoSpace if they do not fit, SystemFault if there is no place for files at all.
        """
        ...

    def show(self, path: str) -> None:
        """A batch of files is complete, `path` is one of them: open its directory if that is wanted."""

    def open(self, path: str) -> None:
        """Open the directory of this file, which the user asks for."""

    async def close(self) -> None:
        """Wait, not for long, until what was discarded has been removed."""


class Note(NamedTuple):
    """What the user is told about files: replaces the note before it."""

    summary: str
    body: str = ""
    percent: int | None = None  # progress; None: it is over


class Action(NamedTuple):
    """A button of a note."""

    key: str
    label: str
    call: Callable[[], None]


class Notes(Protocol):
    """Tells the user, if the desktop has a way to; silent where it has none."""

    def show(self, note: Note, action: Action | None = None) -> None:
        """Show `note`, with a button for `action`. Never waits."""

    def close(self) -> None:
        """Say nothing more; what is shown stays, or goes if it shows progress."""


class Mixer(Protocol):
    """The volume of the session's default output and input."""

    def set(self, playback: bool, mute: bool, volumes: Sequence[float]) -> None:
        """Set volumes (1.0 is 100 %) by channel, left first; none: mute only. Never waits."""

    async def close(self) -> None:
        """Let go of the sound server."""


@dataclass(eq=False)
class Login:
    """One login session. Whoever tracks logins keeps it up to date while anybody holds it."""

    key: str
    id: str = ""
    uid: int = -1
    is_user: bool = False  # a user at work, no greeter or lock screen
    locked: bool = False
    has_ended: bool = False  # only processes are left of it; it never comes to the seat again

    def __str__(self) -> str:
        return f"session {self.id} of uid {self.uid}"

    @property
    def may_share(self) -> bool:
        """Whether clipboard and files may go in and out."""
        return self.is_user and not self.locked


class Logins(Protocol):
    """Who is logged in, and who sits at the seat?"""

    @property
    def active(self) -> str | None:
        """The key of the session that is at the seat now; None for nobody, as on a text console."""
        ...
