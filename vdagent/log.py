# SPDX-License-Identifier: MIT
"""Where do log lines go, and how many? stderr in the foreground, syslog else, priorities for the journal."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

from .terminal import harmless

# So many lines of one kind within so long are enough: what peers do in a loop must not fill the log.
MOST, WITHIN_S = 100, 60.0
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class _OneLine(logging.Formatter):
    """A message stays on its line, whoever's words are in it; a traceback, for `debug`, has its own."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__("%(message)s")
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record if self._tracebacks else without_traceback(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = harmless(super().formatMessage(record))
        return f"{text} (more of these are left out for a while)" if _is_last(record) else text


def without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """A mistake of ours as one sentence: what it says itself may be somebody's content."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record
    what, trace = type(error).__name__, error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        file = os.path.basename(trace.tb_frame.f_code.co_filename)
        what = f"{what} in {file}, line {trace.tb_lineno}"
    text = f"internal error: {what}; please report it with what --debug says"
    said = {**vars(record), "msg": text, "args": None, "exc_info": None, "exc_text": None}
    return logging.makeLogRecord(said)


class Enough(logging.Filter):
    """Lets MOST lines of a kind pass within WITHIN_S, and marks the last of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}  # by the place in the source

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = self._clock(), (record.pathname, record.lineno)
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= WITHIN_S:
            since, count = now, 0
        self._kinds[kind] = since, count + 1
        record.is_last = count + 1 == MOST
        return count < MOST


def _is_last(record: logging.LogRecord) -> bool:
    return getattr(record, "is_last", False)


class _Syslog(logging.Handler):
    """The system log by syslog(3): facility USER, with pid, like the C peer."""

    def __init__(self, ident: str) -> None:
        import syslog

        super().__init__()
        syslog.openlog(ident, syslog.LOG_PID, syslog.LOG_USER)
        self._write = syslog.syslog

    def emit(self, record: logging.LogRecord) -> None:
        self._write(_PRIORITIES.get(record.levelname, 6), self.format(record))


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """stderr; with <priority> in front where the journal reads it (sd-daemon(3))."""

    def __init__(self, ident: str) -> None:
        super().__init__(sys.stderr)
        self._journal = _is_journal(sys.stderr.fileno())
        self._ident = ident

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self._journal:
            return f"<{_PRIORITIES.get(record.levelname, 6)}>{text}"
        return f"{self._ident}: {text}"


def _is_journal(fd: int) -> bool:
    """Whether `fd` is the journal's stream (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class LastError(logging.Handler):
    """Remembers the newest warning or error, and when it was."""

    def __init__(self, on_error: Callable[[str], None] = lambda text: None) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None
        self.at = 0.0
        self._on_error = on_error

    def emit(self, record: logging.LogRecord) -> None:
        self.text, self.at = without_traceback(record).getMessage(), time.monotonic()
        self._on_error(self.text)


def set_up(ident: str, *, foreground: bool, debug: int) -> None:
    """Log INFO and worse, and DEBUG with `debug`; tracebacks are shown with `debug` only."""
    handler = _Stderr(ident) if foreground else _Syslog(ident)
    handler.setFormatter(_OneLine(tracebacks=bool(debug)))
    if not debug:
        handler.addFilter(Enough())
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.INFO)
    # Its own news (which selector it uses) is nobody's business.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.raiseExceptions = bool(debug)
