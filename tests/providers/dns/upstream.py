"""Stands in for the servers in virtual time: answers by script, when a test says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from nspd.core.story import Story
from nspd.model.errors import WSAError
from nspd.providers.dns.line import HungUp, Line
from nspd.providers.dns.memory import Key

Reply = dns.message.Message | WSAError | None
"""What is answered; None: nothing, for ever."""

SOA = ("test.", "SOA", "ns.test. admin.test. 1 3600 600 86400 60")


def reply(
    *records: tuple[str, str, str],
    ttl: int = 300,
    rcode: str = "NOERROR",
    authority: Sequence[tuple[str, str, str]] = (),
    flags: int = dns.flags.RA,
) -> dns.message.Message:
    """A message with these records: owner, type, data."""
    message = dns.message.Message()
    message.flags = dns.flags.Flag(dns.flags.QR | flags)
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, wanted in ((message.answer, records), (message.authority, authority)):
        for owner, rdtype, data in wanted:
            _add(section, dns.rrset.from_text(owner, ttl, "IN", rdtype, data))
    return message


def _add(section: list[dns.rrset.RRset], rrset: dns.rrset.RRset) -> None:
    for other in section:
        if (other.name, other.rdtype) == (rrset.name, rrset.rdtype):
            other.add(rrset[0])
            return
    section.append(rrset)


def negative(rcode: str = "NOERROR", *, ttl: int = 300) -> dns.message.Message:
    """No such name, or nothing of that type; to be kept for 60 seconds at most."""
    return reply(rcode=rcode, authority=[SOA], ttl=ttl)


class FakeUpstream:
    """Answers each question with what its script says by then, after `delay` seconds.

    Give it to a provider as ``upstream=fake.made``.
    """

    def __init__(self, script: Mapping[str, Reply] | None = None, *, delay: float = 0.0) -> None:
        """Make it.

        Args:
            script: by question, such as "www.example.test AAAA"; there is no
                such name for all that is not in it.
            delay: seconds before each answer.
        """
        self.script: dict[str, Reply] = dict(script or {})
        self.delays: dict[str, float] = {}
        """Other delays, by question."""
        self.delay = delay
        self.asked: list[str] = []
        """The questions that came, in order."""
        self.under_way = 0
        self.cancelled = 0
        self.settings: dict[str, Any] = {}
        """What it was told of servers and times."""
        self.changed: Callable[[], object] = lambda: None
        """Called when it is told other settings."""
        self.before: Callable[[str], Awaitable[None]] | None = None
        """Awaited before each answer."""

    def made(self, **settings: Any) -> FakeUpstream:
        """Itself, for a provider that makes its upstream."""
        self.settings = settings
        return self

    def change(self, **settings: Any) -> None:
        """Take note of other settings."""
        self.settings = settings
        self.changed()

    async def ask(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        line: Line,
        want_dnssec: bool = False,
        story: Story | None = None,
    ) -> dns.message.Message:
        """Answer as the script says at the end of the delay."""
        lowered = name.to_text(omit_final_dot=True).lower()
        question = f"{lowered} {Key(name, rdtype).type_text}"
        self.asked.append(question)
        self.under_way += 1
        try:
            with line.interrupting():
                await anyio.sleep(self.delays.get(question, self.delay))
                if self.before is not None:
                    await self.before(question)
                answer = self.script.get(question, negative("NXDOMAIN"))
                if answer is None:
                    await anyio.sleep_forever()
        except (HungUp, anyio.get_cancelled_exc_class()):
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if isinstance(answer, WSAError):
            raise answer
        assert answer is not None
        return answer
