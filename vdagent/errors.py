# SPDX-License-Identifier: MIT
"""What can go wrong, by whose fault it is?

    VdagentError
    ├── ProtocolError      bytes that break a wire protocol, whoever sent them
    ├── HostError          the host or its port: absent, busy, hung up
    ├── SessionError       the session agent's side of the session socket
    ├── DesktopError       the desktop refused or does not answer
    └── SystemFault        this machine: device nodes, sockets, permissions

Nothing that comes off a wire may raise anything outside this tree.
"""

from __future__ import annotations


class VdagentError(Exception):
    """One sentence for a person, and a hint at the next step."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ProtocolError(VdagentError):
    """Bytes that break one of the wire protocols; the stream itself stays in step."""


class FramingError(ProtocolError):
    """The stream is out of step: the connection has to be made again."""


class HostError(VdagentError):
    """The host, or the virtio port that leads to it."""


class SessionError(VdagentError):
    """The socket between daemon and session agent."""


class DesktopError(VdagentError):
    """The desktop (X server, compositor, D-Bus) refused or does not answer."""


class SystemFault(VdagentError):
    """This machine: a device node, socket, permission or limit."""


def reason(error: Exception) -> str:
    """What the system says of it, in words without its number; an elapsed deadline says nothing itself."""
    return getattr(error, "strerror", None) or str(error) or "no answer in time"
