# SPDX-License-Identifier: MIT
"""Moves bytes: file descriptors, their lifetimes and their back-pressure. Knows no meanings."""
