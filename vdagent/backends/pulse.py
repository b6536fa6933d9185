# SPDX-License-Identifier: MIT
"""How is the volume set in PulseAudio or PipeWire (which speaks its protocol)?"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Sequence
from typing import Any

log = logging.getLogger("desktop")

CONNECT_S = 3.0
CALL_S = 3.0
# A slider sends many volumes; a connection is kept that long for the next one.
LINGER_S = 3.0
ATTEMPTS = 2  # the server may have been restarted since


class PulseMixer:
    """Implements base.Mixer. A server or library that is absent is no error, only silence."""

    def __init__(self, server: str | None = None) -> None:
        self._server = server
        self._wanted: dict[bool, tuple[bool, list[float]]] = {}  # the newest, by playback
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complaint = ""

    def set(self, playback: bool, mute: bool, volumes: Sequence[float]) -> None:
        self._wanted[playback] = mute, list(volumes)
        self._arrived.set()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._serve())

    async def settled(self) -> None:
        """Return when everything is set, or given up, and the connection let go."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.settled()

    async def _serve(self) -> None:
        """Set what is wanted, until nothing more comes."""
        try:
            library = importlib.import_module("pulsectl_asyncio")
        except (ImportError, OSError) as error:  # it loads libpulse.so.0
            return self._give_up(f"no PulseAudio client library: {error}")
        complaint = ""
        for _ in range(ATTEMPTS):
            pulse = library.PulseAsync("SPICE agent", server=self._server)
            try:
                await pulse.connect(timeout=CONNECT_S)
                while await self._more():
                    async with asyncio.timeout(CALL_S):
                        await self._set_all(pulse)
                return
            except TimeoutError:
                complaint = "the sound server does not answer"
            except (library.pulsectl_async.PulseError, library.pulsectl_async.PulseDisconnected):
                complaint = "there is no sound server"  # or it was restarted
            finally:
                pulse.close()
        self._give_up(complaint)

    async def _more(self) -> bool:
        """Wait for something to set, but not for long."""
        if not self._wanted:
            self._arrived.clear()
            try:
                async with asyncio.timeout(LINGER_S):
                    await self._arrived.wait()
            except TimeoutError:
                pass
        return bool(self._wanted)

    async def _set_all(self, pulse: Any) -> None:
        server = await pulse.server_info()
        for playback, wanted in list(self._wanted.items()):
            if playback:
                name, get = server.default_sink_name, pulse.get_sink_by_name
            else:
                name, get = server.default_source_name, pulse.get_source_by_name
            if name:
                await self._set(pulse, await get(name), *wanted)
            if self._wanted.get(playback) is wanted:
                del self._wanted[playback]
        self._complaint = ""

    async def _set(self, pulse: Any, device: Any, mute: bool, volumes: list[float]) -> None:
        if volumes:
            volume = device.volume
            volume.values = spread(volumes, device.channel_list)
            await pulse.volume_set(device, volume)
        await pulse.mute(device, mute)

    def _give_up(self, complaint: str) -> None:
        self._wanted.clear()
        if complaint != self._complaint:
            self._complaint = complaint
            log.info("desktop: the volume does not follow the viewer's: %s", complaint)


def spread(volumes: Sequence[float], channels: Sequence[str]) -> list[float]:
    """`volumes` for a device's `channels` (named as in pulse/channelmap.h).

    As many as there are channels fit one by one; of two the sides are known by their names; all
    else, mono and the middle of stereo included, is the mean.
    """
    if len(volumes) == len(channels):
        return list(volumes)
    mean = sum(volumes) / len(volumes)
    if len(volumes) != 2:
        return [mean] * len(channels)
    left, right = volumes
    return [left if "left" in c else right if "right" in c else mean for c in channels]
