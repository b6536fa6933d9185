# SPDX-License-Identifier: MIT
"""How is the layout of an X11 desktop changed, and put back when the server refuses?

In one server grab, so that no program sees a half-made desktop: switch off what does not stay as
it is, set the screen's size, switch on. No file of the user's is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from Xlib import X
from Xlib.ext import randr
from Xlib.protocol import request

from ...errors import DesktopError
from ..base import Rect, switched_on
from .connection import XConnection
from .modes import reduced_blanking
from .screen import Crtc, OutputInfo, Screen

OUR_MODES = "vdagent-"  # begins the names of the modes we make
DPI = 96
MM_PER_INCH = 25.4
SIDEWAYS = randr.Rotate_90 | randr.Rotate_270
SET_CONFIG_STATUS = {1: "stale configuration time", 2: "stale time", 3: "the driver refused"}


class Head(NamedTuple):
    """An output that is to show `rect`, through `crtc`."""

    output: OutputInfo
    crtc: Crtc
    rect: Rect

    def mode_size(self) -> tuple[int, int]:
        """What the mode must have, before the CRTC turns it."""
        width, height = self.rect[:2]
        return (height, width) if self.crtc.rotation & SIDEWAYS else (width, height)


async def arrange(x: XConnection, opcode: int, wanted: Mapping[str, Rect | None]) -> None:
    """Show exactly the outputs that `wanted` gives a rectangle; see `base.Display.apply`."""
    x.send(request.GrabServer)
    try:
        screen = await Screen.read(x, opcode)
        rects = await _within_limits(x, opcode, screen, wanted)
        as_wanted = all(screen.rect_of(o) == rects.get(o.id) for o in screen.outputs)
        if as_wanted and (screen.width, screen.height) == _bounds(rects):
            return
        change = _Change(x, opcode, screen)
        try:
            await change.make(rects)
        except DesktopError:
            # Some hardware has modes in steps of 8 pixels only (as CVT has).
            rounded = {o: r._replace(width=max(8, r.width // 8 * 8)) for o, r in rects.items()}
            if rounded == rects:
                raise
            await change.make(rounded)
    finally:
        x.send(request.UngrabServer)


async def _within_limits(
    x: XConnection, opcode: int, screen: Screen, wanted: Mapping[str, Rect | None]
) -> dict[int, Rect]:
    """`wanted` by output id: sizes the server can have, the bounding box moved to 0,0.

    Raises DesktopError, before anything is changed, for a desktop larger than the server can have.
    """
    known = {output.name: output.id for output in screen.outputs}
    rects = switched_on(wanted, known)
    limits = await x.ask(randr.GetScreenSizeRange, opcode=opcode, window=x.root)
    left = min(rect.x for rect in rects.values())
    top = min(rect.y for rect in rects.values())
    within = {
        known[name]: Rect(
            min(max(rect.width, limits.min_width), limits.max_width),
            min(max(rect.height, limits.min_height), limits.max_height),
            rect.x - left,
            rect.y - top,
        )
        for name, rect in rects.items()
    }
    width, height = _bounds(within)
    if width > limits.max_width or height > limits.max_height:
        raise DesktopError(
            f"{width}x{height} are more than the X server's largest desktop, "
            f"{limits.max_width}x{limits.max_height}"
        )
    return within


def _bounds(rects: dict[int, Rect]) -> tuple[int, int]:
    return (
        max(rect.x + rect.width for rect in rects.values()),
        max(rect.y + rect.height for rect in rects.values()),
    )


def choose_crtcs(outputs: list[OutputInfo]) -> dict[int, int]:
    """A CRTC for each output among its possible ones, its present one if that can be; by output id.

    Outputs may share few possible CRTCs, so this is a matching: an output that finds all of its
    CRTCs taken makes another one move over.
    """
    output_of: dict[int, OutputInfo] = {}

    def place(output: OutputInfo, tried: set[int]) -> bool:
        for crtc in sorted(output.crtcs, key=lambda c: (c in output_of, c != output.crtc)):
            if crtc in tried:
                continue
            tried.add(crtc)
            if crtc not in output_of or place(output_of[crtc], tried):
                output_of[crtc] = output
                return True
        return False

    # Outputs that are on first, so that they keep their CRTC if they can.
    for output in sorted(outputs, key=lambda o: not o.crtc):
        if not place(output, set()):
            raise DesktopError(f"the X server cannot light {len(outputs)} outputs at once")
    return {output.id: crtc for crtc, output in output_of.items()}


class _Change:
    """One change of the layout, from what `former` describes; undone if a step of it fails."""

    def __init__(self, x: XConnection, opcode: int, former: Screen) -> None:
        self._x = x
        self._opcode = opcode
        self._former = former

    async def make(self, rects: dict[int, Rect]) -> None:
        """Set the layout `rects` (by output id); after an error the former one is back."""
        outputs = [output for output in self._former.outputs if output.id in rects]
        chosen = choose_crtcs(outputs)
        heads = [Head(o, self._former.crtcs[chosen[o.id]], rects[o.id]) for o in outputs]
        try:
            modes = [await self._mode(head) for head in heads]
            width, height = _bounds(rects)
            await self._switch_off(heads, width, height)
            if (width, height) != (self._former.width, self._former.height):
                await self._set_size(width, height)
            for head, mode in zip(heads, modes, strict=True):
                await self._set_crtc(
                    head.crtc, head.rect, mode, head.crtc.rotation, (head.output.id,)
                )
        except DesktopError as e:
            await self._restore()
            raise DesktopError(f"the layout was refused and is as before: {e}") from e
        finally:
            await self._delete_unused_modes()

    async def _switch_off(self, heads: list[Head], width: int, height: int) -> None:
        """Switch off the CRTCs that get nothing to show, or would not fit the new size."""
        stays = {head.crtc.id for head in heads if head.crtc.outputs == (head.output.id,)}
        for crtc in self._former.crtcs.values():
            rect = crtc.rect
            fits = rect.x + rect.width <= width and rect.y + rect.height <= height
            if crtc.mode and not (fits and crtc.id in stays):
                await self._set_crtc(crtc, Rect(0, 0), 0, randr.Rotate_0, ())

    async def _set_size(self, width: int, height: int) -> None:
        await self._x.check(
            randr.SetScreenSize,
            opcode=self._opcode,
            window=self._x.root,
            width=width,
            height=height,
            width_in_millimeters=round(width * MM_PER_INCH / DPI),
            height_in_millimeters=round(height * MM_PER_INCH / DPI),
        )

    async def _set_crtc(
        self, crtc: Crtc, rect: Rect, mode: int, rotation: int, outputs: tuple[int, ...]
    ) -> None:
        answer = await self._x.ask(
            randr.SetCrtcConfig,
            opcode=self._opcode,
            crtc=crtc.id,
            timestamp=X.CurrentTime,
            config_timestamp=self._former.config_time,
            x=rect.x,
            y=rect.y,
            mode=mode,
            rotation=rotation or randr.Rotate_0,
            outputs=list(outputs),
        )
        if answer.status != randr.SetConfigSuccess:
            reason = SET_CONFIG_STATUS.get(answer.status, f"status {answer.status}")
            raise DesktopError(f"no {rect.width}x{rect.height}+{rect.x}+{rect.y}: {reason}")

    async def _restore(self) -> None:
        """Put everything back; what cannot be put back is left, there is no third way."""
        former = self._former
        steps = [
            self._set_crtc(c, Rect(0, 0), 0, randr.Rotate_0, ()) for c in former.crtcs.values()
        ]
        steps.append(self._set_size(former.width, former.height))
        steps += [
            self._set_crtc(crtc, crtc.rect, crtc.mode, crtc.rotation, crtc.outputs)
            for crtc in former.crtcs.values()
            if crtc.mode
        ]
        for step in steps:
            try:
                await step
            except DesktopError:
                pass

    # Modes.

    async def _mode(self, head: Head) -> int:
        """A mode of exactly the head's size, its present one if possible, else a new one."""
        width, height = head.mode_size()
        modes = self._former.modes
        present = head.crtc.mode if head.crtc.outputs == (head.output.id,) else 0
        for candidate in (present, *head.output.modes):
            mode = modes.get(candidate)
            if mode is not None and (mode.width, mode.height) == (width, height):
                return candidate
        return await self._make_mode(head.output, width, height)

    async def _make_mode(self, output: OutputInfo, width: int, height: int) -> int:
        t = reduced_blanking(width, height)
        # A name belongs to one mode of the server; the output's number keeps heads apart.
        name = f"{OUR_MODES}{width}x{height}-{output.id:x}"
        mode = next((m.id for m in self._former.modes.values() if m.name == name), 0)
        if not mode:
            info = {
                "id": 0,
                "width": width,
                "height": height,
                "dot_clock": t.clock_hz,
                "h_sync_start": t.h_sync_start,
                "h_sync_end": t.h_sync_end,
                "h_total": t.h_total,
                "h_skew": 0,
                "v_sync_start": t.v_sync_start,
                "v_sync_end": t.v_sync_end,
                "v_total": t.v_total,
                "name_length": len(name),
                "flags": t.flags,
            }
            created = await self._x.ask(
                randr.CreateMode,
                opcode=self._opcode,
                window=self._x.root,
                mode=info,
                name=name,
            )
            mode = created.mode
        await self._x.check(randr.AddOutputMode, opcode=self._opcode, output=output.id, mode=mode)
        return mode

    async def _delete_unused_modes(self) -> None:
        """Delete the modes that we, or a session before us, made and that show nothing now."""
        screen = await Screen.read(self._x, self._opcode)
        used = {crtc.mode for crtc in screen.crtcs.values()}
        for mode in screen.modes.values():
            if not mode.name.startswith(OUR_MODES) or mode.id in used:
                continue
            for output in screen.outputs:
                if mode.id in output.modes:
                    self._x.send(
                        randr.DeleteOutputMode,
                        opcode=self._opcode,
                        output=output.id,
                        mode=mode.id,
                    )
            self._x.send(randr.DestroyMode, opcode=self._opcode, mode=mode.id)
