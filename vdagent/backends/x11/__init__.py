# SPDX-License-Identifier: MIT
"""The X11 desktop: selections and RandR; python-xlib packs and parses, asyncio moves the bytes."""
