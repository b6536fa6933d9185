# SPDX-License-Identifier: MIT
"""What can be said on the command line of `vdagent lab`?"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import VdagentError
from .lab import Lab
from .qemu import LabOptions


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="vdagent lab",
        description="Start a real QEMU and spice-server whose guest is this program: "
        "`vdagent daemon -s PORT` is its agent, remote-viewer shows it.",
    )
    add = result.add_argument
    add("--port", type=Path, metavar="PATH", help="socket to offer the agent port at")
    add("--listen", metavar="HOST:PORT", help="loopback address for the viewer (default: a socket)")
    add("--chardev", choices=("spicevmc", "qemu-vdagent"), default="spicevmc")
    add(
        "--chardev-options",
        default=LabOptions().chardev_options,
        metavar="LIST",
        help="of qemu-vdagent: clipboard=on,mouse=on",
    )
    add("--display-device", default="VGA", metavar="DEVICE", help="VGA, virtio-vga, qxl-vga, none")
    add("--more-displays", type=int, default=0, metavar="N", help="further graphics cards")
    add("--trace", action="append", default=[], metavar="PATTERN", help="QEMU trace events to log")
    add("--qemu", default="qemu-system-x86_64", metavar="BINARY")
    add("--spice-options", default="", metavar="LIST", help="for example disable-copy-paste=on")
    add("--vnc", type=Path, metavar="PATH", help="VNC socket, with --chardev qemu-vdagent")
    add("--dbus", metavar="ADDRESS", help="bus for a D-Bus display, with --chardev qemu-vdagent")
    add("-d", "--debug", action="store_true", help="say what happens at the port")
    return result


def run(argv: Sequence[str]) -> int:
    """Run the lab until SIGINT or SIGTERM; the exit status."""
    arguments = vars(parser().parse_args(argv))
    level = logging.INFO if arguments.pop("debug") else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    arguments["trace"] = tuple(arguments["trace"])
    try:
        asyncio.run(_run(LabOptions(**arguments)))
    except VdagentError as error:
        print(f"vdagent lab: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(options: LabOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with Lab(options) as lab:
        print(f"port: {lab.port}")
        print(f"viewer: {lab.uri}")
        print(f"monitor: {lab.paths.qmp}")
        print(f"log: {lab.paths.log}", flush=True)
        ended = asyncio.ensure_future(lab.wait())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if ended.done():
            await ended
        ended.cancel()
