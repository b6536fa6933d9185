# SPDX-License-Identifier: MIT
"""How does a session get its GNOME desktop?"""

from __future__ import annotations

from collections.abc import Callable

from ..base import ALWAYS_OURS, Claim, ClipboardListener, DisplayListener, Patience
from .clipboard import MutterClipboard
from .display import MutterDisplay


class MutterDesktop:
    """The clipboard and monitors of the Mutter on the session bus at `address`.

    The shell may be restarted: both live on then, and answer with a DesktopError meanwhile.
    `on_lost(reason)` is called once, when the bus goes or Mutter does not come back.
    """

    def __init__(
        self,
        address: str,
        clipboard_listener: ClipboardListener,
        display_listener: DisplayListener,
        on_lost: Callable[[str], None],
        patience: Patience = Patience(),
        claim: Claim = ALWAYS_OURS,
    ) -> None:
        self.clipboard = MutterClipboard(address, clipboard_listener, patience, claim)
        self.display = MutterDisplay(address, display_listener, claim)
        self._on_lost: Callable[[str], None] | None = on_lost

    async def open(self) -> None:
        """Connect; `deliver` begins to call the listeners. Raises DesktopError without Mutter."""
        self.clipboard.on_lost = self.display.on_lost = self._lost
        try:
            await self.clipboard.open()
            await self.display.open()
        except BaseException:
            await self.close()
            raise

    def deliver(self) -> None:
        """Call the listeners from now on."""
        self.clipboard.deliver()

    def _lost(self, reason: str) -> None:
        if self._on_lost is not None:
            self._on_lost(reason)
        self._on_lost = None

    async def close(self) -> None:
        """Let go of Mutter."""
        self._on_lost = None
        await self.clipboard.close()
        await self.display.close()
