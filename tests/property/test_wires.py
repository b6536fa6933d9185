# SPDX-License-Identifier: MIT
"""Does everything survive the way there and back, any cut of a stream, and any garbage?"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import (
    agent_messages,
    capabilities,
    cuts,
    daemon_messages,
    port_messages,
)
from tests.support import wire
from vdagent.errors import FramingError, ProtocolError
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.constants import MessageType
from vdagent.protocol.events import Broken, MouseStates
from vdagent.protocol.host_connection import HostConnection
from vdagent.protocol.messages import (
    MESSAGES,
    ClipboardBegin,
    ClipboardEnd,
    ClipboardPart,
    Message,
    MouseState,
)
from vdagent.protocol.udscs_connection import UdscsConnection

MEMORY = 1 << 20
positions = st.lists(st.integers(0, 1 << 20), max_size=40)


def plain(events: list[Any]) -> Iterator[Any]:
    """Events however they were batched: a pointer state and a part's byte run each by itself."""
    run = bytearray()
    for event in events:
        if isinstance(event, ClipboardPart):
            run += b"".join(event.views)
            continue
        if run:
            yield bytes(run)
            run.clear()
        if isinstance(event, MouseStates):
            yield from (MouseState(*state) for state in event.states)
        else:
            yield event
    if run:
        yield bytes(run)


def receive(connection: HostConnection | UdscsConnection, pieces: list[bytes]) -> list[Any]:
    events: list[Any] = []
    for piece in pieces:
        for event in connection.receive_data(memoryview(piece)):
            if isinstance(event, ClipboardPart):
                event = ClipboardPart([memoryview(b"".join(event.views))])
            events.append(event)
            if isinstance(event, Broken):
                return list(plain(events))
    return list(plain(events))


@given(st.data())
def test_port_messages_there_and_back(data: st.DataObject) -> None:
    caps = data.draw(capabilities)
    msg = data.draw(port_messages(caps))
    body = bytes(msg.encode(caps))
    assert MESSAGES[msg.TYPE].decode(memoryview(body), caps) == msg
    assert bytes(MESSAGES[msg.TYPE].decode(body, caps).encode(caps)) == body


@given(st.lists(agent_messages, max_size=6), positions)
def test_what_agents_say_there_and_back(messages: list[Any], where: list[int]) -> None:
    agent, daemon = UdscsConnection.for_agent(), UdscsConnection.for_daemon()
    for msg in messages:
        agent.send(msg)
    assert receive(daemon, cuts(b"".join(agent.data_to_send()), where)) == messages


@given(st.lists(daemon_messages, max_size=6), positions)
def test_what_daemons_say_there_and_back(messages: list[Any], where: list[int]) -> None:
    agent, daemon = UdscsConnection.for_agent(), UdscsConnection.for_daemon()
    for msg in messages:
        daemon.send(msg)
    assert receive(agent, cuts(b"".join(daemon.data_to_send()), where)) == messages


@st.composite
def host_streams(draw: st.DrawFn) -> bytes:
    """Messages of a host, in chunks of any size, the streams of its ports interleaved."""
    caps = Capabilities(wire.VIEWER_CAPS)
    queues: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for _ in range(draw(st.integers(0, 8))):
        port = draw(st.sampled_from([1, 1, 2, 2, 0]))
        if draw(st.integers(0, 9)) == 0:
            type_, body = int(MessageType.CLIPBOARD), wire.u32(0, 1) + bytes(262_140)
        else:
            msg: Message = draw(port_messages(caps))
            type_, body = int(msg.TYPE), bytes(msg.encode(caps))
        cut = draw(
            st.sampled_from([2048, 2048, 1, 7, 20, 33]) if len(body) < 999 else st.just(2048)
        )
        data = wire.message(type_, body, port, cut)
        while data:
            size = 8 + struct.unpack_from("<I", data, 4)[0]
            queues[port].append(data[:size])
            data = data[size:]
    chunks = []
    while any(queues.values()):
        port = draw(st.sampled_from([p for p, q in queues.items() if q]))
        count = draw(st.integers(1, 20))
        chunks += queues[port][:count]
        del queues[port][:count]
    return b"".join(chunks)


@given(host_streams(), positions)
def test_any_cut_of_the_hosts_stream_means_the_same(stream: bytes, where: list[int]) -> None:
    whole, cut = HostConnection(), HostConnection()
    hello = [wire.announce(False)]
    receive(whole, hello)
    receive(cut, hello)
    assert receive(cut, cuts(stream, where)) == receive(whole, [stream])
    assert b"".join(cut.data_to_send()) == b"".join(whole.data_to_send())


garbage = st.lists(
    st.binary(max_size=60)
    | st.builds(wire.u32, st.integers(0, 3), st.integers(0, 2050))
    | st.builds(wire.header, st.integers(0, 20), st.integers(0, 0xFFFFFFFF), st.integers(0, 2))
    | st.builds(wire.message, st.integers(0, 20), st.binary(max_size=40), st.integers(0, 4))
    | st.just(wire.announce(True))
    | st.builds(
        lambda port, type_, size: wire.chunk(port, wire.header(type_, size) + bytes(100)),
        st.integers(0, 3),
        st.integers(0, 17),
        st.integers(100, 0xFFFFFFFF),
    ),
    max_size=20,
).map(b"".join)


def bounded(run: Callable[[], Any]) -> Any:
    """Run; more than MEMORY may not be held at any time."""
    tracemalloc.start()
    try:
        result = run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY + (4 << 20)  # one piece of a file may be collected
    return result


@given(garbage, positions)
def test_any_garbage_from_the_host(stream: bytes, where: list[int]) -> None:
    whole, cut = HostConnection(), HostConnection()
    events = bounded(lambda: receive(cut, cuts(stream, where)))
    assert events == receive(whole, [stream])
    assert all(not isinstance(e, Broken) for e in events[:-1])
    begun = [type(e) for e in events if isinstance(e, ClipboardBegin | ClipboardEnd)]
    assert ClipboardBegin not in begun[1::2]


@given(garbage.map(lambda data: data.replace(b"\1\0\0\0", b"")), positions, st.booleans())
def test_any_garbage_on_the_session_socket(stream: bytes, where: list[int], agent: bool) -> None:
    connection = UdscsConnection.for_agent() if agent else UdscsConnection.for_daemon()
    try:
        bounded(lambda: receive(connection, cuts(stream, where)))
    except FramingError as error:
        assert str(error).startswith("session socket: ")


frames = st.builds(
    lambda type_, arg1, arg2, size, body: (
        struct.pack("=IIII", type_, arg1, arg2, size or len(body)) + body
    ),
    st.integers(0, 15),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.just(0) | st.just(0) | st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=60),
)


@given(st.lists(frames, max_size=8).map(b"".join), positions, st.booleans())
def test_any_frames_on_the_session_socket(stream: bytes, where: list[int], agent: bool) -> None:
    make = UdscsConnection.for_agent if agent else UdscsConnection.for_daemon
    results = []
    for pieces in ([stream], cuts(stream, where)):
        try:
            results.append(bounded(partial(receive, make(), pieces)))
        except FramingError:
            results.append("broken")
    assert results[0] == results[1]


@pytest.mark.parametrize("type_", list(MessageType))
@given(body=st.binary(max_size=100), caps=capabilities)
def test_any_body_is_a_message_or_our_own_error(
    type_: MessageType, body: bytes, caps: Capabilities
) -> None:
    try:
        msg = MESSAGES[type_].decode(memoryview(body), caps)
    except ProtocolError as error:
        assert not isinstance(error, FramingError)
    else:
        again = bytes(msg.encode(Capabilities(caps.bits | 1 << 14)))
        assert MESSAGES[type_].decode(again, caps) == msg
