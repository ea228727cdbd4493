"""The provider of the email namespace: what was registered, and the mail services of the domain."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import SystemRandom
from typing import Any, ClassVar, Protocol

import anyio

from nspd.core.provider import Answer, CacheEntry, Change, Host, Provider, Query, Results
from nspd.model.errors import InvalidArgument
from nspd.model.levels import AuthLevel
from nspd.model.matching import matches
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from nspd.providers.dns.idn import parse_name
from nspd.providers.dns.interfaces import KnownFamilies, source_address
from nspd.providers.dns.options import Options
from nspd.providers.dns.resolvconf_file import PATH
from nspd.providers.dns.resolver import open_resolver
from nspd.providers.email.asking import (
    CONTAINERS,
    asked_of_dns,
    encodes_idn,
    is_context,
    is_within,
    of_any_service,
    wants_configured,
    wants_preferred,
    wants_service,
)
from nspd.providers.email.gathering import Asked, Gathering, Resolver
from nspd.providers.email.levels import levels_of
from nspd.providers.email.mailbox import Mailbox, mailbox
from nspd.providers.email.registrations import Registrations
from nspd.providers.email.services import (
    DELIVERY,
    FOR_CLIENTS,
    FROM_LITERAL,
    REGISTERED,
    RecordMaker,
)

EVERY_NAME = "*"
"""Asks for all that is registered, as no name does."""


class OpenResolver(Protocol):
    """Opens a resolver, as `nspd.providers.dns.resolver.open_resolver` does."""

    def __call__(self, options: Options, *, log: Any) -> AbstractAsyncContextManager[Resolver]:
        """A resolver that works as long as its context lasts."""
        ...


_FAMILIES = ("inet6", "inet")
_NOTHING = Answer(())


class EmailProvider(Provider):
    """E-mail addresses: their registrations, and where the mail of their domains is kept.

    A lookup of ``user@domain`` gives first what was registered for that very
    address (the user's own, then the machine's), or else for ``*@domain``; then
    the services that the domain has for mail clients, and the servers that take
    mail for it. Registrations are kept in a registry of the provider's own.
    """

    kind: ClassVar[str] = "email"
    namespace = Namespace.EMAIL
    registers = True
    leveled = True
    shares_across_users = False
    workers = 1

    def __init__(
        self,
        *,
        store: str = "memory",
        primary: tuple[str, ...] = (),
        secondary: tuple[str, ...] = (),
        wildcard: bool = True,
        installation: str = "",
        services: tuple[str, ...] = FOR_CLIENTS,
        delivery: bool = True,
        servers: tuple[str, ...] | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        trust_ad: bool | None = None,
        grace: float = 0.25,
        resolv_conf: str = PATH,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        clock: Callable[[], float] = time.time,
        open_resolver: OpenResolver = open_resolver,
    ) -> None:
        """Make the provider; nothing is opened before it is `running`.

        Args:
            store: "memory", or "sqlite:" and the path of the database.
            primary: mail domains of which it is the primary provider.
            secondary: mail domains of which it is a secondary one.
            wildcard: whether it may be asked for any other domain, too.
            installation: an installation blob of NS_EMAIL (base64) that says all that instead.
            services: the services for mail clients to look for in the DNS.
            delivery: whether to look for the servers that take mail.
            servers: the DNS servers; by default those of resolv.conf.
            timeout: seconds that one attempt takes at most.
            attempts: how often the servers are asked.
            trust_ad: whether the servers are trusted to say what was validated.
            grace: seconds for which what has come waits for what has not.
            resolv_conf: where to read what the settings above do not say.
            provider_id: see `Provider`.
            identifier: see `Provider`.
            namespace: see `Provider`.
            clock: the time in seconds since 1970, for leases.
            open_resolver: opens what answers questions to the DNS.

        Raises:
            ValueError: an option has an impossible value.
        """
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self._levels = levels_of(primary, secondary, wildcard, installation)
        self.supports_wildcard = self._levels.wildcard
        for service in services:
            if service not in FOR_CLIENTS:
                raise ValueError(f"services: {service!r} is none of {', '.join(FOR_CLIENTS)}")
        self._services = services
        self._delivery = delivery
        self._registered = Registrations(
            store=store,
            provider_id=self.provider_id,
            identifier=self.identifier,
            namespace=self.namespace,
            clock=clock,
        )
        self._options = Options(
            servers=servers,
            timeout=timeout,
            attempts=attempts,
            trust_ad=trust_ad,
            resolv_conf=resolv_conf,
        )
        self._open_resolver = open_resolver
        if not grace >= 0:
            raise ValueError("grace must not be below 0")
        self._grace = grace
        self._resolver: Resolver | None = None
        self._random = SystemRandom()
        self._records = RecordMaker(self.namespace, self.provider_id, source_address)

    # Life

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        """Open the registrations, then the resolver; close them in reverse.

        Raises:
            OSError: the database cannot be used.
        """
        self._families = KnownFamilies(anyio.current_time)
        resolver = self._open_resolver(self._options, log=host.log)
        async with self._registered.registry.running(host), resolver as self._resolver:
            yield

    def session_ended(self, session: int) -> None:
        """End the registrations bound to the session."""
        self._registered.registry.session_ended(session)

    # Levels

    def level(self, name: str) -> AuthLevel | None:
        """Its level for the domain of an address; None: that is no address."""
        return self._levels.of(name)

    # Registration

    async def set_service(self, change: Change) -> None:
        """Make the change; see `Registrations.change`.

        Raises:
            WSAError: it was not made.
        """
        await self._registered.change(change)

    # Lookup

    def answer(self, query: Query) -> Answer | None:
        """Answer from the registrations, if the DNS has nothing to do with it.

        Raises:
            InvalidArgument: the query means this namespace, but its name is no address.
        """
        if query.control_flags & CONTAINERS:
            return Answer((), known=True)
        restrictions = query.restrictions
        name = restrictions.service_instance_name
        elsewhere = restrictions.namespace != self.namespace
        if elsewhere and name and "@" not in name and name != EVERY_NAME:
            return _NOTHING  # most names that are looked up under NS_ALL
        if not is_context(restrictions.context):
            return _NOTHING
        if wants_preferred(query):
            return _NOTHING if name else self._registered.preferred(query)
        if not name or name == EVERY_NAME:
            registered = is_within(query, REGISTERED)
            return self._registered.all_of_them(query) if registered else _NOTHING
        asked = self._read(query, name)
        if asked is None:
            return _NOTHING
        return self._at_hand(asked, query) if self._dns(asked, query) is None else None

    async def lookup(self, query: Query, results: Results) -> None:
        """Give what was registered, then ask the DNS.

        Raises:
            WSAError: a question to the DNS was not answered.
        """
        name = query.restrictions.service_instance_name or ""
        asked = self._read(query, name)
        questions = self._dns(asked, query) if asked is not None else None
        if asked is None or questions is None:
            return
        at_hand = self._at_hand(asked, query)
        for record in at_hand.records:
            await results.send(record)
        assert self._resolver is not None
        gathering = Gathering(
            questions, self._resolver, self._records.host, self._random, grace=self._grace
        )
        await gathering.run(results)
        if at_hand.known:
            results.known()

    def flush(self) -> None:
        """Forget what the DNS said."""
        if self._resolver is not None:
            self._resolver.flush()

    def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
        """What is remembered of the DNS; see `Provider.cache_entries`."""
        if self._resolver is None:
            return ()
        try:
            wanted = None if name is None else parse_name(name)[0]
        except ValueError:
            return ()
        return self._resolver.memory.entries(wanted)

    def _read(self, query: Query, name: str) -> Mailbox | None:
        """The address that a query asks for; None: it asks for none, and means all namespaces.

        Raises:
            InvalidArgument: it asks for none, though it means this namespace.
        """
        try:
            return mailbox(name, encode_idn=encodes_idn(query))
        except ValueError as error:
            if query.restrictions.namespace != self.namespace:
                return None
            raise InvalidArgument(f"{name!r} is no e-mail address: {error}") from error

    def _dns(self, asked: Mailbox, query: Query) -> Asked | None:
        families = self._families() if wants_configured(query) else _FAMILIES
        return asked_of_dns(
            asked,
            query,
            services=self._services,
            delivery=self._delivery,
            families=families,
            foreign=self.foreign,
        )

    def _at_hand(self, asked: Mailbox, query: Query) -> Answer:
        """What is known of an address without asking anybody."""
        records: list[QuerySet] = []
        known = False
        if is_within(query, REGISTERED):
            found = self._registered.of(asked, query)
            records.extend(found.records)
            known = found.known
            if query.story is not None:
                query.story.note("registered", name=asked.key, records=len(records), known=known)
        if asked.address is not None and self._delivery and is_within(query, FROM_LITERAL):
            known = True
            literal = self._records.literal(asked.address)
            if wants_service(query, DELIVERY) and matches(literal, of_any_service(query)):
                records.append(literal)
        return Answer(tuple(records), known=known)
