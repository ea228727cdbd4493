"""What a resolver can be told, and what resolv.conf says where it is told nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import dns.exception
import dns.name
from msgspec import Struct

from nspd.providers.dns.idn import ImpossibleName, parse_name
from nspd.providers.dns.memory import Tuning
from nspd.providers.dns.questions import Search
from nspd.providers.dns.resolvconf import ResolvConf
from nspd.providers.dns.resolvconf_file import PATH
from nspd.providers.dns.servers import Server, parse_server


class Options(Struct, frozen=True, kw_only=True):
    """What is None is taken from resolv.conf."""

    servers: tuple[str, ...] | None = None
    """"ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT" each."""
    search: tuple[str, ...] | None = None
    """Domains with which names that are not complete are completed."""
    ndots: int | None = None
    timeout: float | None = None
    """Seconds that one attempt takes at most, over all servers."""
    attempts: int | None = None
    trust_ad: bool | None = None
    """Whether the servers are trusted to say which answers were validated."""
    resolv_conf: str = PATH
    """The file; empty: none is read, and its defaults hold."""
    tuning: Tuning = Tuning()

    def __post_init__(self) -> None:
        if self.servers is not None and not self.servers:
            raise ValueError("servers: there must be one, or leave the setting out")
        for text in self.servers or ():
            _checked_server(text)
        for text in self.search or ():
            _checked_domain(text)
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError("timeout must be above 0")
        if self.attempts is not None and self.attempts < 1:
            raise ValueError("attempts must be 1 or more")
        if self.ndots is not None and self.ndots < 0:
            raise ValueError("ndots must not be below 0")
        if "\0" in self.resolv_conf:
            raise ValueError(f"resolv_conf: {self.resolv_conf!r} is not a path")
        if not self.resolv_conf and self.servers is None:
            raise ValueError("servers: without resolv_conf they must be given")


class InForce(Struct, frozen=True, kw_only=True):
    """What a resolver goes by."""

    servers: tuple[Server, ...]
    timeout: float
    attempts: int
    rotate: bool
    use_vc: bool
    search: Search
    trust_ad: bool
    """Whether the AD bit counts."""
    families: tuple[str, ...]
    """The families of which addresses are asked for."""


def in_force(options: Options, conf: ResolvConf) -> InForce:
    """The options, and for those that say nothing what resolv.conf says.

    The AD bit counts if `trust_ad` says so (in resolv.conf: the option
    trust-ad), or if it is not said and all servers are on this machine.
    """
    own = options.servers
    servers = tuple(conf.servers if own is None else map(parse_server, own))
    trust_ad = options.trust_ad
    if trust_ad is None:
        local = all(ip_address(server.address.partition("%")[0]).is_loopback for server in servers)
        trust_ad = local or (own is None and conf.trust_ad)
    if options.search is None:
        search = tuple(_usable_domains(conf.search))
    else:
        search = tuple(map(_checked_domain, options.search))
    return InForce(
        servers=servers,
        timeout=float(conf.timeout if options.timeout is None else options.timeout),
        attempts=conf.attempts if options.attempts is None else options.attempts,
        rotate=conf.rotate,
        use_vc=conf.use_vc,
        search=Search(
            search,
            conf.ndots if options.ndots is None else options.ndots,
            as_is=not conf.no_tld_query,
        ),
        trust_ad=trust_ad,
        families=("inet",) if conf.no_aaaa else ("inet6", "inet"),
    )


def _checked_server(text: str) -> Server:
    try:
        return parse_server(text)
    except ValueError as error:
        raise ValueError(f"servers: {error}") from None


def _checked_domain(text: str) -> dns.name.Name:
    try:
        return parse_name(text)[0]
    except ImpossibleName as error:
        raise ValueError(f"search: {text!r}: {error}") from None


def _usable_domains(texts: Iterable[str]) -> Iterator[dns.name.Name]:
    # What others wrote into resolv.conf must not stop the daemon.
    for text in texts:
        try:
            yield parse_name(text)[0]
        except ImpossibleName:
            continue
