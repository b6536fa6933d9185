# SPDX-License-Identifier: MIT
"""Which connections become session agents? (daemon)

Whoever connects is nobody until it is known whose session it is in; logind is asked for that without
anybody waiting. Where no logins are tracked (-X, no D-Bus, no logind) everybody is let in.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from .agent_link import AgentLink
from .backends.base import Logins
from .errors import SessionError
from .handlers.sessions import Agent, Sessions
from .protocol.udscs import FileXferDisable
from .transport.peers import Peer

if TYPE_CHECKING:
    from .backends.logind import Logind

log = logging.getLogger("session")

MAX_AGENTS = 128
# One user may not take all places; root could take them anyway.
MAX_AGENTS_PER_USER = 32
# Questions to logind at a time, so that a flood of connections is none for logind.
MAX_QUESTIONS = 4
IDENTIFY_S = 10.0
REPORT_S = 10.0
BUS_RETRY_S = 30.0
BUS_SOCKET = "/run/dbus/system_bus_socket"


class Admission:
    """Holds new connections until it is known whose they are; ends those that have no business here."""

    max_agents, max_per_user = MAX_AGENTS, MAX_AGENTS_PER_USER

    def __init__(self, sessions: Sessions, track: bool) -> None:
        self._sessions = sessions
        self._loop = asyncio.get_running_loop()
        self.links: set[AgentLink] = set()
        self._tasks: dict[AgentLink, asyncio.Task[None]] = {}
        self._silent: dict[AgentLink, asyncio.TimerHandle] = {}
        self._complaints: dict[int, str] = {}
        self._few = asyncio.Semaphore(MAX_QUESTIONS)
        self._known = asyncio.Event()  # whether there is a logind
        self._logind: Logind | None = None
        self._finding: asyncio.Task[None] | None = None
        self._find_again = False
        self._moved: set[AgentLink] = set()  # they have outlived their session
        self._timer: asyncio.TimerHandle | None = None
        if track:
            self._track()
        else:
            self._known.set()

    @property
    def seat(self) -> Logins | None:
        """Who says which session is at the seat; None where logins are not tracked."""
        return self._logind if self._logind is not None and self._logind.is_there else None

    # -- connections -----------------------------------------------------------------------------

    def has_room(self, peer: Peer) -> bool:
        """Whether one more connection of that user is within the limits."""
        of_user = sum(link.peer.uid == peer.uid for link in self.links)
        full = len(self.links) >= self.max_agents
        if full or (peer.uid != 0 and of_user >= self.max_per_user):
            who = "" if full else f" of uid {peer.uid}"
            what = f"{len(self.links) if full else of_user}{who} are connected"
            log.log(self._level(peer.uid, what), "session: refused pid %d: %s", peer.pid, what)
            return False
        return True

    def consider(self, link: AgentLink) -> None:
        """Let a new connection in as soon as it is known whose it is."""
        self.links.add(link)
        log.debug("session: a %s connected", link)
        if self._known.is_set() and self._logind is None:
            self._admit(link)
        else:
            self._tasks[link] = self._loop.create_task(self._identify_and_admit(link))

    def reported(self, agent: Agent) -> None:
        """It is alive and has a desktop."""
        if isinstance(agent, AgentLink) and (timer := self._silent.pop(agent, None)) is not None:
            timer.cancel()
            log.info("session: a %s has come", agent)

    def gone(self, link: AgentLink) -> None:
        """A connection has ended."""
        self.links.discard(link)
        self._moved.discard(link)
        if (task := self._tasks.pop(link, None)) is not None:
            task.cancel()
        if (timer := self._silent.pop(link, None)) is not None:
            timer.cancel()

    def close(self) -> None:
        """End all connections and follow nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._finding is not None:
            self._finding.cancel()
        if self._logind is not None:
            self._logind.close()
        for link in list(self.links):
            self.gone(link)
            link.close()

    def _admit(self, link: AgentLink) -> None:
        self._sessions.add(link)
        self._silent[link] = self._loop.call_later(REPORT_S, self._check_silent, link)
        link.admit()

    def _check_silent(self, link: AgentLink) -> None:
        del self._silent[link]
        self._refuse(link, f"it reported no screens within {REPORT_S:.0f} s")

    def _refuse(self, link: AgentLink, reason: str) -> None:
        link.drop(reason, self._level(link.peer.uid, reason))

    def _level(self, uid: int, reason: str) -> int:
        """Say a thing once: C agents come again every second."""
        if self._complaints.get(uid) == reason:
            return logging.DEBUG
        if len(self._complaints) >= MAX_AGENTS:
            self._complaints.clear()
        self._complaints[uid] = reason
        return logging.WARNING

    # -- whose are they? -------------------------------------------------------------------------

    async def _identify_and_admit(self, link: AgentLink) -> None:
        try:
            async with asyncio.timeout(IDENTIFY_S):
                await self._known.wait()
                await self._identify(link)
        except TimeoutError:
            self._refuse(link, "logind did not tell whose session it is in")
        except SessionError as error:
            self._refuse(link, error.message)
        else:
            self._admit(link)
        finally:
            self._tasks.pop(link, None)

    async def _identify(self, link: AgentLink) -> None:
        """Find the login session of an agent. Raises SessionError if it may not speak for that."""
        if self._logind is None or not self._logind.is_there:
            return
        peer = link.peer
        if peer.pid <= 0:  # and 0 would mean logind's caller: us
            raise SessionError("its process is in a container and cannot be told from others")
        async with self._few:
            login = await self._logind.session_of(peer.pid, peer.uid)
        if not peer.is_alive():
            raise SessionError("its process ended before it was known whose it was")
        if login is None:
            return
        if peer.uid not in (0, login.uid):
            raise SessionError(f"it is in {login}, another user's")
        if link.login is not None:
            self._moved.add(link)
            self._sessions.give_way(link)  # to one of that session's own
        elif self._sessions.has_agent(login, besides=self._moved):
            raise SessionError(f"{login} has an agent already")
        link.login = login
        log.debug("session: the %s is in %s", link, login)
        if not login.is_user:
            link.send(FileXferDisable())

    # -- logind ----------------------------------------------------------------------------------

    def _track(self) -> None:
        """Follow logind from as soon as there is a system bus. D-Bus costs 1 MB: not without one."""
        self._timer = None
        if not (os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or os.path.exists(BUS_SOCKET)):
            return self._no_bus(f"there is no system bus at {BUS_SOCKET}")
        try:
            from .backends.dbus import system_bus_address
            from .backends.logind import Logind
        except ImportError as error:
            return self._no_bus(f"D-Bus cannot be used: {error}")
        self._logind = Logind(system_bus_address(), self._settled, self._logins_changed)

    def _no_bus(self, reason: str) -> None:
        if not self._known.is_set():
            log.warning("logind: %s; the newest session agent is served until there is", reason)
            self._known.set()
        self._timer = self._loop.call_later(BUS_RETRY_S, self._track)

    def _settled(self) -> None:
        """It is known whether there is a logind, or one has come later."""
        self._known.set()
        if self._logind is not None and self._logind.is_there:
            log.info("logind: the session at the seat is served")
            self._serve_the_seat(self._logind)

    def _logins_changed(self) -> None:
        self._sessions.decide()
        if self._logind is not None and self._homeless():
            self._serve_the_seat(self._logind)

    def _homeless(self) -> list[AgentLink]:
        """Who has no session: let in before there was a logind or a session, or has outlived its own."""
        return [
            link
            for link in self.links
            if (link.login is None or link.login.has_ended) and link not in self._tasks
        ]

    def _serve_the_seat(self, logind: Logind) -> None:
        self._find_again = True
        if self._finding is None or self._finding.done():
            self._finding = self._loop.create_task(self._find_sessions(logind))

    async def _find_sessions(self, logind: Logind) -> None:
        while self._find_again:
            self._find_again = False
            for link in self._homeless():
                try:
                    async with asyncio.timeout(IDENTIFY_S):
                        await self._identify(link)
                except TimeoutError:
                    log.debug("logind: it did not tell whose session the %s is in", link)
                except SessionError as error:
                    self._refuse(link, error.message)
        # Only now: a port that stays open must not close in between.
        self._sessions.track(logind)
