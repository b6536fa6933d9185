# SPDX-License-Identifier: MIT
"""Do the files that start the program pass the checks of those who read them?"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging.conftest import DATA, TREE, run
from tests.support.processes import spawn
from tests.support.tools import require
from vdagent import cli, install, options
from vdagent.config import example
from vdagent.config.keys import KEYS

SYSTEM, USER = DATA / "systemd/system", DATA / "systemd/user"
MAX_EXPOSURE = 1.2


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """The package's files, and the program they name as a file that can be run."""
    install.place(install.PACKAGE, tmp_path)
    program = tmp_path / install.PROGRAM[1:]
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def test_the_daemons_unit_exposes_little(capsys: pytest.CaptureFixture[str]) -> None:
    require("systemd-analyze")
    said = run("systemd-analyze", "security", "--offline=yes", SYSTEM / "vdagentd.service")
    verdict = said.strip().splitlines()[-1]
    with capsys.disabled():
        print(f"\n{verdict}")
    found = re.search(r": ([0-9.]+)", verdict)
    assert found and float(found[1]) <= MAX_EXPOSURE


def test_systemd_understands_the_units(placed: Path) -> None:
    """Units of other packages (sockets, targets) are looked up on this machine."""
    require("systemd-analyze")
    program = f"{placed}{install.PROGRAM}"
    for unit in placed.rglob("*.service"):
        if not unit.is_symlink():
            unit.write_text(unit.read_text().replace(install.PROGRAM, program))
    units = placed / "usr/lib/systemd"
    said = run(
        *("systemd-analyze", "verify", "--man=no"),
        *(units / "system/vdagentd.socket", units / "system/vdagentd.service"),
        SYSTEMD_UNIT_PATH=f"{units}/system:",
    )
    assert "vdagent" not in said
    said = run(
        *("systemd-analyze", "--user", "verify", "--man=no", units / "user/vdagent.service"),
        SYSTEMD_UNIT_PATH=f"{units}/user:",
        XDG_RUNTIME_DIR=str(placed),
    )
    assert "vdagent" not in said


def test_the_sandbox_leaves_what_the_peer_check_needs() -> None:
    text = (SYSTEM / "vdagentd.service").read_text()
    for absent in ("PrivateUsers=", "ProtectProc=", "PrivateDevices=", "WatchdogSec="):
        assert f"\n{absent}" not in text
    assert "\nDeviceAllow=char-virtio-portsdev rw\n" in text
    assert "\nDeviceAllow=/dev/char/10:223 rw\n" in text  # no path: the node may come later


def test_users_and_directories_are_made(placed: Path) -> None:
    require("systemd-sysusers", "systemd-tmpfiles")
    (placed / "etc").mkdir(exist_ok=True)
    run("systemd-sysusers", f"--root={placed}", "vdagent.conf")
    assert "\nvdagent:" in "\n" + (placed / "etc/passwd").read_text()
    assert "\nvdagent:" in "\n" + (placed / "etc/group").read_text()
    run("systemd-tmpfiles", f"--root={placed}", "--create", "vdagent.conf")
    assert (placed / "run/spice-vdagentd").stat().st_mode & 0o777 == 0o755


def test_udev_understands_the_rules() -> None:
    require("udevadm")
    rules = TREE / "udev-rules/70-vdagent.rules"
    assert rules.resolve() == DATA / "udev/70-vdagent.rules"
    has_verify = "verify" in run("udevadm", "--help")  # since 254
    if has_verify:
        run("udevadm", "verify", "--resolve-names=never", rules)
    text = rules.read_text()
    assert text.count("vdagentd.socket") == text.count("vdagent.service") == 1
    for rule in (line for line in text.splitlines() if line and line[0] != "#"):
        assert re.fullmatch(r'([A-Z_]+(\{\w+\})?(==|!=|=|\+=)"[^"]*"(, |$))+', rule)
        assert 'GROUP="vdagent", MODE="0660"' in rule


def test_the_autostart_entry_is_valid() -> None:
    require("desktop-file-validate")
    assert not run("desktop-file-validate", DATA / "autostart/vdagent.desktop")
    assert "X-systemd-skip" not in (DATA / "autostart/vdagent.desktop").read_text()


def test_scripts_of_other_inits() -> None:
    require("shellcheck")
    scripts = [DATA / "init" / name for name in ("openrc/vdagentd", "runit/run", "s6/run")]
    run("shellcheck", "-s", "sh", *scripts, DATA / "init/s6/finish")
    for script in scripts:
        run("sh", "-n", script)
        assert script.stat().st_mode & 0o111


def test_scripts_of_packages() -> None:
    require("shellcheck")
    debian = [TREE / "packaging/debian" / name for name in ("postinst", "prerm", "postrm")]
    run("shellcheck", "-s", "sh", *debian, TREE / "packaging/dev-setup.sh")
    run("shellcheck", TREE / "tests/support/in-debian.sh", *(TREE / ".ci").glob("*"))
    alpine, arch = TREE / "packaging/alpine", TREE / "packaging/arch"
    run("shellcheck", alpine / "APKBUILD", alpine / "vdagent.pre-install")
    run("shellcheck", "-s", "bash", arch / "PKGBUILD")
    run("shellcheck", "-s", "sh", arch / "vdagent.install")


def test_openrc_reads_its_script(tmp_path: Path) -> None:
    """Sourced the way openrc-run does, with its functions in place of the machine's."""
    script = DATA / "init/openrc/vdagentd"
    said = run(
        "sh",
        "-c",
        f"""
        eerror() {{ echo "error: $*"; }}; checkpath() {{ echo "checkpath $*"; }}
        modprobe() {{ echo "modprobe $*"; }}; chgrp() {{ :; }}; chmod() {{ :; }}
        need() {{ :; }}; use() {{ :; }}; after() {{ :; }}
        . {script}; depend; echo "$supervisor $command $command_args as $command_user"
        port={tmp_path}; start_pre && echo started; port=/nonexistent; start_pre || echo refused
        """,
    )
    assert "supervise-daemon /usr/bin/vdagent daemon -x  as vdagent:vdagent" in said
    assert "checkpath -d -m 0755 -o vdagent:vdagent /run/spice-vdagentd\nstarted\n" in said
    assert "error: this machine has no SPICE port (/nonexistent)\nrefused\n" in said


@pytest.mark.parametrize("name", ["runit/run", "s6/run"])
def test_run_scripts_start_the_daemon(name: str, tmp_path: Path) -> None:
    """In a directory of stand-ins: everything is done, in order, and the daemon is the last."""
    log = tmp_path / "log"
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("modprobe", "install", "chgrp", "chmod", "chpst", "s6-setuidgid", "sv"):
        (tools / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >>{log}\n')
        (tools / tool).chmod(0o755)
    script = tmp_path / "run"
    text = (DATA / "init" / name).read_text()
    for port in (tmp_path, Path("/nonexistent")):
        script.write_text(re.sub(r"port=\S+", f"port={port}", text))
        subprocess.run(["sh", script], env={"PATH": f"{tools}:/bin"}, timeout=10)
    lines = log.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if "/usr/bin/vdagent daemon -x" in line)
    assert lines[0] == "modprobe -q -a uinput virtio_console"
    assert any(line.startswith("install -d -o vdagent") for line in lines[:start])
    assert lines[start + 1 :] in (
        ["modprobe -q -a uinput virtio_console", "sv down ."],
        ["modprobe -q -a uinput virtio_console"],
    )


def test_dinit_knows_every_setting() -> None:
    known = {"type", "command", "run-as", "restart", "smooth-recovery", "restart-delay"}
    known |= {"depends-on"}
    for path in (DATA / "init/dinit").iterdir():
        lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
        settings = dict(line.split(" = ", 1) for line in lines)
        assert settings.keys() <= known and settings["type"] in ("process", "scripted")
        assert "$" not in settings["command"]  # whether it is special depends on dinit's version
    if shutil.which("dinitcheck"):
        run("dinitcheck", "-d", DATA / "init/dinit", "vdagentd")


def test_the_spec_can_be_read() -> None:
    require("rpmspec", "rpmlint")
    spec = TREE / "packaging/rpm/vdagent.spec"
    said = run("rpmlint", spec)
    assert "0 errors" in said
    parsed = run("rpmspec", "-P", "--define", "_userunitdir /usr/lib/systemd/user", spec)
    for row in install.PACKAGE:
        assert Path(row.path).name in parsed, row.path


def test_makepkg_can_read_its_recipe(tmp_path: Path) -> None:
    """makepkg refuses to run as root; bash alone can say what it would be told."""
    said = run(
        "bash",
        "-euc",
        '. "$0"; declare -F build package; echo "$pkgname $pkgver ${provides[*]} ${conflicts[*]}"',
        TREE / "packaging/arch/PKGBUILD",
    )
    assert said.splitlines()[:2] == ["build", "package"]
    assert said.rstrip().endswith("spice-vdagent=0.23.0 spice-vdagent")
    run("bash", "-n", TREE / "packaging/alpine/APKBUILD")


def test_the_example_is_made_from_the_schema() -> None:
    """`python -m vdagent.config.example` makes it."""
    text = (DATA / "config/config.toml.example").read_text()
    assert text == "\n".join(example.lines()) + "\n"
    # And says of each setting what counts without it.
    for line in (found := re.findall(r"^#(.+ = .+)$", text, re.MULTILINE)):
        tomllib.loads(line)
    assert len(found) == len(KEYS) + 1


def test_the_units_reload() -> None:
    for unit in ("system/vdagentd.service", "user/vdagent.service"):
        assert "ExecReload=/usr/bin/vdagent reload\n" in (DATA / "systemd" / unit).read_text()


def test_the_man_page() -> None:
    require("mandoc", "man")
    page = DATA / "man/vdagent.1"
    assert not run("mandoc", "-T", "lint", "-W", "warning", page)
    assert not run("man", "--warnings", "-l", "-Z", page, LC_ALL="C.UTF-8").count("warning")
    text = page.read_text()
    for option in (*options.DAEMON, *options.SESSION, *options.MONITOR, *install.INSTALL):
        if not option.help:
            continue
        assert f"Fl -{option.name}" in text, option.name
        assert not option.letter or f"Fl {option.letter} ," in text, option.name
    for key in KEYS:
        assert key.name in text
    for command in re.findall(r"^  ([a-z]+) ", cli.COMMANDS, re.MULTILINE):
        assert re.search(rf"^\.(Nm vdagent )?Cm .*\b{command}\b", text, re.MULTILINE), command


def test_bash_completes() -> None:
    def completed(*words: str) -> list[str]:
        program = Path(sys.executable).with_name(words[0])
        script = f"""
            . {DATA}/completions/vdagent.bash
            COMP_WORDS=({program} {" ".join(words[1:])}); COMP_CWORD={len(words) - 1}
            _vdagent {program} "{words[-1]}" "{words[-2]}"
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        return run("bash", "-euc", script).split()

    assert completed("vdagent", "dae") == ["daemon"]
    assert completed("vdagent", "--v") == ["--version"]
    assert completed("vdagent", "daemon", "--one") == ["--one-session"]
    assert completed("spice-vdagent", "--no-f") == ["--no-follow"]
    assert completed("spice-vdagentd", "--vda") == ["--vdagentd-socket"]
    assert completed("vdagent", "install", "--init", "s") == ["systemd", "s6"]
    assert completed("vdagent", "monitor", "--re") == ["--record", "--read"]
    assert completed("vdagent", "monitor", "--record", "x") == []
    assert completed("vdagent", "daemon", "-S", "x") == []
    assert completed("vdagent", "clipboard", "to") == ["to-guest", "to-host"]
    assert completed("vdagent", "config", "--j") == ["--json"]
    assert completed("vdagent", "config", "show", "c") == []


def test_fish_completes() -> None:
    require("fish")

    def completed(line: str) -> list[str]:
        programs = Path(sys.executable).parent
        script = f"""
            set -x PATH {programs} $PATH
            source {DATA}/completions/vdagent.fish
            complete -C '{line}'
        """
        return run("fish", "--no-config", "-c", script).splitlines()

    assert completed("vdagent unin") == ["uninstall\tundo that"]
    assert completed("vdagent clipboard bo") == ["both\tboth ways"]
    assert [line.split("\t")[0] for line in completed("vdagent daemon --one")] == ["--one-session"]
    assert [line.split("\t")[0] for line in completed("spice-vdagentd --deb")] == ["--debug"]


def test_zsh_understands_its_completion() -> None:
    require("zsh")
    run("zsh", "-n", DATA / "completions/vdagent.zsh")


def test_the_daemon_tells_systemd_that_it_is_ready(tmp_path: Path) -> None:
    """And can be ended from that moment on: it removes its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(10)
        (tmp_path / "port").touch()
        (tmp_path / "uinput").touch()
        where = ("-s", tmp_path / "port", "-S", tmp_path / "agent", "-u", tmp_path / "uinput")
        daemon = spawn(
            [sys.executable, "-m", "vdagent", "daemon", "-x", "-X", "-f", *where],
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "PATH": "/usr/bin:/bin"},
            log=tmp_path / "log",
        )
        assert notified.recv(100) == b"READY=1"
        daemon.terminate()
        assert daemon.wait(10) == 0
        assert not (tmp_path / "agent").exists()
