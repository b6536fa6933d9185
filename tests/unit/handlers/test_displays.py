# SPDX-License-Identifier: MIT
"""Which output is the viewer's display 2, and which of them does it see? (without a desktop)"""

from __future__ import annotations

import pytest

from vdagent.backends.base import Layout, Output, Rect
from vdagent.errors import DesktopError
from vdagent.handlers.displays import Displays, arrange, describe
from vdagent.protocol.messages import GraphicsDevice, MonitorConfig, MonitorsConfig
from vdagent.protocol.udscs import Screen

QXL, GPU = "pci/0000/02.0", "pci/0000/03.0/00.0"
CONNECTORS = {
    (QXL, 0): "Virtual-1",
    (QXL, 1): "Virtual-2",
    (GPU, 0): "Virtual-3",
    (GPU, 1): "DP-1",
}


def displays(*devices: GraphicsDevice) -> Displays:
    found = Displays(lambda address, index: CONNECTORS.get((address, index)))
    found.learn(devices)
    return found


def layout(*names: str) -> Layout:
    """Outputs of 100x100 side by side."""
    outputs = [Output(name, Rect(100, 100, 100 * n, 0)) for n, name in enumerate(names)]
    return Layout(100 * len(names), 100, tuple(outputs))


def names(found: Displays, *outputs: str) -> dict[int, str]:
    return {id_: output.name for id_, output in found.outputs(layout(*outputs)).items()}


def test_without_word_from_the_host_outputs_are_counted() -> None:
    assert names(displays(), "b", "a") == {0: "b", 1: "a"}


def test_the_outputs_of_one_card() -> None:
    found = displays(GraphicsDevice(0, 0, 0, QXL), GraphicsDevice(0, 1, 1, QXL))
    assert names(found, "Virtual-2", "Virtual-1") == {0: "Virtual-1", 1: "Virtual-2"}


def test_the_cards_of_several_channels() -> None:
    found = displays(GraphicsDevice(0, 0, 0, GPU), GraphicsDevice(1, 0, 1, QXL))
    assert names(found, "Virtual-1", "Virtual-2", "Virtual-3") == {0: "Virtual-3", 1: "Virtual-2"}


def test_an_x_driver_that_counts_from_0() -> None:
    found = displays(GraphicsDevice(0, 0, 0, QXL), GraphicsDevice(0, 1, 1, QXL))
    assert names(found, "Virtual-0", "Virtual-1") == {0: "Virtual-0", 1: "Virtual-1"}


def test_others_outputs_are_not_the_viewers() -> None:
    """A card that is passed through has a monitor of its own."""
    found = displays(GraphicsDevice(0, 0, 0, QXL))
    desktop = layout("HDMI-1", "Virtual-1")
    assert describe(desktop, found).screens == (Screen(100, 100, 100, 0, 0),)
    config = MonitorsConfig((MonitorConfig(800, 600), MonitorConfig(640, 480)))
    assert arrange(config, found.outputs(desktop)) == {"Virtual-1": Rect(800, 600)}


def test_a_display_whose_output_has_gone_is_reported_as_off() -> None:
    found = displays(GraphicsDevice(0, 0, 0, QXL), GraphicsDevice(0, 1, 1, QXL))
    expected = Screen(100, 100, 0, 0, 0), Screen(0, 0, 0, 0, 1)
    assert describe(layout("Virtual-1"), found).screens == expected


def test_a_desktop_that_names_its_outputs_otherwise_is_counted() -> None:
    found = displays(GraphicsDevice(0, 0, 0, QXL), GraphicsDevice(0, 1, 1, QXL))
    assert names(found, "XWAYLAND0", "XWAYLAND1") == {0: "XWAYLAND0", 1: "XWAYLAND1"}


def test_the_hosts_last_word_counts() -> None:
    found = displays(GraphicsDevice(0, 0, 0, QXL), GraphicsDevice(0, 1, 1, QXL))
    found.learn([GraphicsDevice(0, 0, 1, QXL)])
    assert names(found, "Virtual-1", "Virtual-2") == {0: "Virtual-2"}


def test_monitors_that_are_off_leave_their_number() -> None:
    off = MonitorConfig(0, 0)
    config = MonitorsConfig((off, MonitorConfig(800, 600), off, MonitorConfig(640, 480, 32, 800)))
    outputs = displays().outputs(layout("a", "b", "c", "d"))
    assert arrange(config, outputs) == {"b": Rect(800, 600), "d": Rect(640, 480, 800, 0)}


@pytest.mark.parametrize(
    "rect", [Rect(1 << 31, 9), Rect(-1, 9), Rect(9, 9, 1 << 31, 0), Rect(9, 9, 0, -(1 << 31))]
)
def test_a_desktop_that_nobody_can_have_is_not_reported(rect: Rect) -> None:
    """It would not fit the wire."""
    with pytest.raises(DesktopError, match="100x100 pixels"):
        describe(Layout(100, 100, (Output("DP-1", rect),)), Displays(lambda *_: None))
    with pytest.raises(DesktopError):
        describe(Layout(1 << 31, 100, ()), Displays(lambda *_: None))
