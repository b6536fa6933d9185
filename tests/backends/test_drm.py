# SPDX-License-Identifier: MIT
"""Is a graphics card's connector found by the host's words, and its preferred mode? (trees like sysfs)

The real thing is in tests/guest/test_graphics_cards.py; here are the cards that no QEMU has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vdagent.backends import drm

ON_A_PORT = "pci0000:00/0000:00:02.0/virtio0"
BEHIND_A_BRIDGE = "pci0000:00/0000:00:03.0/0000:01:00.0"


class Sysfs:
    """A directory like /sys."""

    def __init__(self, root: Path) -> None:
        self._devices = root / "devices"
        self._class = root / "class/drm"
        self._class.mkdir(parents=True)
        self.path = str(self._class)
        self._ids = 0

    def card(self, number: int, place: str, *connectors: str, ids: bool = True) -> None:
        """A card at this place of the bus; its connectors in the kernel's order."""
        card = self._devices / place / f"drm/card{number}"
        card.mkdir(parents=True)
        (self._class / card.name).symlink_to(card)
        for name in connectors:
            self._ids += 1
            connector = card / f"{card.name}-{name}"
            connector.mkdir()
            (self._class / connector.name).symlink_to(connector)
            if ids:
                (connector / "connector_id").write_text(f"{self._ids}\n")

    def plug(self, connector: str, modes: str, status: str = "connected") -> None:
        """What is at a connector."""
        directory = self._class / connector
        (directory / "status").write_text(f"{status}\n")
        (directory / "modes").write_text(modes)

    def find(self, address: str, index: int) -> str | None:
        return drm.find_connector(address, index, self.path)


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def test_by_the_cards_place_and_the_connectors_index(sysfs: Sysfs) -> None:
    sysfs.card(0, ON_A_PORT, "Virtual-1", "Virtual-2")
    assert sysfs.find("pci/0000/02.0", 0) == "Virtual-1"
    assert sysfs.find("pci/0000/02.0", 1) == "Virtual-2"
    assert sysfs.find("pci/0000/02.0", 2) is None
    assert sysfs.find("pci/0000/03.0", 0) is None


def test_two_cards_and_a_gap_in_their_numbers(sysfs: Sysfs) -> None:
    sysfs.card(0, "pci0000:00/0000:00:01.0", "Virtual-1")
    sysfs.card(12, "pci0000:00/0000:00:05.0", "Virtual-2")
    assert sysfs.find("pci/0000/05.0", 0) == "Virtual-2"
    assert sysfs.find("pci/0000/01.0", 0) == "Virtual-1"


def test_behind_a_bridge_whatever_the_buses_number(sysfs: Sysfs) -> None:
    sysfs.card(0, BEHIND_A_BRIDGE, "Virtual-1")
    assert sysfs.find("pci/0000/03.0/00.0", 0) == "Virtual-1"
    assert sysfs.find("pci/0000/03.0", 0) is None
    assert sysfs.find("pci/0000/00.0", 0) is None
    assert sysfs.find("pci/0001/03.0/00.0", 0) is None


def test_the_address_is_hexadecimal(sysfs: Sysfs) -> None:
    sysfs.card(0, "pci0000:00/0000:00:1e.7", "DP-1")
    assert sysfs.find("pci/0000/1e.7", 0) == "DP-1"
    assert sysfs.find("pci/0/1E.7", 0) == "DP-1"


def test_connectors_are_in_the_kernels_order(sysfs: Sysfs) -> None:
    sysfs.card(0, ON_A_PORT, "HDMI-A-2", "DP-1", "HDMI-A-1")
    assert [sysfs.find("pci/0000/02.0", n) for n in range(3)] == ["HDMI-A-2", "DP-1", "HDMI-A-1"]


def test_older_kernels_tell_no_order_but_number(sysfs: Sysfs) -> None:
    names = [f"Virtual-{number}" for number in range(1, 13)]
    sysfs.card(0, ON_A_PORT, *reversed(names), ids=False)
    assert [sysfs.find("pci/0000/02.0", n) for n in range(12)] == names


NO_ADDRESSES = (
    *("", "pci", "pci/", "pci/0000", "pci/0000/", "pci/0000/02", "pci/0000/02.", "pci/0000/02.0/"),
    *("pci/x/02.0", "pci/0000/g.0", "usb/0000/02.0", "\ufffd"),
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_finds_nothing(sysfs: Sysfs, address: str) -> None:
    sysfs.card(0, ON_A_PORT, "Virtual-1")
    assert sysfs.find(address, 0) is None


def test_without_cards(sysfs: Sysfs, tmp_path: Path) -> None:
    assert sysfs.find("pci/0000/02.0", 0) is None
    assert drm.find_connector("pci/0000/02.0", 0, str(tmp_path / "none")) is None
    assert drm.preferred_modes(str(tmp_path / "none")) == {}


def test_preferred_modes_are_the_first_of_what_is_connected(sysfs: Sysfs) -> None:
    sysfs.card(0, ON_A_PORT, "Virtual-1", "Virtual-2", "Virtual-3", "HDMI-A-1")
    sysfs.plug("card0-Virtual-1", "1111x777\n1024x768\n")
    sysfs.plug("card0-Virtual-2", "1024x768\n", "disconnected")
    sysfs.plug("card0-Virtual-3", "")
    sysfs.plug("card0-HDMI-A-1", "1920x1080i\n1920x1080\n")
    assert drm.preferred_modes(sysfs.path) == {
        "Virtual-1": (1111, 777),
        "HDMI-A-1": (1920, 1080),
    }
