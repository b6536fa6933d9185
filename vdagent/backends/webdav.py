# SPDX-License-Identifier: MIT
"""Where does the guest see the files of the viewer's WebDAV channel?"""

from __future__ import annotations

import os

WEBDAV_PORT = 9843  # spice-webdavd's
MOUNTS = "/proc/self/mounts"


def find_mount() -> str | None:
    """Where the WebDAV channel is mounted: by davfs, or by GNOME's gvfs; None if it is not."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                source, point, kind = line.split(" ")[:3]
                if "davfs" in kind and f"localhost:{WEBDAV_PORT}" in source:
                    return _unescape(point)
    except (OSError, ValueError):
        return None
    return _gvfs_mount(os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "gvfs"))


def _gvfs_mount(directory: str) -> str | None:
    try:
        entries = os.listdir(directory)
    except OSError:
        return None
    for entry in entries:
        if entry.startswith("dav") and "localhost" in entry and str(WEBDAV_PORT) in entry:
            return os.path.join(directory, entry)
    return None


def _unescape(point: str) -> str:
    """Blanks in a mount point are written in octal (proc(5))."""
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
