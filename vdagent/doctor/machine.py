# SPDX-License-Identifier: MIT
"""Is this a VM with a SPICE port, and may we use its devices?"""

from __future__ import annotations

import os
import stat

from ..transport.holders import holders
from .finding import Finding, Scope

PORT_NAME = "com.redhat.spice.0"
ADD_CHANNEL = (
    "on the host add it: virt-manager: Add Hardware → Channel → com.redhat.spice.0; libvirt: <channel "
    "type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>; QEMU: -device "
    "virtio-serial -chardev spicevmc,id=vdagent,name=vdagent -device "
    "virtserialport,chardev=vdagent,name=com.redhat.spice.0"
)
VIRTIO_SERIAL = ("0x1003", "0x1043")  # PCI device ids of Red Hat (0x1af4)
OURS = ("vdagent", "spice-vdagentd", "python3")


def examine(scope: Scope) -> list[Finding]:
    """Virtual machine, port, who has it, tablet."""
    found = [_virtual_machine(scope)]
    port = _port(scope)
    found.append(port)
    if port.ok:
        found.append(_holder(scope))
    return [*found, _tablet(scope)]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _listdir(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _virtual_machine(scope: Scope) -> Finding:
    if _is_socket(scope.port):
        return Finding("machine", True, "the port is a UNIX socket, so the host is on this machine")
    vendor = _read(scope.path("/sys/class/dmi/id/sys_vendor"))
    product = _read(scope.path("/sys/class/dmi/id/product_name"))
    flags = _read(scope.path("/proc/cpuinfo"))
    if "QEMU" in vendor or "KVM" in product or "QEMU" in product:
        return Finding("machine", True, f"a virtual machine ({vendor} {product})")
    if " hypervisor" in flags:
        return Finding("machine", True, f"a virtual machine ({vendor or 'unknown'} {product})")
    return Finding(
        "machine",
        None,
        "this does not look like a virtual machine",
        "the agent is for guests of QEMU/KVM; on the host itself it has nothing to do",
    )


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _port(scope: Scope) -> Finding:
    if os.path.exists(scope.port):
        return Finding("port", True, scope.port)
    names = {
        _read(f"{scope.path('/sys/class/virtio-ports')}/{port}/name"): port
        for port in _listdir(scope.path("/sys/class/virtio-ports"))
    }
    if PORT_NAME in names:
        return Finding(
            "port",
            False,
            f"the kernel has it as {names[PORT_NAME]}, but {scope.port} is missing",
            f"udev makes the link: udevadm trigger --action=add /dev/{names[PORT_NAME]}",
        )
    if names:
        other = ", ".join(sorted(name for name in names if name))
        return Finding("port", False, f"this VM has ports ({other}), none for SPICE", ADD_CHANNEL)
    if _has_virtio_serial(scope):
        return Finding(
            "port",
            False,
            "there is a virtio-serial device, but its driver is not loaded",
            "modprobe virtio_console",
        )
    return Finding("port", False, f"there is no {scope.port}", ADD_CHANNEL)


def _has_virtio_serial(scope: Scope) -> bool:
    directory = scope.path("/sys/bus/pci/devices")
    driver = os.path.exists(scope.path("/sys/module/virtio_console"))
    return not driver and any(
        _read(f"{directory}/{device}/vendor") == "0x1af4"
        and _read(f"{directory}/{device}/device") in VIRTIO_SERIAL
        for device in _listdir(directory)
    )


def _holder(scope: Scope) -> Finding:
    if _is_socket(scope.port):
        return Finding("port in use", True, "a socket takes any number of openers")
    found = holders(scope.port)
    if not found:
        if os.geteuid() != 0:
            return Finding("port in use", None, "only root can see by whom", "sudo vdagent doctor")
        return Finding("port in use", None, "by nobody: it is open while a session is served")
    text = ", ".join(f"{name} (pid {pid})" for pid, name in found)
    if any(name.startswith(OURS) for _, name in found):
        return Finding("port in use", True, f"by {text}")
    return Finding(
        "port in use",
        False,
        f"by {text}, which is no agent daemon",
        f"end it: kill {found[0][0]}",
    )


def _tablet(scope: Scope) -> Finding:
    path = scope.uinput
    if not os.path.exists(path):
        return Finding(
            "tablet",
            False,
            f"there is no {path}",
            "modprobe uinput; for every boot: echo uinput > /etc/modules-load.d/vdagent.conf",
        )
    if _read(scope.path("/proc/bus/input/devices")).find("spice vdagent tablet") >= 0:
        return Finding("tablet", True, "the kernel has a 'spice vdagent tablet'")
    if os.geteuid() == 0 and not os.access(path, os.W_OK):
        return Finding("tablet", False, f"{path} cannot be written", "see ls -l " + path)
    return Finding("tablet", True, f"{path} is there; the device is made when a session is served")
