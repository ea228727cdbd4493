"""The zones of the test servers, as master files (RFC 1035, 5.1).

Addresses are those for documentation (RFC 5737, RFC 3849). Tests may count on
every record here; add names of your own, but change none.
"""

from __future__ import annotations

from collections.abc import Mapping

_HEAD = "$ORIGIN {zone}.\n$TTL 300\n@ {ttl} SOA ns hostmaster 1 3600 600 86400 {minimum}\n@ NS ns\n"
_NS = "ns A 192.0.2.53\n"


def _zone(zone: str, records: str, *, ttl: int = 300, minimum: int = 300) -> str:
    return _HEAD.format(zone=zone, ttl=ttl, minimum=minimum) + _NS + records


def _text(size: int) -> str:
    """TXT strings of `size` bytes in all, which must be a multiple of 200."""
    return " ".join(f'"{number:03d}{"x" * 197}"' for number in range(size // 200))


LONG_CHAIN = 20
"""Aliases from ``long0.example.test`` to the address ``long20`` has."""

PLAIN = _zone(
    "example.test",
    f"""\
@           A      192.0.2.1
@           AAAA   2001:db8::1
@           MX     10 mx.example.test.
www         A      192.0.2.10
www         AAAA   2001:db8::10
v4          A      192.0.2.4
v6          AAAA   2001:db8::6
many        A      192.0.2.20
many        A      192.0.2.21
many        A      192.0.2.22
many        AAAA   2001:db8::20
many        AAAA   2001:db8::21
brief    1  A      192.0.2.30
zero     0  A      192.0.2.31
text        TXT    "one" "two"
big         TXT    {_text(3000)}
huge        TXT    {_text(40_000)}
bigmany     A      192.0.2.10
host-info   HINFO  "PC" "Linux"
url         URI    10 1 "https://example.test/"
cert        CAA    0 issue "ca.example.test"
; aliases
alias       CNAME  www
alias2      CNAME  alias
alias3      CNAME  alias2
dangling    CNAME  nowhere
tonodata    CNAME  text
away        CNAME  www.other.test.
loop1       CNAME  loop2
loop2       CNAME  loop1
selfloop    CNAME  selfloop
dbelow      DNAME  other.test.
; services
_imaps._tcp  SRV   10 60 993 imap1
_imaps._tcp  SRV   10 40 993 imap2
_imaps._tcp  SRV   20  0 1993 imap3
_sip._udp    SRV    0  0 5060 www
_none._tcp   SRV    0  0 0 .
_lost._tcp   SRV    0  0 99 nowhere
imap1       A      192.0.2.41
imap1       AAAA   2001:db8::41
imap2       A      192.0.2.42
imap3       A      192.0.2.43
mx          A      192.0.2.25
; a wildcard, and a name that hides it
*.wild      A      192.0.2.77
shown.wild  TXT    "no address here"
; names that exist only by what is below them (RFC 8020)
a.b.empty   A      192.0.2.88
; IDNA 2008: bücher; faß is xn--fa-hia there, and fass by IDNA 2003
xn--bcher-kva  A   192.0.2.50
xn--fa-hia     A   192.0.2.51
fass           A   192.0.2.52
; a name that IDNA refuses, and the bytes of bücher in UTF-8
_service.host  A   192.0.2.54
b\\195\\188cher A   192.0.2.55
; longer than any real name
"""
    + "".join(f"long{number} CNAME long{number + 1}\n" for number in range(LONG_CHAIN))
    + f"long{LONG_CHAIN} A 192.0.2.60\n"
    # More addresses than fit in a UDP reply of 1,232 bytes.
    + "".join(f"crowd A 198.51.{100 + n // 200}.{n % 200}\n" for n in range(300)),
)

OTHER = _zone("other.test", "@ A 192.0.2.2\nwww A 192.0.2.12\nwww AAAA 2001:db8::12\n")

QUICK = _zone("quick.test", "@ A 192.0.2.3\ntext TXT x\n", ttl=300, minimum=1)
"""Its negative answers live one second (SOA minimum; RFC 2308, 5)."""

SHORTSOA = _zone("shortsoa.test", "text TXT x\n", ttl=2, minimum=600)
"""Its negative answers live two seconds: the TTL of the SOA is below its minimum."""

SIGNED = _zone(
    "signed.test",
    """\
@            A      192.0.2.5
www          A      192.0.2.15
www          AAAA   2001:db8::15
alias        CNAME  www
insecure     CNAME  www.example.test.
*.wild       A      192.0.2.78
_imaps._tcp  SRV    10 10 993 www
@            MX     10 www
text         TXT    "signed"
""",
)
"""Signed by knot; `unbound` has its key as trust anchor, so AD is set."""

BOGUS = _zone("bogus.test", "www A 192.0.2.16\n")
"""Signed too, but `unbound` has a trust anchor that does not fit: SERVFAIL there."""

REVERSE4 = _zone(
    "2.0.192.in-addr.arpa",
    """\
1   PTR  example.test.
10  PTR  www.example.test.
20  PTR  many.example.test.
20  PTR  many2.example.test.
""",
)

REVERSE6 = _zone(
    "8.b.d.0.1.0.0.2.ip6.arpa",
    "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR www.example.test.\n",
)

MAIL = _zone(
    "mail.test",
    """\
@                  A     192.0.2.100
@                  MX    10 mx1
@                  MX    20 mx2
@                  MX    20 mx.other.test.
_submissions._tcp  SRV   0 1 465 smtp
_submission._tcp   SRV   10 1 587 smtp
_imaps._tcp        SRV   0 1 993 imap
_imaps._tcp        SRV   10 1 993 imap-backup
_imap._tcp         SRV   20 1 143 imap
_pop3s._tcp        SRV   30 1 995 pop
_pop3._tcp         SRV   0 0 0 .
smtp               A     192.0.2.101
imap               A     192.0.2.102
imap               AAAA  2001:db8::102
imap-backup        A     192.0.2.103
pop                A     192.0.2.104
mx1                A     192.0.2.105
mx1                AAAA  2001:db8::105
mx2                A     192.0.2.106
""",
)
"""A domain with all that RFC 6186 and RFC 8314 know, and "no POP3" said outright."""

MAIL_ONLY_MX = _zone("onlymx.test", "@ MX 10 mx\nmx A 192.0.2.110\n")
MAIL_NULL_MX = _zone("nullmx.test", "@ MX 0 .\n@ A 192.0.2.111\n")
"""It takes no mail: null MX (RFC 7505)."""
MAIL_NONE = _zone(
    "nomail.test",
    "_imaps._tcp SRV 0 0 0 .\n_imap._tcp SRV 0 0 0 .\n_submissions._tcp SRV 0 0 0 .\n",
)
"""A domain with no address, no MX, and some services said not to be offered."""
MAIL_IMPLICIT = _zone("implicit.test", "@ A 192.0.2.112\n@ AAAA 2001:db8::112\n")
"""No MX: the address itself takes mail (RFC 5321, 5.1)."""
MAIL_IDN = _zone("xn--bcher-kva.test", "@ MX 10 mx\nmx A 192.0.2.113\n_imaps._tcp SRV 0 1 993 mx\n")
"""bücher.test."""

UNSIGNED_ZONES: Mapping[str, str] = {
    "example.test": PLAIN,
    "other.test": OTHER,
    "quick.test": QUICK,
    "shortsoa.test": SHORTSOA,
    "2.0.192.in-addr.arpa": REVERSE4,
    "8.b.d.0.1.0.0.2.ip6.arpa": REVERSE6,
    "mail.test": MAIL,
    "onlymx.test": MAIL_ONLY_MX,
    "nullmx.test": MAIL_NULL_MX,
    "nomail.test": MAIL_NONE,
    "implicit.test": MAIL_IMPLICIT,
    "xn--bcher-kva.test": MAIL_IDN,
}

SIGNED_ZONES: Mapping[str, str] = {"signed.test": SIGNED, "bogus.test": BOGUS}
