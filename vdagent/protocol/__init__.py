# SPDX-License-Identifier: MIT
"""Both wires of a SPICE guest agent, sans-IO: bytes become messages and messages become bytes.

    chunks            the port's framing: VDI chunks carry the bytes of messages
    messages/         the vocabulary of both wires, one class per message
    host_connection   the port: handshake, capabilities, grab serials, limits
    udscs             the session socket: the same messages in another frame
    virtio_console    the control messages below the port (the lab is its own guest driver)

Nothing here reads a clock, a file descriptor or an environment variable.
"""
