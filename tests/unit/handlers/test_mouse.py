# SPDX-License-Identifier: MIT
"""Is the pointer where the viewer's is, on every monitor, and does it survive its tablet?"""

from __future__ import annotations

import pytest

from tests.unit.handlers.fakes import FakeTablet, desktop
from vdagent.errors import SystemFault
from vdagent.handlers.mouse import Mouse
from vdagent.protocol.udscs import Screen

LEFT = 1 << 1


class Tablets(list[FakeTablet]):
    """Every tablet that was made."""

    missing = False

    def make(self, width: int, height: int) -> FakeTablet:
        if self.missing:
            raise SystemFault("tablet: there is no /dev/uinput")
        self.append(FakeTablet(width, height))
        return self[-1]


@pytest.fixture
def tablets() -> Tablets:
    return Tablets()


@pytest.fixture
def mouse(tablets: Tablets) -> Mouse:
    mouse = Mouse(tablets.make)
    mouse.show(desktop(1000, 500))
    return mouse


def test_positions_are_the_screens_and_stay_on_the_desktop(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(3000, 1000, Screen(1000, 1000, 2000, 0, 1), Screen(2000, 900, 0, 100, 0)))
    assert mouse.handle([(5, 6, 0, 0), (5, 6, LEFT, 1), (0xFFFFFFFF, 0xFFFFFFFF, 0, 1)])
    assert tablets[-1].size == (3000, 1000)
    assert tablets[-1].states == [(5, 106, 0), (2005, 6, LEFT), (2999, 999, 0)]


def test_pixels_of_a_coarser_display_count_more(mouse: Mouse, tablets: Tablets) -> None:
    screens = Screen(1000, 800, 0, 0, 0), Screen(2000, 1600, 2000, 0, 1)
    mouse.show(desktop(4000, 1600, *screens), {0: 2.0, 7: 3.0})
    mouse.handle([(0, 0, 0, 0), (999, 799, LEFT, 0), (1500, 1, 0, 0), (999, 799, 0, 1)])
    assert tablets[-1].states == [(0, 0, 0), (1998, 1598, LEFT), (3000, 2, 0), (2999, 799, 0)]
    mouse.show(desktop(4000, 1600, *screens))
    mouse.handle([(999, 799, 0, 0)])
    assert tablets[-1].states[-1] == (999, 799, 0)


@pytest.mark.parametrize(
    ("transform", "corner", "below"),
    [
        (0, (0, 0), (0, 9)),
        (1, (499, 0), (490, 0)),
        (2, (499, 999), (499, 990)),
        (3, (0, 999), (9, 999)),
        (4, (499, 0), (499, 9)),
        (5, (0, 0), (9, 0)),
        (6, (0, 999), (0, 990)),
        (7, (499, 999), (490, 999)),
    ],
)
def test_a_turned_display(
    transform: int,
    corner: tuple[int, int],
    below: tuple[int, int],
    mouse: Mouse,
    tablets: Tablets,
) -> None:
    """Where its upper left pixel is in the rectangle that it shows, and the ninth below that."""
    mouse.show(desktop(700, 1000, Screen(500, 1000, 200, 0, 0)), {}, {0: transform})
    mouse.handle([(0, 0, 0, 0), (0, 9, 0, 0)])
    shown = [(x - 200, y) for x, y, _ in tablets[-1].states]
    assert shown == [corner, below]


def test_a_turned_display_beside_a_finer_one(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(2000, 1000, Screen(500, 300, 1000, 0, 0)), {0: 2.0}, {0: 1})
    mouse.handle([(0, 0, 0, 0)])
    assert tablets[-1].states == [(1998, 0, 0)]


def test_negative_screens_are_clamped(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(1000, 500, Screen(1000, 500, -100, -10, 0)))
    mouse.handle([(50, 5, 0, 0), (150, 15, 0, 0)])
    assert tablets[0].states == [(0, 0, 0), (50, 5, 0)]


def test_displays_nobody_reported_are_ignored(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(1000, 500, Screen(1000, 500, 0, 0, 0), Screen(0, 0, 7, 7, 1)))
    assert mouse.handle([(1, 1, LEFT, 1), (1, 1, LEFT, 9)])
    assert tablets[0].states == []
    assert mouse.handle([(1, 1, LEFT, 9), (2, 3, 0, 0)])
    assert tablets[0].states == [(2, 3, 0)]


def test_the_first_of_two_screens_with_one_id_counts(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(1000, 500, Screen(500, 500, 10, 0, 0), Screen(500, 500, 500, 0, 0)))
    mouse.handle([(1, 1, 0, 0)])
    assert tablets[0].states == [(11, 1, 0)]


def test_the_tablet_is_made_anew_only_for_another_size(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(1000, 500, Screen(500, 500, 500, 0, 0)))
    assert len(tablets) == 1
    mouse.show(desktop(1000, 501))
    assert len(tablets) == 2
    assert tablets[0].closed


def test_a_new_tablet_starts_with_what_the_old_one_showed(mouse: Mouse, tablets: Tablets) -> None:
    mouse.handle([(900, 400, LEFT, 0)])
    mouse.show(desktop(800, 600))
    assert tablets[1].states == [(799, 400, LEFT)]


def test_no_first_event_before_the_viewers(mouse: Mouse, tablets: Tablets) -> None:
    mouse.show(desktop(800, 600))
    assert tablets[1].states == []


def test_a_lost_tablet_is_told_and_shown_again(mouse: Mouse, tablets: Tablets) -> None:
    mouse.handle([(1, 2, 0, 0)])
    tablets[0].broken = True
    assert not mouse.handle([(3, 4, LEFT, 0)])
    assert mouse.pointer is None
    mouse.show(desktop(1000, 500))
    assert tablets[1].states == [(3, 4, LEFT)]


def test_without_a_tablet_events_are_remembered_not_played(tablets: Tablets) -> None:
    tablets.missing = True
    mouse = Mouse(tablets.make)
    with pytest.raises(SystemFault, match="uinput"):
        mouse.show(desktop(1000, 500))
    assert not mouse.handle([(3, 4, LEFT, 0)])
    tablets.missing = False
    mouse.show(desktop(1000, 500))
    assert tablets[0].states == [(3, 4, LEFT)]


def test_a_tablet_that_fails_at_its_first_event_is_none(tablets: Tablets) -> None:
    mouse = Mouse(tablets.make)
    mouse.show(desktop(1000, 500))
    mouse.handle([(1, 1, 0, 0)])

    def broken(width: int, height: int) -> FakeTablet:
        tablet = tablets.make(width, height)
        tablet.broken = True
        return tablet

    mouse._make_pointer = broken
    with pytest.raises(SystemFault):
        mouse.show(desktop(800, 600))
    assert mouse.pointer is None


def test_the_viewer_that_leaves_holds_nothing(mouse: Mouse, tablets: Tablets) -> None:
    mouse.handle([(1, 2, LEFT, 0)])
    mouse.forget()
    mouse.forget()
    assert tablets[0].states == [(1, 2, LEFT), (1, 2, 0)]


def test_a_tablet_that_is_put_away_and_back_shows_the_same(mouse: Mouse, tablets: Tablets) -> None:
    mouse.handle([(1, 2, LEFT, 0)])
    mouse.hide()
    assert tablets[0].closed
    mouse.show(desktop(1000, 500))
    assert tablets[1].states == [(1, 2, LEFT)]


def test_nothing_is_coalesced(mouse: Mouse, tablets: Tablets) -> None:
    mouse.handle([(i, i, 0, 0) for i in range(200)])
    assert len(tablets[0].states) == 200
