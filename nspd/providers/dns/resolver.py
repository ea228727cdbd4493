"""Answers to questions of name and type: remembered, under way already, or from a server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import dns.message
import dns.name
import sniffio
import trio
from anyio.abc import TaskGroup

from nspd.core.story import Story
from nspd.model.errors import NoRecovery
from nspd.providers.dns import suspend
from nspd.providers.dns.answers import Answer, Chase, joined, read
from nspd.providers.dns.exchange import IN_FLIGHT, Upstream
from nspd.providers.dns.flights import NOBODY, Flight, Flights
from nspd.providers.dns.gathering import Gathering, again
from nspd.providers.dns.line import Line, Sockets, open_sockets
from nspd.providers.dns.memory import Found, Kept, Key, Memory
from nspd.providers.dns.options import InForce, Options, in_force
from nspd.providers.dns.resolvconf import ResolvConf
from nspd.providers.dns.resolvconf_file import ResolvConfFile
from nspd.providers.dns.servers import Server
from nspd.providers.dns.shares import Shares
from nspd.providers.dns.special import special_answer

MOST_OF_A_USER = IN_FLIGHT * 3 // 4
"""Questions of one user that are under way at once; those beyond wait for their turn."""


class Asker(Protocol):
    """Whom a resolver asks: the servers; see `exchange.Upstream`, which this is."""

    async def ask(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        line: Line,
        want_dnssec: bool = False,
        story: Story | None = None,
    ) -> dns.message.Message:
        """A reply of rcode NOERROR or NXDOMAIN. Waits for nothing that the line cannot end.

        Raises:
            HungUp: somebody has hung up on the line.
            WSAError: no server gave one.
        """
        ...

    def change(
        self,
        *,
        servers: Sequence[Server],
        timeout: float,
        attempts: int,
        rotate: bool,
        use_vc: bool,
    ) -> None:
        """Take over other settings."""


MakeAsker = Callable[..., Asker]
"""Makes one from what `Asker.change` takes."""


class Resolver:
    """A stub resolver with a cache; made by `open_resolver`, works until that is closed."""

    def __init__(
        self,
        options: Options,
        conf: ResolvConf,
        *,
        tasks: TaskGroup,
        sockets: Sockets,
        log: Any,
        upstream: MakeAsker = Upstream,
    ) -> None:
        """Make it; nothing is asked.

        Args:
            options: what it is told.
            conf: what resolv.conf says.
            tasks: what its queries run in.
            sockets: what their sockets are watched by.
            log: a structlog logger.
            upstream: makes what sends the queries.
        """
        self.now: Callable[[], float] = _clock()
        """The event loop's clock, in seconds."""
        self.memory = Memory(options.tuning, self.now)
        self.settings: InForce = in_force(options, conf)
        self._options = options
        self._upstream = upstream(**_how_to_ask(self.settings))
        self._shares = Shares(MOST_OF_A_USER)
        self.flights = Flights(
            self._ask, self.memory, tasks=tasks, new_line=sockets.line, now=self.now, log=log
        )

    async def resolve(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        flush: bool = False,
        secure: bool = False,
        story: Story | None = None,
        uid: int = NOBODY,
        among: set[Gathering] | None = None,
    ) -> Answer:
        """What the DNS says of a name and type.

        Args:
            name: an absolute name.
            rdtype: the record type, such as ``dns.rdatatype.MX``.
            flush: bypass the cache.
            secure: take an authenticated answer alone.
            story: where to note what happens.
            uid: the user who asks.
            among: where to put what can be closed, for as long as somebody is asked.

        Returns:
            The answer. Records may be stale, and say so; that there is nothing never is.

        Raises:
            NoRecovery: the aliases go round in a circle, or the answer is not
                authenticated though it must be (11003).
            WSAError: no server had an answer; see `exchange.Upstream.ask`.
        """
        key = Key(name, int(rdtype))
        with Gathering(self, flush=flush, story=story, uid=uid) as gathering:
            gathering.want([key])
            if among is not None:
                among.add(gathering)
            try:
                while (found := gathering.find(key)) is None:
                    await gathering.more()
            finally:
                if among is not None:
                    among.discard(gathering)
        found = self.usable(key, found, secure=secure)
        answer = found.answer
        if answer is None or (answer.stale and answer.kind != "answer"):
            assert found.error is not None
            raise again(found.error)
        return answer

    def usable(self, key: Key, found: Found, *, secure: bool) -> Found:
        """What was found, unless it must be authenticated and is not (LUP_SECURE)."""
        if not secure or found.answer is None:
            return found
        if found.answer.authenticated and special_answer(key.name, key.rdtype) is None:
            if self.settings.trust_ad:
                return found
            error = NoRecovery(
                "the servers are not trusted to validate answers", setting="trust_ad"
            )
            return Found(None, error)
        if found.answer.authenticated:
            return found
        return Found(None, NoRecovery(f"the answer for {key.name} is not authenticated"))

    def settled(self, key: Key) -> Found | None:
        """What is known for good of a name that no server is ever asked for."""
        answer = special_answer(key.name, key.rdtype)
        return None if answer is None else Found(answer)

    def at_hand(self, key: Key, used: list[Kept] | None = None) -> Found | None:
        """What is known without asking anybody; None if somebody must be asked.

        Args:
            key: the question.
            used: where to add what it was taken from, if that is remembered.
        """
        settled = self.settled(key)
        if settled is not None:
            return settled
        kept = self.memory.fresh(key)
        if kept is None:
            return None
        if used is not None:
            used.append(kept)
        if kept.answer is None:
            return Found(None, kept.failure)
        if self.memory.is_due(kept):
            self.flights.refresh(key)
        return Found(kept.answer)

    def follow(self, conf: ResolvConf) -> None:
        """Go by what resolv.conf says now; everything is forgotten, for it may not hold any more.

        Names may mean others, and other servers may know other answers.
        """
        self.settings = in_force(self._options, conf)
        self._upstream.change(**_how_to_ask(self.settings))
        self.flush()

    def flush(self) -> None:
        """Forget everything; queries under way are not joined any more, nor remembered."""
        self.memory.cache.clear()
        self.flights.forget()

    async def _ask(self, flight: Flight) -> Answer:
        """Ask the servers when it is this user's turn."""
        if not self._shares.take_now(flight.uid):
            flight.is_queued = True
            with flight.line.interrupting():
                await self._shares.take(flight.uid, self.settings.timeout * self.settings.attempts)
            flight.is_queued = False
        try:
            return await self._ask_now(flight)
        finally:
            self._shares.give(flight.uid)

    async def _ask_now(self, flight: Flight) -> Answer:
        """Ask, and ask on where a server leaves the rest of an alias chain to us."""
        rdtype = flight.key.rdtype
        name, so_far = flight.key.name, None
        while True:
            message = await self._upstream.ask(
                name, rdtype, line=flight.line, want_dnssec=True, story=flight.story
            )
            got: Answer | Chase = read(message, name, rdtype, self.memory.tuning.lifetimes)
            if so_far is not None:
                got = joined(so_far, got)
            if isinstance(got, Chase):
                so_far, name = got, got.chain[-1]
                special = special_answer(name, rdtype)
                if special is None:
                    continue
                got = joined(so_far, special)
            assert isinstance(got, Answer)
            return got


@asynccontextmanager
async def open_resolver(
    options: Options, *, log: Any, upstream: MakeAsker = Upstream
) -> AsyncIterator[Resolver]:
    """A resolver with its own cache; it follows resolv.conf as long as the context lasts.

    Closing cancels all queries and waits until their sockets are closed.

    Args:
        options: what it is told.
        log: a structlog logger.
        upstream: makes what sends the queries.
    """
    file = ResolvConfFile(options.resolv_conf, log=log) if options.resolv_conf else None
    if file is not None:
        await file.reload()
    with open_sockets() as sockets:
        async with anyio.create_task_group() as tasks:
            conf = ResolvConf() if file is None else file.contents
            resolver = Resolver(
                options, conf, tasks=tasks, sockets=sockets, log=log, upstream=upstream
            )
            if file is not None:
                tasks.start_soon(file.watch, resolver.follow)
            tasks.start_soon(suspend.watch, resolver.flush)
            try:
                yield resolver
            finally:
                tasks.cancel_scope.cancel()


def _how_to_ask(settings: InForce) -> dict[str, Any]:
    return {
        "servers": settings.servers,
        "timeout": settings.timeout,
        "attempts": settings.attempts,
        "rotate": settings.rotate,
        "use_vc": settings.use_vc,
    }


def _clock() -> Callable[[], float]:
    """The running event loop's clock as a plain function: anyio's own looks for the loop first."""
    if sniffio.current_async_library() == "trio":
        return trio.current_time
    import asyncio

    loop = asyncio.get_running_loop()
    # uvloop rounds the same clock to a millisecond, and looks at it once a turn.
    return time.monotonic if type(loop).__module__.startswith("uvloop") else loop.time
