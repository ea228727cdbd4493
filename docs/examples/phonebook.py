"""A provider of one's own: telephones from a JSON file (docs/providers.md).

The file maps names to addresses::

    {"reception": "192.0.2.10", "workshop": "192.0.2.11"}
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from nspd.core.provider import Answer, Host, Provider, Query, Results
from nspd.model.errors import InvalidArgument, NoRecovery
from nspd.model.flags import LookupFlags
from nspd.model.queryset import DGRAM, UDP, CsAddr, QuerySet, SocketAddress
from nspd.model.wildcard import folded, is_wildcard, matcher

SIP = 5060


class PhonebookProvider(Provider):
    """Telephones by name. A plain name is answered from memory, a pattern from the file."""

    kind = "phonebook"
    namespace = 100_001
    workers = 4

    def __init__(
        self,
        *,
        path: str,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
    ) -> None:
        """Note where the file is; nothing is read before `running`."""
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self._path = Path(path)
        self._book: Mapping[str, QuerySet] = {}
        self._host: Host

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self._host = host
        self._book = await host.run_blocking(self._read)
        host.log.debug("phonebook read", names=len(self._book))
        yield

    def answer(self, query: Query) -> Answer | None:
        asked = query.restrictions
        if asked.query_string is not None:
            raise InvalidArgument("the phonebook knows no query_string")
        if query.control_flags & LookupFlags.CONTAINERS:
            return Answer((), known=True)  # there are none
        name = asked.service_instance_name or "*"
        if is_wildcard(name):
            return None
        record = self._book.get(folded(name))
        return Answer(() if record is None else (record,))

    async def lookup(self, query: Query, results: Results) -> None:
        self._book = await self._host.run_blocking(self._read)
        for record in matching(self._book, query.restrictions.service_instance_name or "*"):
            results.known()
            await results.send(record)

    def sharing_key(self, query: Query) -> Hashable | None:
        return folded(query.restrictions.service_instance_name or "*")

    def _read(self) -> dict[str, QuerySet]:
        """The file's names, folded, each with its record; called in a worker thread."""
        try:
            entries = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
            return {folded(name): self._record(name, host) for name, host in entries.items()}
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise NoRecovery(f"the phonebook cannot be read: {error}") from error

    def _record(self, name: str, host: str) -> QuerySet:
        remote = SocketAddress.inet(host, SIP)
        return QuerySet(
            service_instance_name=name,
            namespace=self.namespace,
            provider_id=self.provider_id,
            context="",
            output_flags=0,
            addresses=(CsAddr(remote=remote, socket_type=DGRAM, protocol=UDP),),
        )


def matching(book: Mapping[str, QuerySet], pattern: str) -> Iterator[QuerySet]:
    """The records of the names that match, in the order of the file."""
    matches = matcher(pattern)
    return (record for name, record in book.items() if matches(name))
