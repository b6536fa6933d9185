# SPDX-License-Identifier: MIT
"""Volume: the client's mixer moved."""

from __future__ import annotations

from struct import Struct, pack, unpack_from

from ..capabilities import Capabilities
from ..constants import MessageType
from ..record import record
from .base import Buffer, at_least


@record
class AudioVolumeSync:
    """Volume per channel, 0 to 65535, of playback or record (client to guest)."""

    is_playback: bool
    mute: bool
    volumes: tuple[int, ...]

    TYPE = MessageType.AUDIO_VOLUME_SYNC
    HEAD = Struct("<BBB")  # is_playback, mute, channels; then u16 per channel, unaligned

    @classmethod
    def decode(cls, body: Buffer, caps: Capabilities) -> AudioVolumeSync:
        at_least(body, cls.HEAD.size, "AUDIO_VOLUME_SYNC")
        playback, mute, channels = cls.HEAD.unpack_from(body)
        # The C agent copies `channels` volumes whether they are there or not.
        at_least(body, cls.HEAD.size + 2 * channels, "AUDIO_VOLUME_SYNC")
        return cls(bool(playback), bool(mute), unpack_from(f"<{channels}H", body, cls.HEAD.size))

    def encode(self, caps: Capabilities) -> bytes:
        head = self.HEAD.pack(self.is_playback, self.mute, len(self.volumes))
        return head + pack(f"<{len(self.volumes)}H", *self.volumes)
