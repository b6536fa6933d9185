# SPDX-License-Identifier: MIT
"""What has the other side announced it can do, and what do we announce?"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack
from typing import NamedTuple

from .constants import Capability

MAX_BYTES = 256  # 2048 capabilities; who announces 64 KiB of them has no more


class Capabilities(NamedTuple):
    """A set of capability bits; unknown ones are kept. Wire: u32 words, bit n in word n // 32."""

    bits: int = 0

    @classmethod
    def of(cls, capabilities: Iterable[Capability]) -> Capabilities:
        """The set of the given capabilities."""
        return cls(sum(1 << c for c in set(capabilities)))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Capabilities:
        """Decode whole words; a cut word at the end is ignored, as every known peer does."""
        return cls(int.from_bytes(data[: min(len(data) // 4 * 4, MAX_BYTES)], "little"))

    def to_bytes(self) -> bytes:
        """Encode in as many words as the highest bit needs, at least one."""
        words = max(1, (self.bits.bit_length() + 31) // 32)
        return pack(f"<{words}I", *(self.bits >> (32 * i) & 0xFFFFFFFF for i in range(words)))

    def has(self, capability: Capability) -> bool:
        """Whether `capability` is in the set."""
        return bool(self.bits >> capability & 1)

    def names(self) -> list[str]:
        """The known members' names, for logs and status."""
        return [c.name for c in Capability if self.has(c)]


NO_CAPABILITIES = Capabilities(0)

# The C agent's 0x00038DE7 plus FILE_XFER_DETAILED_ERRORS: spice-gtk reads the free-space figure of
# a refused file only from an agent that announced it.
OURS = Capabilities.of(
    (
        Capability.MOUSE_STATE,
        Capability.MONITORS_CONFIG,
        Capability.REPLY,
        Capability.CLIPBOARD_BY_DEMAND,
        Capability.CLIPBOARD_SELECTION,
        Capability.SPARSE_MONITORS_CONFIG,
        Capability.GUEST_LINEEND_LF,
        Capability.MAX_CLIPBOARD,
        Capability.AUDIO_VOLUME_SYNC,
        Capability.FILE_XFER_DETAILED_ERRORS,
        Capability.GRAPHICS_DEVICE_INFO,
        Capability.CLIPBOARD_NO_RELEASE_ON_REGRAB,
        Capability.CLIPBOARD_GRAB_SERIAL,
    )
)
