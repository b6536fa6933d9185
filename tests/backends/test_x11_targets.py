# SPDX-License-Identifier: MIT
"""Are targets matched as desktops write them, and is text what each target promises?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdagent.backends.base import Format
from vdagent.backends.x11 import targets
from vdagent.backends.x11.owner import is_before

NAMES = st.sampled_from([*targets.all_names(), "image/jpg", "image/webp", "TARGETS", "x/y", ""])


@given(st.lists(NAMES))
def test_chosen_targets_are_offered_ones_of_their_format(offered: list[str]) -> None:
    chosen = targets.choose(offered)
    assert set(chosen) == {fmt for fmt in map(targets.format_of, offered) if fmt}
    for fmt, name in chosen.items():
        assert name in offered
        assert targets.format_of(name) is fmt


@given(NAMES)
def test_case_does_not_count(name: str) -> None:
    assert targets.format_of(name.upper()) is targets.format_of(name.lower())


def test_what_is_certainly_utf8_comes_first() -> None:
    assert targets.choose(["STRING", "text/plain", "UTF8_STRING"]) == {Format.TEXT: "UTF8_STRING"}
    assert targets.choose(["TEXT", "Text/Plain"]) == {Format.TEXT: "Text/Plain"}


@given(st.text(), st.sampled_from(targets.TARGETS[Format.TEXT]))
def test_text_survives_the_way_out_and_in(text: str, target: str) -> None:
    kind, data = targets.encode(target, text.encode())
    back = bytes(targets.decode(kind, bytearray(data))).decode()
    if target != "STRING" or text.isascii():
        assert back == text
    else:
        assert len(bytes(data)) == len(text)  # one Latin-1 character each


def test_names_of_several_formats() -> None:
    names = targets.offered_names([Format.PNG, Format.BMP, Format.PNG])
    assert names == [
        "image/png",
        "image/bmp",
        "image/x-bmp",
        "image/x-MS-bmp",
        "image/x-win-bitmap",
    ]


@pytest.mark.parametrize(
    ("time", "other", "before"),
    [(1, 2, True), (2, 1, False), (5, 5, False), (0xFFFFFFF0, 3, True), (3, 0xFFFFFFF0, False)],
)
def test_server_times_wrap_around(time: int, other: int, before: bool) -> None:
    assert is_before(time, other) is before
