"""What is registered in the email namespace: a registry whose names are addresses."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from nspd.core.provider import Answer, Change, Query
from nspd.model.errors import InvalidArgument
from nspd.model.flags import LookupFlags, ServiceOperation
from nspd.model.matching import ROOT
from nspd.model.queryset import QuerySet
from nspd.model.wildcard import folded
from nspd.providers.email.asking import of_registrations, with_addresses
from nspd.providers.email.mailbox import Mailbox, mailbox
from nspd.providers.email.services import REGISTERED
from nspd.providers.registry.provider import RegistryProvider

_IS_PREFERRED = int(LookupFlags.RETURN_PREFERRED_NAMES)
_CONTEXTS = (None, "", ROOT, REGISTERED)


class Registrations:
    """The registrations of one provider; all of them are in the context `REGISTERED`."""

    def __init__(
        self,
        *,
        store: str,
        provider_id: str,
        identifier: str,
        namespace: int,
        clock: Callable[[], float],
    ) -> None:
        """Make them; nothing is opened before `registry` is running.

        Args:
            store: "memory", or "sqlite:" and the path of the database.
            provider_id: that of the provider, for its records.
            identifier: the same.
            namespace: the same.
            clock: the time in seconds since 1970, for leases.

        Raises:
            ValueError: the store is neither.
        """
        self.registry = RegistryProvider(
            store=store,
            provider_id=provider_id,
            identifier=identifier,
            namespace=namespace,
            clock=clock,
            name_key=_name_key,
        )
        """What keeps them; whoever made this object has it running."""

    async def change(self, change: Change) -> None:
        """Carry out a change; see `RegistryProvider.set_service`.

        Raises:
            InvalidArgument: the name is no address, there is no blob to
                register, or the context is none of registrations.
            WSAError: as a registry.
        """
        given = change.registration
        name = given.service_instance_name or ""
        try:
            mailbox(name)
        except ValueError as error:
            raise InvalidArgument(f"{name!r} is no e-mail address: {error}") from error
        if given.context not in _CONTEXTS:
            raise InvalidArgument(f'the context of a registration is "" or "{REGISTERED}"')
        if change.operation == ServiceOperation.REGISTER and given.blob is None:
            raise InvalidArgument("a registration in the email namespace needs a blob")
        registration = msgspec.structs.replace(given, context=REGISTERED)
        await self.registry.set_service(msgspec.structs.replace(change, registration=registration))

    def of(self, asked: Mailbox, query: Query) -> Answer:
        """What was registered for an address, or else for every address of its domain."""
        inner = of_registrations(query)
        found = self.registry.named(asked.key, inner)
        if found.known or asked.wildcard:
            return found
        return self.registry.named(asked.every, inner)

    def all_of_them(self, query: Query) -> Answer:
        """Everything that the user can see; the query has no name, or "*"."""
        return self.registry.answer(of_registrations(query))

    def preferred(self, query: Query) -> Answer:
        """The addresses that the user has registered for himself, as names to publish."""
        own = self.registry.of_user(with_addresses(of_registrations(query)))
        return Answer(map(_as_preferred, own.records), known=own.known)


def _as_preferred(record: QuerySet) -> QuerySet:
    return QuerySet(
        service_instance_name=record.service_instance_name,
        namespace=record.namespace,
        provider_id=record.provider_id,
        context=record.context,
        output_flags=_IS_PREFERRED,
    )


def _name_key(name: str) -> str:
    """The form in which registered names are compared; see `mailbox`."""
    try:
        return mailbox(name, encode_idn=False).key
    except ValueError:
        return folded(name)  # stored when the rules of addresses were others
