# SPDX-License-Identifier: MIT
"""What happens to the selections of one seat, and which of it are our own doings?

Speaks data-control: `ext_data_control_v1` and `zwlr_data_control_v1` have the same requests and
events, only the latter's version 1 has no PRIMARY.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from ..base import Selection
from ..pipes import open_pipe
from .connection import WaylandConnection

MAX_TYPES = 256
MAX_INTRODUCED = 16  # offers announced and not yet put into a selection


class Offer:
    """What a program offers in a selection; valid until the selection changes."""

    def __init__(self, connection: WaylandConnection, proxy: Any) -> None:
        self._connection = connection
        self._proxy = proxy
        self.mime_types: list[str] = []
        connection.listen(proxy, {"offer": self._add})

    def _add(self, mime: str) -> None:
        if len(self.mime_types) < MAX_TYPES:
            self.mime_types.append(mime)

    def request(self, mime: str) -> int:
        """Ask for the contents; returns a pipe's reading end."""
        reading, writing = open_pipe()
        try:
            self._proxy.receive(mime, writing)
            self._connection.flush()
        finally:
            os.close(writing)
        return reading

    @property
    def is_valid(self) -> bool:
        return not self._proxy.destroyed

    def destroy(self) -> None:
        if self.is_valid:
            self._proxy.destroy()


class Source:
    """What we own in a selection; `marker` is a MIME type that names this claim and no other."""

    def __init__(self, proxy: Any, marker: str) -> None:
        self.proxy = proxy
        self.marker = marker
        self.confirmed = False  # the compositor has handled our claim

    def destroy(self) -> None:
        """Give the selection up, unless a program has taken it meanwhile."""
        if not self.proxy.destroyed:
            self.proxy.destroy()


class SeatListener(Protocol):
    """What one seat tells."""

    def on_selection(self, seat: SeatSelections, selection: Selection, offer: Offer | None) -> None:
        """Somebody took `selection`, or nobody has it any more (None)."""

    def on_cancelled(self, seat: SeatSelections, selection: Selection, marker: str) -> None:
        """Our claim `marker` was ended by somebody else."""

    def on_seat_gone(self, seat: SeatSelections) -> None:
        """The seat's selections are no more."""


class SeatSelections:
    """The selections of one seat; programs' doings go to the listener."""

    def __init__(
        self,
        connection: WaylandConnection,
        manager: Any,
        wl_seat: Any,
        listener: SeatListener,
    ) -> None:
        self._connection = connection
        self._manager = manager
        self._wl_seat = wl_seat  # kept: what nobody holds any more is destroyed
        self._listener = listener
        self._introduced: dict[Any, Offer] = {}
        self._offers: dict[Selection, Offer] = {}
        self._sources: dict[Selection, Source] = {}
        self._device = manager.get_data_device(wl_seat)
        connection.listen(
            self._device,
            {
                "data_offer": self._on_data_offer,
                "selection": partial(self._on_selection, Selection.CLIPBOARD),
                "primary_selection": partial(self._on_selection, Selection.PRIMARY),
                "finished": lambda: listener.on_seat_gone(self),
            },
        )

    def _on_data_offer(self, proxy: Any) -> None:
        self._introduced[proxy] = Offer(self._connection, proxy)
        if len(self._introduced) > MAX_INTRODUCED:
            self._introduced.pop(next(iter(self._introduced))).destroy()

    def _on_selection(self, selection: Selection, proxy: Any) -> None:
        former = self._offers.pop(selection, None)
        if former is not None:
            former.destroy()
        offer = self._introduced.pop(proxy, None) if proxy is not None else None
        if offer is not None:
            self._offers[selection] = offer
        source = self._sources.get(selection)
        if source is not None and not source.confirmed:
            # From before our claim, which has replaced it, or our claim itself.
            source.confirmed = offer is not None and source.marker in offer.mime_types
            return
        self._listener.on_selection(self, selection, offer)

    def claim(
        self,
        selection: Selection,
        mime_types: Sequence[str],
        marker: str,
        send: Callable[[str, int], None],
    ) -> None:
        """Own `selection`; `send(mime, fd)` is called whenever a program pastes."""
        proxy = self._manager.create_data_source()
        source = Source(proxy, marker)
        for mime in (*mime_types, marker):
            proxy.offer(mime)
        cancelled = partial(self._on_cancelled, selection, source)
        self._connection.listen(proxy, {"send": send, "cancelled": cancelled})
        former = self._sources.get(selection)
        self._sources[selection] = source
        if selection is Selection.CLIPBOARD:
            self._device.set_selection(proxy)
        else:
            self._device.set_primary_selection(proxy)
        if former is not None:
            former.destroy()
        self._connection.fence(partial(setattr, source, "confirmed", True))
        self._connection.flush()

    def _on_cancelled(self, selection: Selection, source: Source) -> None:
        source.destroy()
        if self._sources.get(selection) is source:
            del self._sources[selection]
            self._listener.on_cancelled(self, selection, source.marker)

    def release(self, selection: Selection) -> None:
        """Give up `selection` if it is ours."""
        source = self._sources.pop(selection, None)
        if source is not None:
            source.destroy()
            self._connection.flush()

    def close(self) -> None:
        """Let go of everything here; the connection must still be open."""
        for selection in list(self._sources):
            self.release(selection)
        for offer in (*self._offers.values(), *self._introduced.values()):
            offer.destroy()
        self._offers.clear()
        self._introduced.clear()
        self._device.destroy()
        self._connection.flush()
