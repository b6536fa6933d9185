# SPDX-License-Identifier: MIT
"""Which files make a system start this program, and where do they go?

Two layouts from one table: for distribution packages everything has its place under /usr; for a virtual
environment it has the administrator's, under /etc and /usr/local, and the units and autostart entries
name that environment's program.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from . import activate, options
from .errors import SystemFault
from .ownership import untrusted_code

DATA = Path(str(files(__package__) / "data"))
PROGRAM = "/usr/bin/vdagent"  # as the files in DATA name it
_UNITS, _USER_UNITS = "/usr/lib/systemd/system", "/usr/lib/systemd/user"
_MAN, _COMPLETIONS = "/usr/share/man/man1", "/usr/share"


class File(NamedTuple):
    """A file of DATA at `path`."""

    path: str
    source: str
    mode: int = 0o644


class Link(NamedTuple):
    """A symbolic link at `path`."""

    path: str
    target: str


# What a distribution's package has, apart from the program and its documentation.
PACKAGE: tuple[File | Link, ...] = (
    File(f"{_UNITS}/vdagentd.socket", "systemd/system/vdagentd.socket"),
    File(f"{_UNITS}/vdagentd.service", "systemd/system/vdagentd.service"),
    Link(f"{_UNITS}/spice-vdagentd.socket", "vdagentd.socket"),
    Link(f"{_UNITS}/spice-vdagentd.service", "vdagentd.service"),
    Link(f"{_UNITS}/spice-vdagent.service", "vdagentd.service"),
    File(f"{_USER_UNITS}/vdagent.service", "systemd/user/vdagent.service"),
    File(
        f"{_USER_UNITS}/app-vdagent@autostart.service.d/restart.conf", "systemd/user/autostart.conf"
    ),
    Link(f"{_USER_UNITS}/spice-vdagent.service", "vdagent.service"),
    File("/usr/lib/systemd/user-preset/90-vdagent.preset", "systemd/user-preset/90-vdagent.preset"),
    File("/usr/lib/udev/rules.d/70-vdagent.rules", "udev/70-vdagent.rules"),
    File("/usr/lib/sysusers.d/vdagent.conf", "sysusers.d/vdagent.conf"),
    File("/usr/lib/tmpfiles.d/vdagent.conf", "tmpfiles.d/vdagent.conf"),
    File("/usr/lib/modules-load.d/vdagent.conf", "modules-load.d/vdagent.conf"),
    File("/etc/xdg/autostart/vdagent.desktop", "autostart/vdagent.desktop"),
    File("/usr/share/gdm/greeter/autostart/vdagent.desktop", "autostart/vdagent.desktop"),
    File(f"{_MAN}/vdagent.1", "man/vdagent.1"),
    Link(f"{_MAN}/spice-vdagent.1", "vdagent.1"),
    Link(f"{_MAN}/spice-vdagentd.1", "vdagent.1"),
    File(f"{_COMPLETIONS}/bash-completion/completions/vdagent", "completions/vdagent.bash"),
    Link(f"{_COMPLETIONS}/bash-completion/completions/spice-vdagent", "vdagent"),
    Link(f"{_COMPLETIONS}/bash-completion/completions/spice-vdagentd", "vdagent"),
    File(f"{_COMPLETIONS}/zsh/site-functions/_vdagent", "completions/vdagent.zsh"),
    File("/usr/share/doc/vdagent/config.toml.example", "config/config.toml.example"),
    File(f"{_COMPLETIONS}/fish/vendor_completions.d/vdagent.fish", "completions/vdagent.fish"),
)
# For systems that do not run systemd, in addition, by `--init`.
INIT: dict[str, tuple[File | Link, ...]] = {
    "systemd": (),
    "openrc": (File("/etc/init.d/vdagentd", "init/openrc/vdagentd", 0o755),),
    "runit": (File("/etc/sv/vdagentd/run", "init/runit/run", 0o755),),
    "s6": (
        File("/etc/s6/sv/vdagentd/run", "init/s6/run", 0o755),
        File("/etc/s6/sv/vdagentd/finish", "init/s6/finish", 0o755),
        File("/etc/s6/sv/vdagentd/type", "init/s6/type"),
    ),
    "dinit": (
        File("/etc/dinit.d/vdagentd", "init/dinit/vdagentd"),
        File("/etc/dinit.d/vdagentd-devices", "init/dinit/vdagentd-devices"),
    ),
}
# The administrator's place for what a package has at …; the greeter reads its one directory only.
_ADMIN = (
    ("/usr/lib/", "/etc/"),
    ("/usr/share/gdm/", "/usr/share/gdm/"),
    ("/usr/share/", "/usr/local/share/"),
)
# A package's scripts do this; there it may be undone by hand.
_ENABLED = Link(
    "/etc/systemd/user/graphical-session.target.wants/vdagent.service", "../vdagent.service"
)

_VENV = "as root, from a clone: python3 -m venv /opt/vdagent && /opt/vdagent/bin/pip install ."


def admin_path(path: str) -> str:
    """Where `vdagent install` puts what a package has at `path`."""
    for vendor, admin in _ADMIN:
        if path.startswith(vendor):
            return admin + path.removeprefix(vendor)
    return path


def for_environment(directory: str, init: str = "systemd") -> list[File | Link]:
    """The administrator's layout, for the program in `directory`."""
    rows: list[File | Link] = [
        row._replace(path=admin_path(row.path)) for row in (*PACKAGE, *INIT[init])
    ]
    return [
        *rows,
        _ENABLED,
        Link("/usr/local/bin/vdagent", f"{directory}/vdagent"),
        Link("/usr/local/bin/spice-vdagent", f"{directory}/spice-vdagent"),
        Link("/usr/local/sbin/spice-vdagentd", f"{directory}/spice-vdagentd"),
    ]


def place(rows: Sequence[File | Link], root: Path, program: str = PROGRAM) -> None:
    """Put every row below `root`, naming `program` in the files. Raises SystemFault."""
    for row in rows:
        path = _in(root, row.path)
        new = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            if isinstance(row, Link):
                new.symlink_to(row.target)
            else:
                new.write_bytes(_content(row, program))
                new.chmod(row.mode)
            new.replace(path)
        except OSError as error:
            raise SystemFault(f"install: cannot write {path}: {error.strerror}") from None


def _in(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _content(row: File, program: str) -> bytes:
    content = (DATA / row.source).read_bytes()
    return content.replace(PROGRAM.encode(), program.encode())


def remove(rows: Sequence[File | Link], root: Path) -> list[str]:
    """Take every row away again, and directories that are empty then; what was there."""
    gone = []
    for row in rows:
        path = _in(root, row.path)
        if _is_ours(row, path):
            path.unlink()
            gone.append(row.path)
            _remove_empty(path.parent, root)
    return gone


def _is_ours(row: File | Link, path: Path) -> bool:
    if isinstance(row, Link):
        return path.is_symlink() and os.readlink(path) == row.target
    return path.is_file() and not path.is_symlink()


def _remove_empty(directory: Path, root: Path) -> None:
    """Remove what we may have made: never /etc or /usr/local/bin themselves, they hold more."""
    while directory != root and directory.name not in ("etc", "bin", "sbin", "share", "local"):
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


# -- commands --------------------------------------------------------------------------------------

_ROOT = options.Option("", "root", "DIR", "work on the system below DIR, and start nothing")
_INIT = options.Option("", "init", "NAME", "also for openrc, runit, s6 or dinit (systemd)")
_DISTRIBUTION = options.Option(
    "", "distribution", "", "lay out a distribution's package below --root"
)
INSTALL: Sequence[options.Option] = (_ROOT, _INIT, _DISTRIBUTION)
UNINSTALL: Sequence[options.Option] = (_ROOT,)


def install(found: options.Found) -> int:
    """`vdagent install`: make the system start the program of this virtual environment."""
    root, init = Path(str(found.get("root", "/"))), str(found.get("init", "systemd"))
    if init not in INIT:
        raise SystemFault(f"install: there is no init {init!r}", f"one of {', '.join(INIT)}")
    if not DATA.is_dir():
        raise SystemFault("install: this vdagent came as a package, which has put all in place")
    if "distribution" in found:
        if "root" not in found:
            raise SystemFault("install: --distribution needs --root")
        place((*PACKAGE, *INIT[init]), root)
        return 0
    _may_change(root, "root" in found)
    directory = _programs()
    _no_other_agent(root)
    if fault := untrusted_code(directory / "vdagent"):
        raise SystemFault(
            f"install: {fault}; a system service must not run such code",
            _VENV,
        )
    seen_from_root = _below(directory, root)
    rows = for_environment(seen_from_root, init)
    place(rows, root, f"{seen_from_root}/vdagent")
    print(f"vdagent: put {len(rows)} files in place")
    if "root" not in found:
        activate.start()
    return 0


def uninstall(found: options.Found) -> int:
    """`vdagent uninstall`: undo `vdagent install`. The user and group `vdagent` stay."""
    root = Path(str(found.get("root", "/")))
    _may_change(root, "root" in found)
    if "root" not in found:
        activate.stop()
    rows = for_environment(_below(_programs(), root))
    gone = remove([*rows, *(row for extra in INIT.values() for row in extra)], root)
    print(f"vdagent: removed {len(gone)} files")
    if "root" not in found:
        activate.reload()
    return 0


def _may_change(root: Path, elsewhere: bool) -> None:
    if not root.is_dir():
        raise SystemFault(f"install: {root} is not a directory")
    if not elsewhere and os.geteuid() != 0:
        raise SystemFault("install: only root may change the system", "sudo, or --root DIR")


def _programs() -> Path:
    """The directory of this environment's commands."""
    directory = Path(sys.executable).parent
    if sys.prefix == sys.base_prefix or not (directory / "spice-vdagentd").exists():
        raise SystemFault(
            "install: this works for a virtual environment, and this program runs from none",
            _VENV,
        )
    return directory


def _below(directory: Path, root: Path) -> str:
    """`directory` as the system below `root` will see it."""
    root = root.resolve()
    if root != Path("/") and directory.is_relative_to(root):
        return f"/{directory.relative_to(root)}"
    return str(directory)


def _no_other_agent(root: Path) -> None:
    """The C agent's autostart entry would serve the same desktops as ours."""
    for path in ("usr/sbin/spice-vdagentd", "usr/lib/vdagent"):
        if (root / path).exists():
            remover = next((p for p in ("apt", "dnf", "pacman", "apk") if shutil.which(p)), "")
            name = "vdagent" if path.endswith("lib/vdagent") else "spice-vdagent"
            raise SystemFault(
                f"install: /{path} is there: the package {name} is installed",
                f"remove it first{': ' + remover + ' remove ' + name if remover else ''}",
            )
