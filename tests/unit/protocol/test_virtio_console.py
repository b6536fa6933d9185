# SPDX-License-Identifier: MIT
"""Does the guest driver hold a virtio-serial control conversation, whatever the host says?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdagent.errors import ProtocolError
from vdagent.protocol.virtio_console import (
    BAD_PORT,
    MAX_NAME,
    ConsoleChosen,
    ControlEvent,
    ControlMessage,
    Event,
    GuestDriver,
    HostClosed,
    HostOpened,
    PortAdded,
    PortNamed,
    PortRemoved,
    PortResized,
    Skipped,
)


def say(
    driver: GuestDriver, port: int, event: int, value: int = 1, tail: bytes = b""
) -> list[Event]:
    return driver.receive(ControlMessage(port, event, value, tail).encode())


def sent(driver: GuestDriver) -> list[ControlMessage]:
    return [ControlMessage.decode(message) for message in driver.data_to_send()]


@pytest.fixture
def driver() -> GuestDriver:
    """A driver that knows of port 1, with nothing left to send."""
    driver = GuestDriver(max_ports=4)
    driver.start()
    say(driver, 1, ControlEvent.PORT_ADD)
    driver.data_to_send()
    return driver


def test_layout() -> None:
    message = ControlMessage(1, ControlEvent.PORT_NAME, 1, b"a")
    assert message.encode() == bytes.fromhex("01000000 0700 0100 61")
    assert ControlMessage.decode(message.encode()) == message


def test_start_asks_for_the_ports() -> None:
    driver = GuestDriver(max_ports=4)
    driver.start()
    assert sent(driver) == [ControlMessage(BAD_PORT, ControlEvent.DEVICE_READY, 1)]


def test_an_added_port_is_answered_ready() -> None:
    driver = GuestDriver(max_ports=4)
    assert say(driver, 3, ControlEvent.PORT_ADD) == [PortAdded(3)]
    assert sent(driver) == [ControlMessage(3, ControlEvent.PORT_READY, 1)]


def test_a_port_added_twice_is_answered_again_and_keeps_its_state(driver: GuestDriver) -> None:
    say(driver, 1, ControlEvent.PORT_OPEN)
    assert say(driver, 1, ControlEvent.PORT_ADD) == []
    assert sent(driver) == [ControlMessage(1, ControlEvent.PORT_READY, 1)]
    assert driver.ports[1].host_open


def test_what_the_host_says_of_a_port(driver: GuestDriver) -> None:
    assert say(driver, 1, ControlEvent.PORT_NAME, tail=b"com.redhat.spice.0\0") == [
        PortNamed(1, "com.redhat.spice.0")
    ]
    assert say(driver, 1, ControlEvent.RESIZE, tail=bytes.fromhex("5000 1900")) == [
        PortResized(1, 80, 25)
    ]
    assert say(driver, 1, ControlEvent.PORT_OPEN) == [HostOpened(1)]
    port = driver.ports[1]
    assert (port.name, port.columns, port.rows) == ("com.redhat.spice.0", 80, 25)
    assert port.host_open
    assert say(driver, 1, ControlEvent.PORT_OPEN, 0) == [HostClosed(1)]
    assert not port.host_open


def test_a_console_port_is_opened(driver: GuestDriver) -> None:
    assert say(driver, 1, ControlEvent.CONSOLE_PORT) == [ConsoleChosen(1)]
    assert sent(driver) == [ControlMessage(1, ControlEvent.PORT_OPEN, 1)]
    assert driver.ports[1].is_console


def test_open_and_close(driver: GuestDriver) -> None:
    driver.open_port(1)
    assert driver.ports[1].guest_open
    driver.close_port(1)
    assert not driver.ports[1].guest_open
    assert sent(driver) == [
        ControlMessage(1, ControlEvent.PORT_OPEN, 1),
        ControlMessage(1, ControlEvent.PORT_OPEN, 0),
    ]


def test_a_removed_port_is_gone_until_it_is_added_again(driver: GuestDriver) -> None:
    assert say(driver, 1, ControlEvent.PORT_REMOVE) == [PortRemoved(1)]
    with pytest.raises(ProtocolError):
        driver.open_port(1)
    assert say(driver, 1, ControlEvent.PORT_ADD) == [PortAdded(1)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\1\0\0\0\1\0\1",  # a byte short
        ControlMessage(4, ControlEvent.PORT_ADD, 1).encode(),  # the device has ports 0 to 3
        ControlMessage(BAD_PORT, ControlEvent.PORT_ADD, 1).encode(),
        ControlMessage(2, ControlEvent.PORT_OPEN, 1).encode(),  # was never added
        ControlMessage(1, 8, 1).encode(),
        ControlMessage(1, ControlEvent.DEVICE_READY, 1).encode(),  # only a guest says that
        ControlMessage(1, ControlEvent.PORT_READY, 1).encode(),
        ControlMessage(1, ControlEvent.RESIZE, 0, b"\0\0\0").encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"\0").encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"a" * (MAX_NAME + 1)).encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"\xff\xfe").encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"../../dev/mem").encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"a\0b").encode(),
        ControlMessage(1, ControlEvent.PORT_NAME, 1, b"a\nb").encode(),
    ],
)
def test_bad_messages_are_skipped(driver: GuestDriver, message: bytes) -> None:
    (event,) = driver.receive(message)
    assert isinstance(event, Skipped)
    assert event.message == message
    assert event.reason
    assert driver.data_to_send() == []
    assert list(driver.ports) == [1]
    assert driver.ports[1].name == ""


@given(st.lists(st.binary(max_size=64) | st.builds(
    lambda *fields: ControlMessage(*fields).encode(),
    st.integers(0, 5), st.integers(0, 9), st.integers(0, 2), st.binary(max_size=300),
)))  # fmt: skip
def test_no_conversation_breaks_the_driver(messages: list[bytes]) -> None:
    driver = GuestDriver(max_ports=4)
    driver.start()
    for message in messages:
        driver.receive(message)
        assert all(number < 4 for number in driver.ports)
        for outgoing in driver.data_to_send():
            assert ControlMessage.decode(outgoing).event in (0, 3, 6)
