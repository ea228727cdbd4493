"""The format of resolv.conf (resolv.conf(5)), read as glibc reads it.

Where glibc silently ignores, we do the same and say so in `ResolvConf.problems`.
The environment (RES_OPTIONS, LOCALDOMAIN) does not count: it is that of the
daemon, not of those who ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dns.exception
import dns.name
from msgspec import Struct

from nspd.providers.dns.servers import Server, parse_address

MOST_SERVERS = 3
"""Servers that count; the rest of the file's are passed over (MAXNS)."""

MOST_NDOTS = 15
MOST_TIMEOUT = 30
MOST_ATTEMPTS = 5

_LEAST_AND_MOST = {
    "ndots": (0, MOST_NDOTS),
    # glibc waits one second if told to wait none.
    "timeout": (1, MOST_TIMEOUT),
    "attempts": (1, MOST_ATTEMPTS),
}
_LOCAL = (Server("127.0.0.1"),)
_FLAGS = ("rotate", "trust-ad", "use-vc", "no-aaaa", "no-tld-query")
# Known to glibc, and without a meaning here: EDNS is always used, and each query has a
# socket of its own.
_WITHOUT_MEANING = frozenset(
    {"debug", "edns0", "inet6", "no-check-names", "no-ip6-dotint", "no-reload"}
    | {"single-request", "single-request-reopen"}
)


class Problem(Struct, frozen=True, gc=False):
    """A line, or a part of one, that was passed over."""

    line: int
    """Its number, from 1."""
    reason: str


class ResolvConf(Struct, frozen=True, kw_only=True):
    """What a resolv.conf says."""

    servers: Sequence[Server] = _LOCAL
    """In the order of the file, at most `MOST_SERVERS`; the local machine if it names none."""
    search: Sequence[str] = ()
    """Domains to complete short names with, in order, as written."""
    ndots: int = 1
    """A name with at least so many dots is asked as it is before `search` applies."""
    timeout: int = 5
    """Seconds."""
    attempts: int = 2
    rotate: bool = False
    """Begin with another server for each question."""
    trust_ad: bool = False
    """The servers, and the way to them, are trusted to set the AD bit truly."""
    use_vc: bool = False
    """Ask over TCP at once."""
    no_aaaa: bool = False
    """Ask for no AAAA records when looking for addresses."""
    no_tld_query: bool = False
    """Do not ask for a name without a dot as it is."""
    problems: Sequence[Problem] = ()
    """What was passed over."""


def parse(text: str, *, hostname: str = "") -> ResolvConf:
    """Read the text of a resolv.conf. Broken lines are passed over, never an error.

    Args:
        text: the whole file.
        hostname: this machine's name; where the file has no search list, what
            follows its first dot is the list.
    """
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        reader.number = number
        reader.read(line)
    if reader.search is None:
        domain = hostname.partition(".")[2].strip(".")
        reader.search = (domain,) if domain else ()
    return ResolvConf(
        servers=tuple(reader.servers) or _LOCAL,
        search=reader.search,
        ndots=reader.numbers["ndots"],
        timeout=reader.numbers["timeout"],
        attempts=reader.numbers["attempts"],
        problems=tuple(reader.problems),
        **{flag.replace("-", "_"): flag in reader.flags for flag in _FLAGS},
    )


class _Reader:
    """The state while the lines are read."""

    def __init__(self) -> None:
        self.number = 0
        self.servers: list[Server] = []
        self.search: tuple[str, ...] | None = None
        self.numbers = {"ndots": 1, "timeout": 5, "attempts": 2}
        self.flags: set[str] = set()
        self.problems: list[Problem] = []

    def read(self, line: str) -> None:
        """Take over one line."""
        words = line.split()
        if not words or line[0] in ";#":
            return None
        if line[0].isspace():
            return self._pass_over("a keyword must begin its line")
        keyword, *values = words
        if keyword == "nameserver":
            return self._nameserver(values)
        if keyword == "search":
            self.search = tuple(self._domains(values))
            return None
        if keyword == "domain":
            self.search = tuple(self._domains(values[:1]))
            return None
        if keyword == "options":
            for option in values:
                self._option(option)
            return None
        return self._pass_over(f"{keyword!r} is not supported")

    def _pass_over(self, reason: str) -> None:
        self.problems.append(Problem(self.number, reason))

    def _nameserver(self, values: Sequence[str]) -> None:
        try:
            address = parse_address(values[0] if values else "")
        except ValueError as error:
            return self._pass_over(str(error))
        if len(self.servers) == MOST_SERVERS:
            return self._pass_over(f"more than {MOST_SERVERS} nameservers")
        self.servers.append(Server(address))
        return None

    def _domains(self, values: Sequence[str]) -> Iterator[str]:
        for value in values:
            try:
                dns.name.from_text(value)
            except (dns.exception.DNSException, UnicodeError):
                self._pass_over(f"{value!r} is not a domain name")
            else:
                yield value

    def _option(self, option: str) -> None:
        name, colon, value = option.partition(":")
        if name in _LEAST_AND_MOST and colon:
            if not (value.isascii() and value.isdecimal()):
                return self._pass_over(f"{option!r} has no number")
            least, most = _LEAST_AND_MOST[name]
            # A number of any length is cut, not converted.
            number = int(value) if len(value) < 10 else most
            self.numbers[name] = max(least, min(most, number))
        elif option in _FLAGS:
            self.flags.add(option)
        elif option not in _WITHOUT_MEANING:
            return self._pass_over(f"the option {option!r} is not known")
        return None
