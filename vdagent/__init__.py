# SPDX-License-Identifier: MIT
"""A SPICE guest agent for Linux desktops: clipboard, resolution, pointer and files in a VM."""

__version__ = "0.1.0"
