# SPDX-License-Identifier: MIT
"""Do the documents tell the truth?"""
