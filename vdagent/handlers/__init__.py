# SPDX-License-Identifier: MIT
"""What a message means. Knows messages and the interfaces of backends.base, but no desktop."""
