# SPDX-License-Identifier: MIT
"""Which value does each setting have, and where does it come from?

From the weakest to the strongest: what is built in, the system's file, the user's, what
`vdagent clipboard` said for this login, the command line. A key that the system's file locks has its
value for everybody, or a stricter one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..options import CONFIG
from .files import Layer, Mistake, Origin, Unreadable, read
from .keys import BY_NAME, KEYS

BUILT_IN = Origin("built in")
COMMAND_LINE = Origin("command line")


class Paths(NamedTuple):
    """The files, weakest first; "" is none."""

    system: str = CONFIG
    user: str = ""
    login: str = ""  # of `vdagent clipboard`


class Setting(NamedTuple):
    """One key's value; `locked` is where the system's file says so."""

    value: Any
    origin: Origin
    locked: Origin | None = None


class Configuration:
    """Every key's value, and what was wrong on the way to it."""

    def __init__(self, layers: list[Layer]) -> None:
        self.mistakes = [mistake for layer in layers for mistake in layer.mistakes]
        self._settings = {key.name: Setting(key.default, BUILT_IN) for key in KEYS}
        system, *others = layers
        for name, (value, origin) in system.values.items():
            self._settings[name] = Setting(value, origin)
        for name, origin in system.locked.items():
            self._settings[name] = self._settings[name]._replace(locked=origin)
        limits = dict(self._settings)
        for layer in others:
            for name, (value, origin) in layer.values.items():
                self._override(name, value, origin, limits[name])

    def _override(self, name: str, value: Any, origin: Origin, limit: Setting) -> None:
        key = BY_NAME[name]
        if limit.locked is None or key.kind.is_within(value, limit.value):
            self._settings[name] = Setting(value, origin, limit.locked)
        else:
            at = key.kind.write(limit.value)
            problem = f"{name} is locked at {at} by {limit.locked}"
            self.mistakes.append(Mistake(origin, problem))

    def __getitem__(self, name: str) -> Setting:
        return self._settings[name]

    def value(self, name: str) -> Any:
        """The value of a key."""
        return self._settings[name].value


class ConfigFiles:
    """The files of settings; what cannot be read any more goes on as it was."""

    def __init__(self, paths: Paths, command_line: Mapping[str, Any] | None = None) -> None:
        self._paths = paths
        self._command_line = Layer(
            {name: (value, COMMAND_LINE) for name, value in (command_line or {}).items()}
        )
        self._known: dict[str, Layer] = {}

    def load(self) -> Configuration:
        """What they say now. Never raises: what is wrong is among the mistakes."""
        layers = [self._read(path) if path else Layer() for path in self._paths]
        return Configuration([*layers, self._command_line])

    def locked(self) -> Configuration:
        """Of the system's file only what no user can change; the rest is left open."""
        layer = self._read(self._paths.system)
        fixed = {
            name: said
            for name, said in layer.values.items()
            if name in layer.locked or BY_NAME[name].system
        }
        return Configuration([Layer(fixed, layer.locked, layer.mistakes)])

    def _read(self, path: str) -> Layer:
        try:
            layer = self._known[path] = read(path, system=path == self._paths.system)
        except Unreadable as error:
            before = self._known.get(path, Layer())
            layer = Layer(before.values, before.locked, [error.mistake])
        return layer


def user_paths(system: str = CONFIG, environment: Mapping[str, str] = os.environ) -> Paths:
    """The files of whoever's environment this is."""
    home = environment.get("HOME") or os.path.expanduser("~")
    config = environment.get("XDG_CONFIG_HOME", "")
    if not config.startswith("/"):  # the specification: others are to be ignored
        config = os.path.join(home, ".config")
    runtime = runtime_directory(environment)
    return Paths(
        system,
        os.path.join(config, "vdagent", "config.toml"),
        os.path.join(runtime, "clipboard.toml") if runtime else "",
    )


def runtime_directory(environment: Mapping[str, str] = os.environ) -> str:
    """Where what belongs to this login is kept; "" where the system has no such place."""
    directory = environment.get("XDG_RUNTIME_DIR", "")
    return os.path.join(directory, "vdagent") if os.path.isdir(directory) else ""


def control_path(name: str) -> str:
    """The control socket of a session agent; "" where the system has no place for it."""
    directory = runtime_directory()
    return os.path.join(directory, f"{name}.control") if directory else ""
