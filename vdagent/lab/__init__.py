# SPDX-License-Identifier: MIT
"""What is the lab? A real QEMU and spice-server in which this package plays the guest.

QEMU runs without a guest kernel: its processor halts in a ROM, and we drive its virtio-serial
PCI device from outside, through QEMU's qtest socket, as a kernel would from inside. The agent
port appears as a UNIX socket here and as the agent of a virtual machine to the viewer.

    viewer ── SPICE ── spice-server │ QEMU │ virtio-serial-pci
                                                   │ qtest (guest memory, PCI, interrupts)
    vdagent daemon ── UNIX socket ── bridge ── virtio_serial ── virtqueue ── pci ── qtest
"""
