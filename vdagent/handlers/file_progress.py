# SPDX-License-Identifier: MIT
"""What does the user hear of the files that arrive? One note for all files of one drop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ..backends.base import Note, Notes
from .key_file import Announcement

# Quick transfers show their result only.
FIRST_NOTE_S = 1.0
NEXT_NOTE_S = 0.5
# A client announced more files of the drop than it has started.
MORE_FILES_S = 2.0


class FileProgress:
    """Counts what arrives, from the first file of a drop to the last.

    `on_complete(path)` is called once per drop if a file of it was saved, with the last one's path.
    """

    def __init__(
        self,
        make_notes: Callable[[], Notes],
        cancel: Callable[[], None],
        on_complete: Callable[[str], None],
    ) -> None:
        self._make_notes, self._cancel, self._on_complete = make_notes, cancel, on_complete
        self._loop = asyncio.get_running_loop()
        self._notes: Notes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reset()

    def _reset(self) -> None:
        self._names: list[str] = []
        self._running = 0
        self._size = self._arrived = 0
        self._saved: list[str] = []
        self._problems: list[str] = []
        self._saw_last = False
        self._shown: Note | None = None

    def started(self, file: Announcement) -> None:
        """A file is coming."""
        self._names.append(file.name)
        self._running += 1
        self._size += file.size
        self._saw_last |= file.is_last
        if self._running == 1:
            self._after(FIRST_NOTE_S if self._shown is None else NEXT_NOTE_S, self._show_progress)

    def advanced(self, count: int) -> None:
        """Bytes were written."""
        self._arrived += count

    def saved(self, path: str) -> None:
        """A file is there, whole."""
        self._saved.append(path)
        self._ended()

    def failed(self, file: Announcement, problem: str) -> None:
        """A file did not arrive; `problem` is "" if somebody wanted that."""
        if problem:
            self._problems.append(f"{file.name}: {problem}")
        self._ended()

    def _ended(self) -> None:
        self._running -= 1
        if self._running == 0:
            if self._saw_last:
                self._complete()
            else:
                self._after(MORE_FILES_S, self._complete)

    def _show_progress(self) -> None:
        count = len(self._names)
        percent = min(99, 100 * self._arrived // max(self._size, 1))
        what = self._names[0] if count == 1 else f"{count} files"
        body = f"{_megabytes(self._arrived)} of {_megabytes(self._size)} MB"
        self._show(Note(f"Receiving {what}", body, percent), self._cancel)
        self._after(NEXT_NOTE_S, self._show_progress)

    def _complete(self) -> None:
        saved, problems = self._saved, self._problems
        if not saved and not problems:
            self.close()
        else:
            parts = [f"{problem}" for problem in problems[:3]]
            if len(problems) > 3:
                parts.append(f"and {len(problems) - 3} more")
            if not saved:
                summary = "Files were not received" if len(problems) > 1 else "File not received"
            elif len(saved) == 1:
                summary = f"{os.path.basename(saved[0])} received"
            else:
                summary = f"{len(saved)} files received"
            if saved:
                parts.insert(0, f"In {os.path.dirname(saved[-1])}")
            self._show(Note(summary, "\n".join(parts)))
        self._stop_timer()
        self._reset()
        if saved:
            self._on_complete(saved[-1])

    def close(self) -> None:
        """The drop is over and nothing is to be said about it."""
        self._stop_timer()
        self._reset()
        if self._notes is not None:
            self._notes.close()

    def _show(self, note: Note, on_cancel: Callable[[], None] | None = None) -> None:
        if note != self._shown:
            self._shown = note
            if self._notes is None:
                self._notes = self._make_notes()
            self._notes.show(note, on_cancel)

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}" if count < 10_000_000 else f"{count // 1_000_000}"
