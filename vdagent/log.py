# SPDX-License-Identifier: MIT
"""Where do log lines go? stderr in the foreground, syslog otherwise, journal priorities under systemd."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


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
        self.text, self.at = record.getMessage(), time.monotonic()
        self._on_error(self.text)


def set_up(ident: str, *, foreground: bool, debug: int) -> None:
    """Log INFO and worse, and DEBUG with `debug`; tracebacks are shown with `debug` only."""
    handler = _Stderr(ident) if foreground else _Syslog(ident)
    logging.basicConfig(
        handlers=[handler],
        level=logging.DEBUG if debug else logging.INFO,
        format="%(message)s",
    )
    # Its own news (which selector it uses) is nobody's business.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.raiseExceptions = bool(debug)
