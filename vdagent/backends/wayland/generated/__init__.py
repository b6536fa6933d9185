# SPDX-License-Identifier: MIT
"""Bindings made from `../protocols/*.xml` by `protocols/generate.py`; not edited by hand."""
