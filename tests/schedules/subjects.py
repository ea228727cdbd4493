"""What the sweep over every await is done with: each provider that we ship, at its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import dns.flags
import pytest

from nspd.core.provider import Provider
from nspd.model.namespaces import Namespace
from nspd.providers.dns import DnsProvider
from nspd.providers.email import EmailProvider
from nspd.providers.hosts import HostsProvider
from nspd.providers.test import TestProvider
from tests.cases.harness import NO_MORE, TIMED_OUT, House
from tests.providers.dns.fakes import (
    Asked,
    FakeServer,
    Script,
    answering,
    failing,
    silence,
    truncating,
)


def _nothing(house: House) -> None:
    """The lookup goes on by itself."""


class Subject(NamedTuple):
    """One provider, one lookup, and what has to happen meanwhile."""

    make: Callable[[Path], AbstractContextManager[Provider]]
    """Makes the provider, given a directory; whatever else it needs is there meanwhile."""
    query: dict[str, Any]
    names: list[str]
    """The names in the records, in order; a lookup that is ended gets the first of them."""
    meanwhile: Callable[[House], None] = _nothing
    code: int = NO_MORE
    """What comes after the last record, if it is not ended."""
    watch: bool = False
    """It would go on for ever, and is ended after these records."""


SUBJECTS: dict[str, Subject] = {}


def _test(name: str, script: str, *numbers: int, **options: Any) -> None:
    query = {"namespace": int(Namespace.TEST), "query_string": script}
    names = [f"test-{number}" for number in numbers]
    SUBJECTS[f"test-{name}"] = Subject(
        lambda directory: nullcontext(TestProvider()), query, names, **options
    )


_test("delay", "records=3&delay=0.002&jitter=0.001", 1, 2, 3)
_test("gate", "records=2&gate=g", 1, 2, meanwhile=lambda house: house.open("g", 2))
_test("steps", "records=2&steps=3&step_delay=0.001", 1, 2)
_test("flood", "records=100&flood=1", *range(1, 101))
_test("shared", "records=3&shared=k&delay=0.001", 1, 2, 3)
_test("thread", "records=2&thread=0.002", 1, 2)
_test("fail", "records=1&delay=0.001&fail=11002", 1)
_test("watch", "records=2&watch_every=0.002", 1, 2, 1, 2, watch=True)

_HOSTS = [f"h{number}" for number in range(12)]


@contextmanager
def _hosts(directory: Path) -> Iterator[Provider]:
    path = directory / "hosts"
    path.write_text("".join(f"192.0.2.1 {name}\n" for name in _HOSTS))
    with pytest.MonkeyPatch.context() as patch:
        # So that few lines are as much work as thousands.
        patch.setattr("nspd.providers.hosts.provider._AT_ONCE", 4)
        patch.setattr("nspd.providers.hosts.provider._SLICE", 3)
        yield HostsProvider(path=str(path))


@contextmanager
def _growing_hosts(directory: Path) -> Iterator[Provider]:
    (directory / "hosts").write_text("192.0.2.1 old\n")
    yield _Growing(directory / "hosts")


class _Growing(HostsProvider):
    """A hosts file to which a line is added as soon as it has been read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path=str(path))
        self._file = path

    def grow(self) -> None:
        self._file.write_text("192.0.2.1 old\n192.0.2.2 new\n")
        self.flush()


def _grow(house: House) -> None:
    (entry,) = house.router.catalog
    assert isinstance(entry.provider, _Growing)
    entry.provider.grow()


_IN_HOSTS = {"namespace": int(Namespace.TCPIP_HOSTS), "service_instance_name": "*"}
SUBJECTS["hosts-enumeration"] = Subject(_hosts, _IN_HOSTS, _HOSTS)
SUBJECTS["hosts-watch"] = Subject(
    _growing_hosts, _IN_HOSTS, ["old", "new"], meanwhile=_grow, watch=True
)


def _dns(*scripts: Script, **options: Any) -> Callable[[Path], AbstractContextManager[Provider]]:
    @contextmanager
    def made(directory: Path) -> Iterator[Provider]:
        fakes = [FakeServer(script) for script in scripts]
        for fake in fakes:
            fake.__enter__()
        try:
            servers = tuple(str(fake) for fake in fakes)
            yield DnsProvider(servers=servers, search=(), resolv_conf="", **options)
        finally:
            for fake in fakes:
                fake.__exit__(None, None, None)

    return made


def _aliased(ask: Asked) -> None:
    """A name that is another's alias, which has to be asked for, too."""
    if ask.name == "www.example.test":
        reply = ask.response(("@", "CNAME", "host.example.test."))
        reply.flags &= ~dns.flags.RA  # a server that follows no aliases
        ask.reply(reply)
    else:
        ask.answer("A", "192.0.2.1")


def _service(ask: Asked) -> None:
    """A service at two hosts."""
    if ask.rdtype == "SRV":
        ask.answer("SRV", "1 0 993 one.example.test.", "2 0 993 two.example.test.")
    else:
        ask.answer("A", "192.0.2.1")


_IN_DNS = {"namespace": int(Namespace.DNS), "service_instance_name": "www.example.test"}
_WWW = ["www.example.test"]
_A = answering("A", "192.0.2.1")

SUBJECTS["dns-addresses"] = Subject(_dns(_A), _IN_DNS, _WWW)
SUBJECTS["dns-alias"] = Subject(_dns(_aliased), _IN_DNS, ["host.example.test", *_WWW])
SUBJECTS["dns-tcp"] = Subject(_dns(truncating(_A)), _IN_DNS, _WWW)
SUBJECTS["dns-second-server"] = Subject(_dns(failing("SERVFAIL"), _A), _IN_DNS, _WWW)
SUBJECTS["dns-silence"] = Subject(
    _dns(silence, timeout=0.02, attempts=2), _IN_DNS, [], code=TIMED_OUT
)
SUBJECTS["dns-service"] = Subject(
    _dns(_service),
    _IN_DNS | {"service_instance_name": "example.test", "query_string": "imaps/tcp"},
    ["one.example.test", "two.example.test"],
)


@contextmanager
def _email(directory: Path) -> Iterator[Provider]:
    with FakeServer(_mail) as fake:
        yield EmailProvider(servers=(str(fake),), resolv_conf="", services=("imaps",))


def _mail(ask: Asked) -> None:
    """A domain with one server for mail clients, and one that takes mail."""
    if ask.rdtype == "SRV":
        ask.answer("SRV", "1 0 993 imap.example.test.")
    elif ask.rdtype == "MX":
        ask.answer("MX", "10 mx.example.test.")
    else:
        ask.answer("A", "192.0.2.1")


SUBJECTS["email-services"] = Subject(
    _email,
    {"namespace": int(Namespace.EMAIL), "service_instance_name": "joe@example.test"},
    ["imap.example.test", "mx.example.test"],
)
