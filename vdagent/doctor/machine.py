# SPDX-License-Identifier: MIT
"""Is this a VM with a SPICE port, and can the daemon use its devices?"""

from __future__ import annotations

import errno
import os
import platform
import stat

from .. import __version__
from ..options import PORT_NAME
from ..transport.holders import holders
from .finding import Finding, Scope, Status

ADD_CHANNEL = (
    "on the host add it: virt-manager: Add Hardware → Channel → com.redhat.spice.0; libvirt: <channel "
    "type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>; QEMU: -device "
    "virtio-serial -chardev spicevmc,id=vdagent,name=vdagent -device "
    "virtserialport,chardev=vdagent,name=com.redhat.spice.0"
)
VIRTIO_SERIAL = ("0x1003", "0x1043")  # PCI device ids of Red Hat (0x1af4)
DAEMONS = ("vdagent", "spice-vdagentd")
# Other hypervisors' guests have agents of their own.
OTHERS = {
    "VMware": "open-vm-tools",
    "innotek": "virtualbox-guest-utils",
    "Microsoft": "hyperv-daemons",
    "Xen": "xe-guest-utilities",
}


def examine(scope: Scope, status: Status | None) -> list[Finding]:
    """Versions, virtual machine, port, who has it, tablet."""
    found = [_versions(scope), _virtual_machine(scope)]
    port = _port(scope)
    found.append(port)
    if port.ok:
        found.append(_holder(scope, status))
    return [*found, _tablet(scope, status["tablet"] if status is not None else None)]


def _versions(scope: Scope) -> Finding:
    machine = scope.read("/sys/class/dmi/id/product_version")
    parts = [
        f"vdagent {__version__}",
        f"Python {platform.python_version()}",
        f"Linux {platform.release()}",
        *([machine] if machine else []),
    ]
    return Finding("versions", True, ", ".join(parts))


def _virtual_machine(scope: Scope) -> Finding:
    if _is_socket(scope.port):
        return Finding("machine", True, "the port is a UNIX socket, so the host is on this machine")
    vendor = scope.read("/sys/class/dmi/id/sys_vendor")
    name = f"{vendor} {scope.read('/sys/class/dmi/id/product_name')}".strip()
    if "QEMU" in name or "KVM" in name:
        return Finding("machine", True, f"a virtual machine ({name})")
    other = next((agent for maker, agent in OTHERS.items() if vendor.startswith(maker)), None)
    if other is not None and " hypervisor" in scope.read("/proc/cpuinfo"):
        hint = f"the agent is for guests of QEMU/KVM; for this one there is {other}"
        return Finding("machine", False, f"a virtual machine of another kind ({name})", hint)
    is_guest = (
        " hypervisor" in scope.read("/proc/cpuinfo")
        or "dummy-virt" in scope.read("/proc/device-tree/compatible")
        or scope.entries("/sys/class/virtio-ports")
    )
    if is_guest:
        return Finding("machine", True, f"a virtual machine ({name or 'it does not say which'})")
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
    try:
        mode = os.stat(scope.port).st_mode
    except OSError:
        return _no_port(scope)
    if not (stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
        hint = f"remove it, and let udev make it anew: rm {scope.port}; udevadm trigger"
        return Finding("port", False, f"{scope.port} is neither a device nor a socket", hint)
    if os.geteuid() == 0 and not os.access(scope.port, os.R_OK | os.W_OK):
        hint = f"this root may not use it, as in a container: see ls -l {scope.port}"
        return Finding("port", False, f"{scope.port} cannot be read and written", hint)
    return Finding("port", True, scope.port)


def _no_port(scope: Scope) -> Finding:
    ports = "/sys/class/virtio-ports"
    names = {scope.read(f"{ports}/{port}/name"): port for port in scope.entries(ports)}
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
    devices = "/sys/bus/pci/devices"
    driver = os.path.exists(scope.path("/sys/module/virtio_console"))
    return not driver and any(
        scope.read(f"{devices}/{device}/vendor") == "0x1af4"
        and scope.read(f"{devices}/{device}/device") in VIRTIO_SERIAL
        for device in scope.entries(devices)
    )


def _holder(scope: Scope, status: Status | None) -> Finding:
    if _is_socket(scope.port):
        return Finding("port in use", True, "a socket takes any number of openers")
    found = holders(scope.port)
    if not found:
        if os.geteuid() != 0:
            return Finding("port in use", None, "only root can see by whom", "sudo vdagent doctor")
        return Finding("port in use", True, "by nobody: it is open while a session is served")
    text = ", ".join(f"{name} (pid {pid})" for pid, name in found)
    daemon = status["pid"] if status is not None else None
    if any(pid == daemon or name.startswith(DAEMONS) for pid, name in found):
        return Finding("port in use", True, f"by {text}")
    return Finding(
        "port in use", False, f"by {text}, which is no agent daemon", f"end it: kill {found[0][0]}"
    )


def _tablet(scope: Scope, tablet: Status | None) -> Finding:
    """What the daemon says of its device, or else what can be seen of the node it would be made with."""
    if tablet is not None and tablet["ready"]:
        return Finding("tablet", True, f"the daemon has made its pointer with {tablet['path']}")
    path = tablet["path"] if tablet is not None else scope.uinput
    problem = tablet["problem"] if tablet is not None else None
    number = _open_error(path)
    if number == errno.ENOENT:
        hint = "modprobe uinput; for every boot: echo uinput > /etc/modules-load.d/vdagent.conf"
        return Finding("tablet", False, f"there is no {path}", hint)
    if number == errno.ENODEV:
        hint = "load the module: modprobe uinput; without one, install the kernel's extra modules"
        return Finding("tablet", False, f"{path} is there, its driver is not", hint)
    if problem is not None or (number is not None and os.geteuid() == 0):
        detail = problem or f"{path} cannot be written: {os.strerror(number or errno.EIO)}"
        hint = scope.access_hint(detail, path) or f"see ls -l {path}"
        # The daemon's words have their layer in front and a hint of their own behind.
        detail = detail.removeprefix("tablet: ").partition(" (")[0]
        return Finding("tablet", False, detail, hint)
    return Finding("tablet", True, f"{path} is there; the device is made when a session is served")


def _open_error(path: str) -> int | None:
    """Why the node cannot be opened; opening alone makes no device."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno
    return None
