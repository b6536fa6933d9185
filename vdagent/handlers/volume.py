# SPDX-License-Identifier: MIT
"""What happens in the guest when the viewer's mixer moves? Its default output and input follow."""

from __future__ import annotations

from collections.abc import Callable

from ..backends.base import Mixer
from ..protocol.messages import AudioVolumeSync

FULL = 65535  # 100 %: the viewer passes on what PulseAudio calls PA_VOLUME_NORM, in 16 bits


class VolumeHandler:
    """Passes volumes on to a mixer, which is made for the first of them."""

    def __init__(self, make_mixer: Callable[[], Mixer]) -> None:
        self._make_mixer = make_mixer
        self._mixer: Mixer | None = None

    def sync(self, msg: AudioVolumeSync) -> None:
        """The client's volume of one direction."""
        if self._mixer is None:
            self._mixer = self._make_mixer()
        self._mixer.set(msg.is_playback, msg.mute, [volume / FULL for volume in msg.volumes])

    async def close(self) -> None:
        """The session ends."""
        if self._mixer is not None:
            await self._mixer.close()
