# SPDX-License-Identifier: MIT
"""What does the user hear of the files that arrive? One note for all files of one drop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ..backends.base import Action, Note, Notes
from .key_file import Announcement

# Quick transfers show their result only.
FIRST_NOTE_S = 1.0
NEXT_NOTE_S = 0.5
# A client announced more files of the drop than it has started.
MORE_FILES_S = 2.0
# Results come no closer than this: what ends in between is told together.
NEXT_RESULT_S = 3.0
PROBLEMS_SHOWN = 3


class FileProgress:
    """Counts what arrives, from the first file of a drop to the last.

    `on_complete(path)` is called once per drop if a file of it was saved, with the last one's path;
    `open_folder(path)` when the user asks for it.
    """

    notify = True  # False: count only

    def __init__(
        self,
        make_notes: Callable[[], Notes],
        cancel: Callable[[], None],
        on_complete: Callable[[str], None],
        open_folder: Callable[[str], None] = lambda path: None,
    ) -> None:
        self._make_notes, self._on_complete = make_notes, on_complete
        self._open_folder = open_folder
        self._cancel = Action("cancel", "Cancel", cancel)
        self._loop = asyncio.get_running_loop()
        self._notes: Notes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._reset()

    def _reset(self) -> None:
        self._name = ""  # the first one's
        self._count = self._running = 0
        self._size = self._arrived = 0
        self._saved = 0
        self._last_path = ""
        self._failed = 0
        self._problems: list[str] = []  # the first few
        self._saw_last = False
        self._shown: Note | None = None

    def started(self, file: Announcement) -> None:
        """A file is coming."""
        self._name = self._name or file.name
        self._count += 1
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
        self._saved += 1
        self._last_path = path
        self._ended()

    def failed(self, file: Announcement, problem: str) -> None:
        """A file did not arrive; `problem` is "" if somebody wanted that."""
        if problem:
            self._add_problem(file.name, problem)
        self._ended()

    def refused(self, name: str, problem: str) -> None:
        """A file was not even started."""
        self._add_problem(name, problem)
        if self._running == 0:
            self._complete()

    def _add_problem(self, name: str, problem: str) -> None:
        self._failed += 1
        if len(self._problems) < PROBLEMS_SHOWN:
            self._problems.append(f"{name}: {problem}")

    def _ended(self) -> None:
        self._running -= 1
        if self._running == 0:
            if self._saw_last:
                self._complete()
            else:
                self._after(MORE_FILES_S, self._complete)

    def _show_progress(self) -> None:
        percent = min(99, 100 * self._arrived // max(self._size, 1))
        what = self._name if self._count == 1 else f"{self._count} files"
        body = f"{_megabytes(self._arrived)} of {_megabytes(self._size)} MB"
        self._show(Note(f"Receiving {what}", body, percent), self._cancel)
        self._after(NEXT_NOTE_S, self._show_progress)

    def _complete(self) -> None:
        if not self._saved and not self._failed:
            return self.close()
        wait = self._quiet_until - self._loop.time()
        if wait > 0:
            return self._after(wait, self._complete)
        self._quiet_until = self._loop.time() + NEXT_RESULT_S
        path = self._last_path
        action = Action("open", "Open folder", lambda: self._open_folder(path)) if path else None
        self._show(self._result(), action)
        self._stop_timer()
        self._reset()
        if path:
            self._on_complete(path)

    def _result(self) -> Note:
        lines = [f"In {os.path.dirname(self._last_path)}"] if self._saved else []
        lines += self._problems
        if self._failed > len(self._problems):
            lines.append(f"and {self._failed - len(self._problems)} more")
        if not self._saved:
            summary = "Files were not received" if self._failed > 1 else "File not received"
        elif self._saved == 1:
            summary = f"{os.path.basename(self._last_path)} received"
        else:
            summary = f"{self._saved} files received"
        return Note(summary, "\n".join(lines))

    def close(self) -> None:
        """The drop is over and nothing is to be said about it."""
        self._stop_timer()
        self._reset()
        if self._notes is not None:
            self._notes.close()

    def _show(self, note: Note, action: Action | None) -> None:
        if note != self._shown and self.notify:
            self._shown = note
            if self._notes is None:
                self._notes = self._make_notes()
            self._notes.show(note, action)

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def size_text(count: int) -> str:
    """A size for people."""
    return f"{_megabytes(count)} MB" if count >= 100_000 else f"{count} bytes"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}" if count < 10_000_000 else f"{count // 1_000_000}"
