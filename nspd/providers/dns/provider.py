"""The provider of the DNS namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from random import Random, SystemRandom

from nspd.core.provider import Answer, CacheEntry, Host, Provider, Query, Results
from nspd.model.errors import NetworkDown
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Namespace
from nspd.model.queryset import is_service_query
from nspd.providers.dns.answers import Lifetimes
from nspd.providers.dns.exchange import Upstream
from nspd.providers.dns.gathering import Gathering, again
from nspd.providers.dns.idn import ImpossibleName, parse_name
from nspd.providers.dns.interfaces import (
    Families,
    KnownFamilies,
    configured_families,
    source_address,
)
from nspd.providers.dns.memory import Found, Kept, Key, Tuning
from nspd.providers.dns.nearness import SourceOf
from nspd.providers.dns.options import Options
from nspd.providers.dns.questions import Nothing, Question, ServiceQuestion, question_of
from nspd.providers.dns.ready import ReadyAnswers, asked_of
from nspd.providers.dns.records import RecordMaker
from nspd.providers.dns.resolvconf_file import PATH
from nspd.providers.dns.resolver import MakeAsker, Resolver, open_resolver
from nspd.providers.dns.solving import Find, Solver, Step

_ADDRCONFIG = int(LookupFlags.ADDRCONFIG)
_ALIASES = int(LookupFlags.RETURN_ALIASES)
_FLUSHCACHE = int(LookupFlags.FLUSHCACHE)
_NEAREST = int(LookupFlags.NEAREST)
_SECURE = int(LookupFlags.SECURE)


class DnsProvider(Provider):
    """Names in the DNS: addresses, services, the names of addresses, and any records.

    An answer that is remembered is given at once; else a task asks the servers.
    """

    kind = "dns"
    namespace = int(Namespace.DNS)
    # Users share queries, but no run: nobody is to wait behind another's queries.
    shares_across_users = False

    def __init__(
        self,
        *,
        servers: tuple[str, ...] | None = None,
        search: tuple[str, ...] | None = None,
        ndots: int | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        trust_ad: bool | None = None,
        resolv_conf: str = PATH,
        grace: float = 0.25,
        cache_size: int = 8 * 1024 * 1024,
        min_ttl: float = 0.0,
        max_ttl: float = 86400.0,
        max_negative_ttl: float = 3600.0,
        failure_ttl: float = 1.0,
        prefetch: float = 0.1,
        max_stale: float = 86400.0,
        stale_timeout: float = 1.8,
        stale_recheck: float = 30.0,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        random: Random | None = None,
        source_of: SourceOf = source_address,
        configured: Callable[[], Families] = configured_families,
        upstream: MakeAsker = Upstream,
    ) -> None:
        """Make the provider; it asks and reads nothing before it is `running`.

        Args:
            servers: whom to ask, in order of preference.
            search: domains with which names that are not complete are completed.
            ndots: dots from which on a name is tried as it is first.
            timeout: seconds that one attempt takes at most.
            attempts: how often the servers are asked.
            trust_ad: whether the servers are trusted to say what was validated.
            resolv_conf: where that is read of which these say nothing (None).
            grace: seconds for which what has come waits for what has not.
            cache_size: bytes of answers that are remembered; 0: none.
            min_ttl: seconds for which an answer is kept at least,
            max_ttl: and at most,
            max_negative_ttl: and at most if it says that there is nothing.
            failure_ttl: seconds for which a failure is kept.
            prefetch: last part of a lifetime in which a use has an answer refreshed.
            max_stale: seconds for which an answer may serve after its time.
            stale_timeout: seconds to wait for a newer one.
            stale_recheck: seconds for which it serves at once after a failure.
            provider_id: its GUID in the catalog.
            identifier: its name in the catalog.
            namespace: the namespace served, if it is to be another.
            random: draws the order of a service's targets.
            source_of: gives the source address for a destination.
            configured: gives the address families that this host has.
            upstream: makes what sends the queries.

        Raises:
            ValueError: an option has an impossible value.
        """
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self._options = Options(
            servers=servers,
            search=search,
            ndots=ndots,
            timeout=timeout,
            attempts=attempts,
            trust_ad=trust_ad,
            resolv_conf=resolv_conf,
            tuning=Tuning(
                grace=grace,
                cache_size=cache_size,
                lifetimes=Lifetimes(min_ttl, max_ttl, max_negative_ttl),
                failure_ttl=failure_ttl,
                prefetch=prefetch,
                max_stale=max_stale,
                stale_timeout=stale_timeout,
                stale_recheck=stale_recheck,
            ),
        )
        self._random = random if random is not None else SystemRandom()
        self._maker = RecordMaker(self.namespace, self.provider_id, source_of)
        self._configured = configured
        self._upstream = upstream
        self._resolver: Resolver

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        """Read resolv.conf, and follow it; queries run in here, and end with it."""
        opening = open_resolver(self._options, log=host.log, upstream=self._upstream)
        async with opening as self._resolver:
            self._ready = ReadyAnswers(self._resolver.memory)
            self._foreign = self.foreign
            self._families = KnownFamilies(self._resolver.now, self._configured)
            yield

    def flush(self) -> None:
        """Forget all that was remembered; queries under way are not joined any more."""
        self._resolver.flush()

    def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
        """What is remembered, least recently used first; see `Provider.cache_entries`."""
        if name is None:
            return self._resolver.memory.entries()
        try:
            return self._resolver.memory.entries(parse_name(name)[0])
        except ImpossibleName:
            return ()

    def sharing_key(self, query: Query) -> Hashable | None:
        """Lookups of one user that ask the same share one run; all share the queries (C11)."""
        return asked_of(query)

    def answer(self, query: Query) -> Answer | None:
        """Answer from memory; None if the servers must be asked, or something has failed."""
        if query.story is not None:
            return None
        if self.foreign is not self._foreign:
            # What a name that is not complete means may have changed.
            self._foreign = self.foreign
            self._resolver.flush()
        now = self._resolver.now()
        ready = self._ready.get(query, now)
        if ready is not None:
            return ready
        question = self._question(query)
        if isinstance(question, Nothing):
            return Answer((), known=question.known)
        if query.control_flags & _FLUSHCACHE:
            return None
        used: list[Kept] = []
        step = self._solve_at_hand(question, query, used)
        if step is None or step.error is not None:
            return None
        answer = Answer(tuple(step.records), known=step.known)
        if not _depends_on_more(question, query):
            self._ready.keep(query, answer, used, now)
        return answer

    async def lookup(self, query: Query, results: Results) -> None:
        """Ask the servers for what is not remembered, and send records as they become certain.

        An error after records says in the verdict what is missing among them,
        or why they are past their time.

        Raises:
            WSAError: see docs/dns.md.
        """
        question = self._question(query)
        if isinstance(question, Nothing):
            if question.known:
                results.known()
            return
        solver = self._solver(question, query)
        flush = bool(query.control_flags & _FLUSHCACHE)
        sent = 0
        with Gathering(self._resolver, flush=flush, story=query.story, uid=query.uid) as gathering:
            results.on_cancel(gathering.hang_up, returns=True)
            find = self._usable(gathering.find, query)
            while True:
                step = solver.step(find)
                for record in step.records[sent:]:
                    await results.send(record)
                sent = len(step.records)
                if not step.missing:
                    break
                gathering.telling.search(question, step.missing)
                if not gathering.want(step.missing):
                    gathering.late(step.late)
                    if not await gathering.more():
                        return
        if step.known:
            results.known()
        if step.error is not None:
            raise again(step.error)

    def _question(self, query: Query) -> Question | Nothing:
        settings = self._resolver.settings
        families = settings.families
        if query.control_flags & _ADDRCONFIG:
            configured = self._families()
            if not configured:
                raise NetworkDown("this host has no address but loopback (LUP_ADDRCONFIG)")
            families = tuple(family for family in families if family in configured)
        restrictions = query.restrictions
        named = restrictions.namespace == self.namespace or restrictions.provider_id is not None
        search = settings.search.without(self.foreign)
        return question_of(query, search, families, named=named)

    def _solver(self, question: Question, query: Query) -> Solver:
        aliases = bool(query.control_flags & _ALIASES)
        return Solver(question, self._maker, random=self._random, aliases=aliases)

    def _usable(self, find: Find, query: Query) -> Find:
        if not query.control_flags & _SECURE or is_service_query(query.restrictions):
            return find  # of a service the same bit is LUP_RES_SERVICE

        def usable(key: Key) -> Found | None:
            found = find(key)
            return None if found is None else self._resolver.usable(key, found, secure=True)

        return usable

    def _solve_at_hand(self, question: Question, query: Query, used: list[Kept]) -> Step | None:
        """The answer from what is remembered, if that is enough."""
        solver = self._solver(question, query)
        known: dict[Key, Found] = {}
        find = self._usable(known.get, query)
        while True:
            step = solver.step(find)
            if not step.missing:
                return step
            for key in step.missing:
                found = self._resolver.at_hand(key, used)
                if found is None:
                    return None
                known[key] = found


def _depends_on_more(question: Question, query: Query) -> bool:
    """Whether the records depend on more than on what is remembered."""
    if isinstance(question, ServiceQuestion):
        return True  # on chance
    return bool(query.control_flags & (_NEAREST | _ADDRCONFIG))  # on this host's network
