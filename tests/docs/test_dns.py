"""docs/dns.md says what the dns provider is and does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import dns.name
import dns.rdatatype
import pytest

from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.providers.dns import DnsProvider
from nspd.providers.dns.answers import MAX_CHAIN
from nspd.providers.dns.exchange import IN_FLIGHT
from nspd.providers.dns.flights import MOST_FOR_NOBODY
from nspd.providers.dns.records import MOST_SORTED
from nspd.providers.dns.resolver import MOST_OF_A_USER
from nspd.providers.dns.solving import MAX_TARGETS
from nspd.providers.dns.special import special_answer
from nspd.server.config.providers import ProviderList
from nspd.server.config.report import Place
from nspd.server.kinds import kind_of

TEXT = (Path(__file__).parents[2] / "docs" / "dns.md").read_text("utf-8")
KIND = kind_of(DnsProvider)


def section(title: str) -> str:
    """The part under a heading, up to the next one of its level."""
    level = title.partition(" ")[0]
    return TEXT.split(f"\n{title}\n")[1].split(f"\n{level} ")[0]


def test_it_gives_the_number_and_guid_of_the_namespace() -> None:
    """As the provider has them."""
    provider = DnsProvider()
    assert f"`{provider.provider_id}`" in TEXT
    assert f"namespace {provider.namespace} (NS_DNS)" in TEXT


def test_every_setting_has_its_default() -> None:
    """In the order of the constructor; what is from resolv.conf has none."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section("## Settings"), re.M)
    assert [name for name, _ in rows] == list(KIND.options)
    for name, default in rows:
        value = KIND.defaults.get(name)
        if value is None:
            assert default == "from resolv.conf" or name == "trust_ad"
        else:
            assert default == (f'`"{value}"`' if isinstance(value, str) else f"{value:.10g}"), name


def test_its_example_is_a_valid_configuration() -> None:
    """The settings of the TOML block are what the daemon takes."""
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.M | re.S)
    problems: list[object] = []
    providers = ProviderList({"dns": lambda: KIND}, problems)  # type: ignore[arg-type]
    providers.add(Place("dns.md", {}, ()), tomllib.loads(block)["provider"])
    (settings,) = providers.finish("/state")
    assert problems == []
    assert settings.options["timeout"] == 2.0


def test_codes_stand_with_their_names() -> None:
    """Each code of the table has the symbolic name that the daemon sends."""
    rows = re.findall(r"^\| (\d+) \((\w+)\) \|", section("## How a lookup ends"), re.M)
    assert len(rows) >= 10
    assert [(number, errors.error_name(int(number))) for number, _ in rows] == rows


@pytest.mark.parametrize("flag", re.findall(r"^\| LUP_(\w+)", TEXT, re.M))
def test_flags_are_those_of_a_lookup(flag: str) -> None:
    """Each has a number."""
    assert flag in LookupFlags.__members__


def test_limits_are_as_they_are_told() -> None:
    """The numbers that no setting changes."""
    assert f"at most {MAX_CHAIN} aliases" in TEXT
    assert f"only the first {MAX_TARGETS}" in re.sub(r"\s+", " ", TEXT)
    assert f"of more than {MOST_SORTED} only" in TEXT
    assert f"Of {IN_FLIGHT:,} queries" in re.sub(r"\s+", " ", TEXT)
    assert f"one user has {MOST_OF_A_USER:,};" in TEXT
    assert f"At most {MOST_FOR_NOBODY} queries" in TEXT


def test_names_that_are_never_sent_are_listed() -> None:
    """Those of the table are settled, and an ordinary name is not."""
    rows = section("### Names").split("never sent to a server:")[1].splitlines()[4:6]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert listed == ["localhost", "invalid", "onion", "local"]
    for name in (*listed, *(f"a.{name}" for name in listed)):
        assert special_answer(dns.name.from_text(name), dns.rdatatype.A) is not None
    assert special_answer(dns.name.from_text("example"), dns.rdatatype.A) is None
