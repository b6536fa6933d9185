# SPDX-License-Identifier: MIT
"""Can a recorded capture be replayed through the protocol, and does a trace tell no content?"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import replay, wire
from tests.support.wire import Port, Uds
from vdagent import capture, cli
from vdagent.monitor import Text
from vdagent.protocol import messages as m
from vdagent.protocol.capabilities import Capabilities
from vdagent.protocol.events import Broken, MouseStates, Skipped
from vdagent.protocol.host_connection import HostConnection
from vdagent.protocol.trace import Completed, Passed, Trace
from vdagent.protocol.udscs_connection import UdscsConnection

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.jsonl"))
SECRET = b"correct horse battery staple"


def cut(data: bytes, seed: int) -> list[memoryview]:
    """The same bytes in pieces of any size."""
    rng, pieces, view = random.Random(seed), [], memoryview(data)
    while view:
        size = rng.choice((1, 7, 28, 500, 4096, 100_000))
        pieces.append(view[:size])
        view = view[size:]
    return pieces


def whole(events: list[Any]) -> list[Any]:
    """Events, with pointer messages one by one, and large clipboards as one."""
    result: list[Any] = []
    for event in events:
        if isinstance(event, MouseStates):
            result += [m.MouseState(*state) for state in event.states]
        elif isinstance(event, m.ClipboardBegin):
            result.append(m.Clipboard(event.selection, event.type, bytes(event.size)))
        elif not isinstance(event, m.ClipboardPart | m.ClipboardEnd):
            result.append(event)
    return result


def say(connection: HostConnection, line: replay.Line) -> None:
    """What the daemon sent then, by what it called then."""
    msg = m.MESSAGES[line["type"]].decode(replay.body(line), connection.client)
    if isinstance(msg, m.ClipboardGrab):
        connection.grab(msg.selection, msg.types)  # with the serial that is due
    elif isinstance(msg, m.AnnounceCapabilities) and msg.request:
        connection.announce()
    elif not isinstance(msg, m.AnnounceCapabilities):  # the answer to one goes by itself
        connection.send(msg)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(4))
def test_the_port_of_a_capture(path: Path, seed: int) -> None:
    """Read again it is the same messages, and our connection says what it said then."""
    _, lines = replay.read(path)
    connection, events = HostConnection(), []
    sent = bytearray()
    for line in replay.messages(lines, wire="port"):
        if line["from"] == "daemon":
            say(connection, line)
        else:
            for piece in cut(replay.wire_bytes(line), seed):
                events += connection.receive_data(piece)
        sent += b"".join(map(bytes, connection.data_to_send()))
    read = whole(events)
    heard = replay.messages(lines, wire="port", from_="host")
    assert not [event for event in read if isinstance(event, Skipped | Broken)]
    assert [event.TYPE for event in read] == [line["type"] for line in heard]
    clips = [len(event.data) for event in read if isinstance(event, m.Clipboard)]
    head = 8  # the client of this capture names the selection
    assert clips == [line["size"] - head for line in heard if line["type"] == Port.CLIPBOARD]
    ours = replay.messages(lines, wire="port", from_="daemon")
    assert sent == b"".join(map(replay.wire_bytes, ours))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("sender", ["agent", "daemon"])
def test_a_sessions_half_of_a_capture(path: Path, sender: str) -> None:
    """Read again and written again it is the same bytes."""
    _, lines = replay.read(path)
    said = replay.messages(lines, wire="session", from_=sender)
    ends = [UdscsConnection.for_daemon(), UdscsConnection.for_agent()]
    reader, writer = ends if sender == "agent" else ends[::-1]
    data = b"".join(map(replay.wire_bytes, said))
    written = bytearray()
    for piece in cut(data, 1):
        for event in reader.receive_data(piece):
            assert not isinstance(event, Skipped)
            writer.send(event)
            written += b"".join(map(bytes, writer.data_to_send()))
    assert said and written == data


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_line_of_a_capture_is_understood(path: Path) -> None:
    beginning, lines = replay.read(path)
    reader, text = capture.Reader(beginning), Text(beginning)
    for line in lines:
        if "type" in line:
            assert reader.message(line) is not None, line
        assert text.line(line)


def trace_of(trace: Trace, data: bytes, size: int) -> list[Any]:
    items: list[Any] = []
    for start in range(0, len(data), size):
        items += trace.received(memoryview(data)[start : start + size])
    return items


@pytest.mark.parametrize("size", [1, 13, 4096, 1 << 20])
@pytest.mark.parametrize("length", [0, 5, 300, 300_000])
def test_content_is_not_shown(size: int, length: int) -> None:
    content = (SECRET * (length // len(SECRET) + 1))[:length]
    file_data = b"\1\0\0\0" + length.to_bytes(8, "little") + content
    port = [
        wire.announce(False),
        wire.clipboard(content),
        wire.message(Port.FILE_DATA, file_data),
        wire.message(99, content),
    ]
    session = [
        wire.frame(Uds.DATA, 0, 1, content),
        wire.frame(Uds.FILE_DATA, 0, 0, file_data),
        wire.frame(99, 0, 0, content),
    ]
    for trace, data in ((Trace.of_port(), port), (Trace.of_session(), session)):
        items = trace_of(trace, b"".join(data), size)
        passed = [item for item in items if isinstance(item, Passed)]
        assert len(passed) == len(data)
        assert not [item for item in passed if SECRET[:4] in item.shown]
        assert passed[-3].size == length + (8 if data is port else 0)
        assert all(isinstance(item, Passed | Completed) for item in items)


def test_a_client_that_names_no_selection_shows_nothing_more() -> None:
    trace = Trace.of_port(Capabilities(0))
    [item] = trace.received(memoryview(wire.message(Port.CLIPBOARD, wire.u32(1) + SECRET)))
    assert item == Passed(Port.CLIPBOARD, (wire.CLIENT,), 4 + len(SECRET), wire.u32(1))


def test_what_is_sent_is_seen_and_completed() -> None:
    connection, trace = HostConnection(), Trace.of_port()
    connection.send_begin(m.ClipboardBegin(0, 1, 1000))
    connection.send_part(m.ClipboardPart([memoryview(bytes(10))]))
    assert trace.sent(connection.data_to_send()) == [
        Passed(Port.CLIPBOARD, (wire.CLIENT,), 1004, wire.u32(1))
    ]
    connection.send_part(m.ClipboardPart([memoryview(bytes(990))]))
    connection.send(m.Reply(2, 1))
    completed, reply = trace.sent(connection.data_to_send())
    assert completed == Completed()
    assert reply == Passed(Port.REPLY, (wire.CLIENT,), 8, wire.u32(2, 1))


def test_a_stream_out_of_step_is_told_once() -> None:
    trace = Trace.of_port()
    bad = wire.u32(wire.CLIENT, 5000)
    assert [type(item) for item in trace.received(memoryview(bad))] == [Broken]
    assert trace.received(memoryview(wire.mouse(1, 1))) == []


def test_a_client_that_leaves_in_the_middle_takes_the_rest_with_it() -> None:
    trace = Trace.of_port()
    half = wire.clipboard(bytes(5000))[:2056]
    items = trace.received(
        memoryview(half + wire.message(Port.CLIENT_DISCONNECTED, b"", wire.SERVER))
    )
    types = [item.type for item in items if isinstance(item, Passed)]
    assert types == [Port.CLIPBOARD, Port.CLIENT_DISCONNECTED] and len(items) == 2
    [item] = trace.received(memoryview(wire.announce(True)))
    assert isinstance(item, Passed) and item.type == Port.ANNOUNCE


@given(st.binary(max_size=4000), st.integers(1, 400), st.booleans())
def test_garbage_is_told_and_raises_nothing(data: bytes, size: int, session: bool) -> None:
    trace = Trace.of_session() if session else Trace.of_port()
    beginning = {"port": {"client": 0}, "time": 0.0}
    reader, text = capture.Reader(beginning), Text(beginning)
    where = {"t": 0.0, "wire": "session", "pid": 1} if session else {"t": 0.0, "wire": "port"}
    for item in trace_of(trace, data, size):
        line = json.loads(json.dumps(capture.line({**where, "from": "host"}, item)))
        if "type" in line:
            reader.message(line)
        assert text.line(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a capture, or is cut"),
        ("{}\n", "is not a capture, or is cut"),
        ('{"capture": 9}\n', "is not a capture, or is cut"),
        ('{"capture": 1, "time": 0, "port": {"client": 0}}\n{"t": 1}\n', "no line of a capture"),
        ('{"capture": 1, "time": 0, "port": {"client": 0}}\n{"t": 1, "wi', "or is cut"),
    ],
)
def test_what_is_no_capture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert cli.main(["monitor", "--read", str(path)]) == 1
    assert said in caplog.text
