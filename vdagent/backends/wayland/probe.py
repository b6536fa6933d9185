# SPDX-License-Identifier: MIT
"""What does a compositor offer programs like us?"""

from __future__ import annotations

import asyncio

from .connection import WaylandConnection


def globals_of(path: str) -> set[str]:
    """The interfaces of the compositor at `path`. Raises DesktopError if it does not answer."""

    async def look() -> set[str]:
        connection = await WaylandConnection.open(path)
        try:
            return {item.interface for item in connection.globals.values()}
        finally:
            connection.close()

    return asyncio.run(look())
