# SPDX-License-Identifier: MIT
"""Do the packages hold what they should, and do the files in them pass their tools' own checks?"""
