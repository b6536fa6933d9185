# SPDX-License-Identifier: MIT
"""What does RandR say of an X screen: its size, outputs, CRTCs and modes, at one moment?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple

from Xlib.ext import randr
from Xlib.protocol import request

from ..base import Rect
from .connection import XConnection

TURNS = (randr.Rotate_0, randr.Rotate_90, randr.Rotate_180, randr.Rotate_270)


class Mode(NamedTuple):
    """A mode of the server's list; `name` tells ours from others."""

    id: int
    width: int
    height: int
    name: str


class Crtc(NamedTuple):
    """A CRTC: the part of the desktop it shows, the mode it drives (0: off), and on which outputs."""

    id: int
    rect: Rect
    mode: int
    rotation: int
    outputs: tuple[int, ...]


class OutputInfo(NamedTuple):
    """An output: its CRTC (0: none), the CRTCs it could have, and its modes, best first."""

    id: int
    name: str
    crtc: int
    crtcs: tuple[int, ...]
    modes: tuple[int, ...]


@dataclass(frozen=True)
class Screen:
    """Everything RandR knows about one screen, in the server's order."""

    config_time: int
    width: int
    height: int
    outputs: tuple[OutputInfo, ...]
    crtcs: dict[int, Crtc]
    modes: dict[int, Mode]
    primary: int

    @classmethod
    async def read(cls, x: XConnection, opcode: int) -> Screen:
        """Ask the server, in two round trips; does not make it probe its connectors."""
        resources, primary, size = await asyncio.gather(
            x.ask(randr.GetScreenResourcesCurrent, opcode=opcode, window=x.root),
            x.ask(randr.GetOutputPrimary, opcode=opcode, window=x.root),
            x.ask(request.GetGeometry, drawable=x.root),
        )
        time = resources.config_timestamp
        outputs, crtcs = await asyncio.gather(
            asyncio.gather(*(_output(x, opcode, o, time) for o in resources.outputs)),
            asyncio.gather(*(_crtc(x, opcode, c, time) for c in resources.crtcs)),
        )
        return cls(
            time,
            size.width,
            size.height,
            tuple(outputs),
            {crtc.id: crtc for crtc in crtcs},
            _modes(resources),
            primary.output,
        )

    def rect_of(self, output: OutputInfo) -> Rect | None:
        """Where `output` shows the desktop, None while it is off."""
        crtc = self.crtcs.get(output.crtc)
        return crtc.rect if crtc is not None and crtc.mode else None

    def transform_of(self, output: OutputInfo) -> int:
        """How `output` is turned, in the numbers of `base.Output`."""
        crtc = self.crtcs.get(output.crtc)
        return transform_of(crtc.rotation) if crtc is not None else 0


def transform_of(rotation: int) -> int:
    """RandR's rotation and reflection as one number; reflected along both axes is half a turn."""
    quarters = next((n for n, bit in enumerate(TURNS) if rotation & bit), 0)
    along_x, along_y = rotation & randr.Reflect_X, rotation & randr.Reflect_Y
    if along_y:
        quarters = (quarters + 2) % 4
    return quarters + (4 if bool(along_x) != bool(along_y) else 0)


def _modes(resources: Any) -> dict[int, Mode]:
    """The modes; their names follow the list in one string, with lengths only."""
    modes = {}
    at = 0
    for info in resources.modes:
        name = resources.names[at : at + info.name_length]
        at += info.name_length
        modes[info.id] = Mode(info.id, info.width, info.height, name)
    return modes


async def _output(x: XConnection, opcode: int, output: int, time: int) -> OutputInfo:
    info = await x.ask(randr.GetOutputInfo, opcode=opcode, output=output, config_timestamp=time)
    return OutputInfo(output, info.name, info.crtc, tuple(info.crtcs), tuple(info.modes))


async def _crtc(x: XConnection, opcode: int, crtc: int, time: int) -> Crtc:
    info = await x.ask(randr.GetCrtcInfo, opcode=opcode, crtc=crtc, config_timestamp=time)
    rect = Rect(info.width, info.height, info.x, info.y)
    return Crtc(crtc, rect, info.mode, info.rotation, tuple(info.outputs))
