# SPDX-License-Identifier: MIT
"""How does a session get its Wayland desktop, and get it back when the compositor restarts?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ...errors import DesktopError
from ..base import ALWAYS_OURS, TAKEN, Claim, ClipboardListener, DisplayListener, Patience
from .clipboard import WaylandClipboard, data_control
from .connection import WaylandConnection
from .display import WaylandDisplay

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0
GIVE_UP_S = 30.0

log = logging.getLogger("wayland")


class NotOurs(DesktopError):
    """There is a compositor, but somebody else has to serve it."""


class WaylandDesktop:
    """A compositor's selections and outputs.

    KWin is restarted under the same name when it crashes: `clipboard` and `display` live on then, and
    answer with a DesktopError meanwhile. `on_lost(reason)` is called once, when the compositor has
    not come back within GIVE_UP_S, or what has come back is another one's: after a new log-in the agent
    which that one starts belongs to the right session.
    """

    def __init__(
        self,
        path: str,
        clipboard_listener: ClipboardListener,
        display_listener: DisplayListener,
        on_lost: Callable[[str], None],
        patience: Patience = Patience(),
        claim: Claim = ALWAYS_OURS,
    ) -> None:
        self._claim = claim
        self.clipboard = WaylandClipboard(clipboard_listener, patience)
        self.display = WaylandDisplay(display_listener)
        self._path = path
        self._on_lost = on_lost
        self._connection: WaylandConnection | None = None
        self._login = ""  # the compositor's
        self._returning: asyncio.Task[None] | None = None

    async def open(self) -> WaylandConnection:
        """Connect; `deliver` begins to call the listeners. Raises DesktopError."""
        connection = await WaylandConnection.open(self._path)
        self._login = self._login or connection.login
        try:
            if connection.login not in ("", self._login):
                raise NotOurs("the compositor is back in another login session")
            if not self._claim.take():
                raise NotOurs(TAKEN)
            if data_control(connection) is not None:
                await self.clipboard.bind(connection)
            await self.display.bind(connection)
        except BaseException:
            self._unbind()
            connection.close()
            raise
        connection.on_lost = self._lost
        self._connection = connection
        return connection

    def deliver(self) -> None:
        """Call the listeners from now on."""
        self.clipboard.deliver()
        self.display.deliver()

    def _unbind(self) -> None:
        self.clipboard.unbind()
        self.display.unbind()

    def _lost(self, reason: str) -> None:
        log.warning("desktop: the compositor has gone: %s", reason)
        self._unbind()
        self._claim.leave()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._returning = asyncio.get_running_loop().create_task(self._return(reason))

    async def _return(self, reason: str) -> None:
        """Look for the compositor again, less and less often."""
        wait_s = FIRST_RETRY_S
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GIVE_UP_S
        while loop.time() < deadline:
            await asyncio.sleep(wait_s)
            try:
                await self.open()
            except NotOurs as error:
                reason = str(error)
                break
            except DesktopError as error:
                log.debug("desktop: %s", error)
                wait_s = min(2 * wait_s, LAST_RETRY_S)
                continue
            log.info("desktop: the compositor is back")
            self._returning = None
            return self.deliver()
        self._on_lost(reason)

    async def close(self) -> None:
        """Let go of the compositor."""
        if self._returning is not None:
            self._returning.cancel()
            self._returning = None
        await self.clipboard.close()
        await self.display.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
