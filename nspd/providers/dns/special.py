"""Names that are never sent to a server, because what they mean is settled.

| Names under | Answer | By |
|---|---|---|
| localhost | the loopback addresses | RFC 6761, section 6.3 |
| invalid | there is no such name | RFC 6761, section 6.4 |
| local | there is no such name: it belongs to multicast DNS | RFC 6762, section 22.1 |
| onion | there is no such name | RFC 7686, section 2 |
| 127.in-addr.arpa, and ::1 reversed | localhost | RFC 6761, 6303 |
"""

from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.rrset

from nspd.providers.dns.answers import Answer

_TTL = 86400

_NEVER = frozenset({b"invalid", b"local", b"onion"})
_LOCALHOST = b"localhost"
_LOOPBACK = {int(dns.rdatatype.A): "127.0.0.1", int(dns.rdatatype.AAAA): "::1"}
_REVERSED_4 = dns.name.from_text("127.in-addr.arpa.")
_REVERSED_6 = dns.name.from_text("1" + ".0" * 31 + ".ip6.arpa.")
_REVERSED_LINK_LOCAL = tuple(dns.name.from_text(f"{n}.e.f.ip6.arpa.") for n in "89ab")


def special_answer(name: dns.name.Name, rdtype: int) -> Answer | None:
    """The answer for a name that is not to be asked for; None for any other name."""
    if len(name.labels) < 2:
        return None
    top = name.labels[-2].lower()
    if top in _NEVER:
        return Answer("nxdomain", (name,), authenticated=True)
    if top == _LOCALHOST:
        return _made(name, rdtype, _LOOPBACK.get(rdtype))
    if top == b"arpa":
        if name.is_subdomain(_REVERSED_4) or name == _REVERSED_6:
            pointer = "localhost." if rdtype == dns.rdatatype.PTR else None
            return _made(name, rdtype, pointer)
        if any(name.is_subdomain(zone) for zone in _REVERSED_LINK_LOCAL):
            return Answer("nxdomain", (name,), authenticated=True)
    return None


def _made(name: dns.name.Name, rdtype: int, text: str | None) -> Answer:
    if text is None:
        return Answer("nodata", (name,), authenticated=True)
    rrset = dns.rrset.from_text(name, _TTL, "IN", dns.rdatatype.RdataType.make(rdtype), text)
    return Answer("answer", (name,), rrset, authenticated=True)
