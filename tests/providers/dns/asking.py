"""Short ways to ask DNS questions in tests."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.name
import dns.rdatatype

from nspd.core.story import Story
from nspd.providers.dns.exchange import Upstream
from nspd.providers.dns.line import open_sockets
from nspd.providers.dns.servers import parse_server


def upstream(*servers: object, **settings: Any) -> Upstream:
    """An upstream of servers that are given as text, or whose `str` is "ADDRESS:PORT"."""
    return Upstream(servers=[parse_server(str(each)) for each in servers], **settings)


async def ask(
    asked: Upstream, name: str = "www.example.test", rdtype: str = "A", **options: Any
) -> dns.message.Message:
    """Ask one question, on a line of its own unless one is given."""
    question = dns.name.from_text(name), dns.rdatatype.from_text(rdtype)
    if "line" in options:
        return await asked.ask(*question, **options)
    with open_sockets() as sockets:
        return await asked.ask(*question, line=sockets.line(), **options)


def texts(reply: dns.message.Message) -> list[str]:
    """The data of all answer records, as text, in order."""
    return [rdata.to_text() for rrset in reply.answer for rdata in rrset]


def attempts(story: Story) -> list[tuple[object, object, object]]:
    """(server, transport, outcome) of each attempt that a story tells."""
    return [
        (event.facts["server"], event.facts["transport"], event.facts["outcome"])
        for event in story.events
        if event.event == "attempt"
    ]


def times_of_attempts(story: Story) -> list[float]:
    """When each attempt that a story tells was over, in seconds since its start."""
    return [event.at for event in story.events if event.event == "attempt"]
