# SPDX-License-Identifier: MIT
"""Desktops and devices behind the interfaces of `base`. Knows no wire protocol."""
