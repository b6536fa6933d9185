# SPDX-License-Identifier: MIT
"""Which functions take bytes of others? Each raises nothing but Finding, whatever the bytes are."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tests.fuzz import contents, in_memory, wayland_compositor, wires, x11_program

# What is said of such bytes is no finding, and would fill the log of a run.
logging.getLogger().addHandler(logging.NullHandler())

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        wires.chunk_stream,
        wires.port_messages,
        wires.decoders,
        wires.udscs_of_agent,
        wires.udscs_of_daemon,
        wires.udscs_frames,
        wires.virtio_control,
        in_memory.daemon,
        contents.key_file,
        contents.copied_files,
        contents.monitors,
        x11_program.x11_properties,
        x11_program.x11_events,
        contents.x11_targets,
        wayland_compositor.wayland_events,
        contents.wayland_types,
        contents.user_dirs,
        contents.control_questions,
        contents.doctor,
    )
}
