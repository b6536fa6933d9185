# SPDX-License-Identifier: MIT
"""Does the active session hear what the host says of monitors, devices and volume, also later?"""

from __future__ import annotations

from tests.unit.handlers.fakes import FakeAgent, FakeHost, desktop
from vdagent.handlers.relay import Relay
from vdagent.handlers.sessions import Sessions
from vdagent.protocol.messages import (
    AudioVolumeSync,
    ClientDisconnected,
    GraphicsDevice,
    GraphicsDeviceInfo,
    MonitorConfig,
    MonitorsConfig,
    Reply,
)

CONFIG = MonitorsConfig((MonitorConfig(800, 600),), 3)
DEVICES = GraphicsDeviceInfo((GraphicsDevice(0, 0, 0, "pci/0000/02.0"),))
VOLUME = AudioVolumeSync(True, False, (1, 2))


def setup() -> tuple[FakeHost, Sessions, Relay]:
    host = FakeHost()
    relay: Relay
    sessions = Sessions(lambda agent: relay.active_changed(agent))
    relay = Relay(host, sessions)
    return host, sessions, relay


def join(sessions: Sessions, name: str = "agent") -> FakeAgent:
    agent = FakeAgent(name)
    sessions.add(agent)
    sessions.reported(agent, desktop())
    return agent


def test_the_active_session_is_told() -> None:
    host, sessions, relay = setup()
    old, new = join(sessions, "old"), join(sessions, "new")
    relay.monitors(CONFIG)
    relay.devices(DEVICES)
    relay.volume(VOLUME)
    assert old.sent == []
    assert new.sent == [CONFIG, DEVICES, VOLUME]
    assert host.sent == [Reply(2, 1)]


def test_a_config_is_taken_also_when_nobody_is_there() -> None:
    host, _, relay = setup()
    relay.monitors(CONFIG)
    relay.devices(DEVICES)
    relay.volume(VOLUME)
    assert host.sent == [Reply(2, 1)]


def test_who_becomes_active_later_is_told_as_well() -> None:
    _, sessions, relay = setup()
    relay.monitors(CONFIG)
    relay.devices(DEVICES)
    relay.volume(VOLUME)
    first = join(sessions)
    assert first.take() == [DEVICES, CONFIG]
    second = join(sessions)
    assert second.take() == [DEVICES, CONFIG]
    sessions.remove(second)
    assert first.take() == [DEVICES, CONFIG]


def test_what_says_nothing_is_not_passed_on() -> None:
    """No device makes the C agent read what is not there; without a volume there is still a mute."""
    _, sessions, relay = setup()
    agent = join(sessions)
    relay.devices(GraphicsDeviceInfo(()))
    assert agent.sent == []
    relay.volume(AudioVolumeSync(True, True, ()))
    assert agent.take() == [AudioVolumeSync(True, True, ())]
    assert join(sessions).sent == []


def test_every_session_hears_that_the_client_left() -> None:
    _, sessions, relay = setup()
    agents = [join(sessions), join(sessions)]
    silent = FakeAgent()
    sessions.add(silent)
    relay.client_gone()
    assert [a.take() for a in (*agents, silent)] == [[ClientDisconnected()]] * 3
