# SPDX-License-Identifier: MIT
"""What do `vdagent config`, `vdagent clipboard` and `vdagent reload` do?"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..control import ask, control_path
from ..errors import SessionError, SystemFault
from ..handlers.policy import Direction
from ..terminal import harmless, say
from .configuration import ConfigFiles, Configuration, Paths, runtime_directory, user_paths
from .keys import BY_NAME, KEYS
from .kinds import Way

WAYS = Way()


def check(system: str) -> int:
    """`vdagent config check`: 1 if anything is wrong."""
    config = ConfigFiles(user_paths(system)).load()
    for mistake in config.mistakes:
        print(f"vdagent: {harmless(str(mistake))}", file=sys.stderr)
    if not config.mistakes:
        say("vdagent: the settings are well")
    return 1 if config.mistakes else 0


def show(system: str, *, as_json: bool) -> int:
    """`vdagent config show`: every value and where it comes from, as TOML that could be a file."""
    config = ConfigFiles(user_paths(system)).load()
    if as_json:
        say(json.dumps({key.name: _describe(config, key.name) for key in KEYS}))
    else:
        say(*_as_toml(config))
    return 0


def _as_toml(config: Configuration) -> Iterator[str]:
    table = ""
    for key in KEYS:
        setting, (of, _, name) = config[key.name], key.name.partition(".")
        if of != table:
            if table:
                yield ""
            yield f"[{of}]"
            table = of
        line = f"{name} = {key.kind.write(setting.value)}"
        locked = f", locked by {setting.locked}" if setting.locked else ""
        yield f"{line:44} # {setting.origin}{locked}"


def _describe(config: Configuration, name: str) -> dict[str, Any]:
    setting = config[name]
    return {
        "value": json.loads(BY_NAME[name].kind.write(setting.value)),  # this TOML is JSON, too
        "origin": str(setting.origin),
        "locked": str(setting.locked) if setting.locked else None,
    }


def clipboard(word: str, system: str) -> int:
    """`vdagent clipboard`: what passes, after switching it until this user logs out.

    `word` is a direction, "on" for what the files of settings say, "" for no change. PRIMARY is
    narrowed along, never widened. What is locked stays locked. Raises SystemFault.
    """
    paths = user_paths(system)
    if word:
        _switch(word, paths)
        if not _tell_sessions():
            print("vdagent: it will count when a session agent starts", file=sys.stderr)
    config = ConfigFiles(paths).load()
    for name in ("clipboard.direction", "clipboard.primary"):
        what = "clipboard" if name == "clipboard.direction" else "primary"
        say(f"{what + ':':11}{WAYS.name(config.value(name))}")
    return 0


def _switch(word: str, paths: Paths) -> None:
    if not paths.login:
        raise SystemFault("clipboard: XDG_RUNTIME_DIR names no directory of this login")
    if word == "on":
        return _write(Path(paths.login), "")
    wanted = WAYS.NAMES[word]
    lasting = ConfigFiles(paths._replace(login="")).load()
    limit = lasting["clipboard.direction"]
    # Without the user's own setting, which this is stronger than.
    of_system = ConfigFiles(Paths(paths.system)).load()["clipboard.direction"]
    if limit.locked and not WAYS.is_within(wanted, of_system.value):
        at = WAYS.name(of_system.value)
        raise SystemFault(f'clipboard: it is locked at "{at}" by {limit.locked}')
    primary: Direction = lasting.value("clipboard.primary") & wanted
    _write(
        Path(paths.login),
        "# Written by `vdagent clipboard`, which `vdagent clipboard on` undoes.\n"
        f"[clipboard]\ndirection = {WAYS.write(wanted)}\nprimary = {WAYS.write(primary)}\n",
    )


def _write(path: Path, text: str) -> None:
    """Put it there in one step; no file for no text."""
    try:
        if not text:
            return path.unlink(missing_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text)
        new.replace(path)
    except OSError as error:
        raise SystemFault(f"clipboard: cannot write {path}: {error.strerror}") from None


def reload(session_socket: str) -> int:
    """`vdagent reload`: the daemon, if it takes our word, and this user's session agents.

    1 if something in the files is wrong, or nobody was there to read them. Raises SessionError.
    """
    answers, refusal = [], ""
    try:
        answers.append(ask(control_path(session_socket), {"do": "reload"}))
    except SessionError as error:
        refusal = str(error)
    answers += _tell_sessions()
    if not answers:
        raise SessionError(
            f"reload: no session agent of yours, and the daemon: {refusal}",
            "are they running? vdagent status",
        )
    mistakes = list(dict.fromkeys(m for answer in answers for m in answer.get("mistakes", ())))
    for mistake in mistakes:
        print(f"vdagent: {harmless(str(mistake))}", file=sys.stderr)
    return 1 if mistakes else 0


def session_sockets() -> Sequence[str]:
    """The control sockets of this user's session agents, dead ones among them."""
    directory = runtime_directory()
    if not directory:
        return ()
    return [str(path) for path in sorted(Path(directory).glob("*.control"))]


def _tell_sessions() -> list[dict[str, Any]]:
    """Have this user's session agents read their settings anew; the answers of those that live."""
    answers = []
    for path in session_sockets():
        with contextlib.suppress(SessionError):
            answers.append(ask(path, {"do": "reload"}))
    return answers
