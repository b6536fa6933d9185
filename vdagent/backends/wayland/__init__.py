# SPDX-License-Identifier: MIT
"""Wayland desktops through a compositor's privileged protocols; no window, no focus, no XWayland."""
