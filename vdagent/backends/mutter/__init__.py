# SPDX-License-Identifier: MIT
"""GNOME on Wayland, through what its compositor Mutter offers on the session bus."""
