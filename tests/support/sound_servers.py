# SPDX-License-Identifier: MIT
"""How does a test get a sound server of its own: a PulseAudio, or a PipeWire that speaks its protocol?"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.buses import PrivateBus
from tests.support.processes import spawn, stop, wait_for
from tests.support.tools import require

State = tuple[list[float], bool, list[float], bool]


class PulseAudio:
    """A private PulseAudio with an output and an input that lead nowhere."""

    def __init__(self, directory: Path, channels: int = 2) -> None:
        self.directory, self.channels = directory, channels
        self.path = directory / "native"
        self.address = f"unix:{self.path}"
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own sound."""
        names = ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "XDG_STATE_HOME")
        return {**os.environ, **dict.fromkeys(names, str(self.directory))}

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        require("pulseaudio")
        modules = (
            f"module-native-protocol-unix socket={self.path} auth-anonymous=1",
            f"module-null-sink channels={self.channels}",
        )
        loads = [word for module in modules for word in ("-L", module)]
        options = ("-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no")
        self._spawn("pulseaudio", *options, *loads)
        wait_for(self._listens, 10, "PulseAudio")

    def stop(self) -> None:
        """End it."""
        for process in reversed(self._processes):
            stop(process)
        self._processes.clear()
        self.path.unlink(missing_ok=True)

    async def read(self) -> State:
        """Volume and mute of the default output and input."""
        from pulsectl_asyncio import PulseAsync

        async with PulseAsync("test", server=self.address) as connection:
            sink = await connection.sink_default_get()
            source = await connection.source_default_get()
            volumes = [[round(v, 2) for v in device.volume.values] for device in (sink, source)]
        return volumes[0], bool(sink.mute), volumes[1], bool(source.mute)

    async def until(self, fits: Callable[[State], bool]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(10):
            while not fits(await self.read()):
                await asyncio.sleep(0.01)

    def _spawn(self, *argv: str, **environment: str) -> None:
        log = self.directory / f"{argv[0]}.log"
        env = self.environment | environment
        self._processes.append(spawn([*argv], env=env, log=log))

    def _listens(self) -> bool:
        """Its socket is there a moment before it answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0


class PipeWire(PulseAudio):
    """A private PipeWire with its session's policy (wireplumber) and pipewire-pulse."""

    def start(self) -> None:
        require("pipewire", "wireplumber", "pipewire-pulse", "pactl", "dbus-daemon")
        self._bus = PrivateBus(self.directory)  # wireplumber ends without one
        self._bus.start()
        for name in ("pipewire", "wireplumber", "pipewire-pulse"):
            self._spawn(name, DBUS_SESSION_BUS_ADDRESS=self._bus.address)
        wait_for(self._listens, 10, "pipewire-pulse")
        self._load("out", "Audio/Sink", self.channels)
        self._load("in", "Audio/Source/Virtual", 2)
        wait_for(self._has_defaults, 10, "PipeWire's default devices")

    def stop(self) -> None:
        super().stop()
        self._bus.stop()

    def _load(self, name: str, class_: str, channels: int) -> None:
        names = (f"sink_name={name}", f"media.class={class_}", f"channels={channels}")
        self._pactl("load-module", "module-null-sink", *names)

    def _has_defaults(self) -> bool:
        told = self._pactl("info")
        return "Default Sink: out\n" in told and "Default Source: in\n" in told

    def _pactl(self, *words: str) -> str:
        argv = ["pactl", "--server", self.address, *words]
        environment = {**self.environment, "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            argv, env=environment, check=True, capture_output=True, text=True, timeout=10
        ).stdout
