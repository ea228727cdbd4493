"""A resolver without a network: a zone in memory, silent or failing where a test says so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import dns.name
import dns.rdatatype
import dns.rrset

from nspd.core.story import Story
from nspd.model.errors import WSAError
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.gathering import Gathering
from nspd.providers.dns.memory import Key, Memory, Tuning
from nspd.providers.dns.options import Options

Asked = tuple[str, str]
"""A name with its final dot, and the record type as text."""


class ZoneResolver:
    """Answers from records given as "NAME TYPE DATA" lines.

    A name that has no record of the type asked for, but others or names below
    it, has no data; every other name does not exist.
    """

    def __init__(self, *lines: str) -> None:
        self._records: dict[Asked, list[str]] = {}
        for line in lines:
            name, rdtype, data = line.split(maxsplit=2)
            self._records.setdefault((name, rdtype), []).append(data)
        self.failing: dict[Asked, WSAError] = {}
        """Questions that end in an error."""
        self.held: dict[Asked, anyio.Event] = {}
        """Questions that wait for an event."""
        self.authenticated = False
        self.asked: list[Asked] = []
        """Every question, in the order in which they came."""
        self.flags: list[tuple[bool, bool]] = []
        """Of each, whether the cache was to be bypassed, and whether it had to be secure."""
        self.flushed = 0
        self.cancelled = 0
        self.open = False
        self.memory = Memory(Tuning(), time.monotonic)

    def hold(self, name: str, rdtype: str) -> anyio.Event:
        """Have a question wait; the event lets it go on."""
        return self.held.setdefault((name, rdtype), anyio.Event())

    async def resolve(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        flush: bool = False,
        secure: bool = False,
        story: Story | None = None,
        among: set[Gathering] | None = None,
    ) -> Answer:
        """What the zone says, once nothing holds it back."""
        asked = str(name), dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
        self.asked.append(asked)
        self.flags.append((flush, secure))
        if asked in self.held:
            try:
                await self.held[asked].wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled += 1
                raise
        if asked in self.failing:
            raise self.failing[asked]
        answer = self._answer(name, asked)
        self.memory.keep(Key(name, rdtype), answer)
        return answer

    def _answer(self, name: dns.name.Name, asked: Asked) -> Answer:
        chain = [name]
        while alias := self._records.get((str(chain[-1]), "CNAME")):
            chain.append(dns.name.from_text(alias[0]))
        owner, rdtype = str(chain[-1]), asked[1]
        if data := self._records.get((owner, rdtype)):
            rrset = dns.rrset.from_text(chain[-1], 300, "IN", rdtype, *data)
            return Answer("answer", tuple(chain), rrset, 300.0, self.authenticated)
        exists = any(known == owner or known.endswith(f".{owner}") for known, _ in self._records)
        return Answer("nodata" if exists else "nxdomain", tuple(chain))

    def flush(self) -> None:
        """Count it."""
        self.flushed += 1

    @asynccontextmanager
    async def opened(self, options: Options, *, log: Any) -> AsyncIterator[ZoneResolver]:
        """What a provider opens it with."""
        self.open = True
        try:
            yield self
        finally:
            self.open = False


MAIL = (
    "example.org. MX 10 mx1.example.org.",
    "example.org. MX 20 mx2.example.org.",
    "_submissions._tcp.example.org. SRV 0 1 465 mail.example.org.",
    "_submission._tcp.example.org. SRV 0 1 587 mail.example.org.",
    "_imaps._tcp.example.org. SRV 0 1 993 mail.example.org.",
    "_imap._tcp.example.org. SRV 0 0 0 .",
    "_pop3s._tcp.example.org. SRV 10 1 995 mail.example.org.",
    "mail.example.org. A 192.0.2.10",
    "mail.example.org. AAAA 2001:db8::10",
    "mx1.example.org. A 192.0.2.25",
    "mx2.example.org. A 192.0.2.26",
)
"""A domain with most services; imap is not offered, and pop3 not mentioned."""
