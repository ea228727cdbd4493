"""Which providers a lookup asks, and by which rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.core.catalog import Catalog, Entry
from nspd.core.choice import decide
from nspd.model.errors import ServiceNotFound
from nspd.model.namespaces import fixed_guid
from tests.core.world import Scripted

HOSTS, REGISTRY, CORP, CONSUL, DNS, TEST = range(1, 7)


def entry(namespace: int, *domains: str, active: bool = True, in_all: bool = True) -> Entry:
    """An entry for a namespace."""
    provider = Scripted(namespace=namespace, in_all=in_all)
    return Entry(provider, active=active, domains=domains)


def house(**changes: Entry) -> list[Entry]:
    """A catalog as a company may have it; a test may change an entry by its name."""
    entries = {
        "hosts": entry(HOSTS),
        "registry": entry(REGISTRY),
        "corp": entry(CORP, "corp.example", "10.in-addr.arpa"),
        "consul": entry(CONSUL, "consul", "dc1.corp.example"),
        "dns": entry(DNS),
        "test": entry(TEST, "test.example", in_all=False),
    }
    return list((entries | changes).values())


def asked(entries: list[Entry], name: str | None, namespace: int = 0) -> list[int]:
    """The namespaces of those who are asked; the catalog and the rules must agree."""
    by_rule = [c.entry.namespace for c in decide(entries, None, namespace, name) if c.asked]
    try:
        chosen = Catalog(entries).choose(None, namespace, name)
    except ServiceNotFound:
        chosen = []
    assert [each.namespace for each in chosen] == by_rule
    return by_rule


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("www.example", [HOSTS, REGISTRY, DNS]),
        ("corp.example", [CORP]),
        ("db.corp.example", [CORP]),
        ("DB.Corp.Example.", [CORP]),
        ("dc1.corp.example", [CONSUL]),
        ("db.dc1.corp.example", [CONSUL]),
        ("xdc1.corp.example", [CORP]),
        ("notcorp.example", [HOSTS, REGISTRY, DNS]),
        ("corp.example.org", [HOSTS, REGISTRY, DNS]),
        ("consul", [CONSUL]),
        ("web.service.consul", [CONSUL]),
        ("alice@corp.example", [CORP]),
        ("corp.example@example.org", [HOSTS, REGISTRY, DNS]),
        ("db。corp。example", [CORP]),
        ("ⓓⓑ.ⓒⓞⓡⓟ.example", [CORP]),
        ("10.1.2.3", [CORP]),
        ("3.2.1.10.in-addr.arpa", [CORP]),
        ("::ffff:10.1.2.3", [CORP]),
        ("11.1.2.3", [HOSTS, REGISTRY, DNS]),
        ("x.test.example", [HOSTS, REGISTRY, DNS]),
    ],
)
def test_the_most_specific_suffix_decides(name: str, expected: list[int]) -> None:
    """A name goes to the provider with the longest suffix over it, and to nobody else."""
    assert asked(house(), name) == expected


@pytest.mark.parametrize("name", ["db.corp.example", "web.consul"])
@pytest.mark.parametrize("namespace", [HOSTS, REGISTRY, DNS])
def test_a_claimed_name_does_not_leak_through_another_namespace(name: str, namespace: int) -> None:
    """Asking one namespace does not take a name past the provider that claims it."""
    assert asked(house(), name, namespace) == []
    with pytest.raises(ServiceNotFound, match="claim"):
        Catalog(house()).choose(None, namespace, name)


def test_a_claim_holds_while_its_provider_is_off() -> None:
    """Switched off, the provider leaves the name to nobody: the name must not leak for that."""
    off = house(corp=entry(CORP, "corp.example", active=False))
    assert asked(off, "db.corp.example") == []
    rules = {c.entry.namespace: c.rule for c in decide(off, None, 0, "db.corp.example")}
    assert rules[CORP] == "inactive"
    assert rules[DNS] == "claimed"


def test_a_guid_overrules_a_claim() -> None:
    """Who names the provider has said to whom the name may be told."""
    (chosen,) = Catalog(house()).choose(fixed_guid(DNS), 0, "db.corp.example")
    assert chosen.namespace == DNS
    rules = {c.entry.namespace: c.rule for c in decide(house(), fixed_guid(DNS), 0, "x.consul")}
    assert rules[DNS] == "provider_id"
    assert set(rules.values()) == {"provider_id", "other_provider"}


def test_several_may_list_the_same_suffix() -> None:
    """All that list the deciding suffix are asked, in catalog order."""
    entries = house(registry=entry(REGISTRY, "corp.example"))
    assert asked(entries, "db.corp.example") == [REGISTRY, CORP]
    assert asked(entries, "db.corp.example", REGISTRY) == [REGISTRY]
    assert asked(entries, "www.example") == [HOSTS, DNS]


def test_the_root_takes_what_nobody_claims() -> None:
    """A provider with "." beside other suffixes is asked for unclaimed names as well."""
    entries = house(registry=entry(REGISTRY, "corp.example", "."))
    assert asked(entries, "db.corp.example") == [REGISTRY, CORP]
    assert asked(entries, "www.example") == [HOSTS, REGISTRY, DNS]
    assert asked(entries, "web.consul") == [CONSUL]


def test_nobody_takes_an_unclaimed_name() -> None:
    """If every provider claims something, a name elsewhere has nobody to go to."""
    entries = [entry(CORP, "corp.example")]
    assert asked(entries, "www.example") == []
    assert [c.rule for c in decide(entries, None, 0, "www.example")] == ["outside_domains"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, [HOSTS, REGISTRY, CORP, CONSUL, DNS]),
        ("", [HOSTS, REGISTRY, CORP, CONSUL, DNS]),
        ("*", [HOSTS, REGISTRY, CORP, CONSUL, DNS]),
        ("*.example", [HOSTS, REGISTRY, CORP, CONSUL, DNS]),
        ("*.example.org", [HOSTS, REGISTRY, DNS]),
        ("*.corp.example", [CORP, CONSUL]),
        ("d?.corp.example", [CORP, CONSUL]),
        ("*.dc1.corp.example", [CONSUL]),
        ("*.consul", [CONSUL]),
        ("*@corp.example", [CORP]),
        ("*@example.org", [HOSTS, REGISTRY, DNS]),
    ],
)
def test_patterns_go_where_names_that_match_may_be(
    pattern: str | None, expected: list[int]
) -> None:
    """An enumeration asks whoever may have names that match, and a claimed pattern stays there."""
    assert asked(house(), pattern) == expected


def test_a_provider_outside_of_all_claims_in_its_own_namespace_only() -> None:
    """The test namespace takes no name away from NS_ALL, but has its own rules for itself."""
    assert asked(house(), "x.test.example", TEST) == [TEST]
    assert asked(house(), "www.example", TEST) == []


def test_each_provider_has_its_reason() -> None:
    """Who is not asked is told of as well, with the suffix that decided."""
    entries = house(registry=entry(REGISTRY, active=False))
    choices = decide(entries, None, 0, "db.corp.example")
    assert [(c.entry.namespace, c.asked, c.rule, c.domain) for c in choices] == [
        (HOSTS, False, "claimed", "corp.example"),
        (REGISTRY, False, "claimed", "corp.example"),
        (CORP, True, "domains", "corp.example"),
        (CONSUL, False, "claimed", "corp.example"),
        (DNS, False, "claimed", "corp.example"),
        (TEST, False, "not_in_all", None),
    ]
    assert [c.rule for c in decide(entries, None, 0, "www.example")] == [
        "all",
        "inactive",
        "outside_domains",
        "outside_domains",
        "all",
        "not_in_all",
    ]
    assert [c.rule for c in decide(entries, None, DNS, "www.example")] == [
        *["other_namespace"] * 4,
        "namespace",
        "other_namespace",
    ]


LABELS = st.sampled_from(["a", "b", "c", "example", "*"])
NAMES = st.lists(LABELS, max_size=4).map(".".join)
DOMAINS = st.lists(NAMES.filter(lambda name: "*" not in name), max_size=2)
ENTRIES = st.lists(st.tuples(DOMAINS, st.booleans()), min_size=1, max_size=5)


@given(ENTRIES, NAMES, st.integers(0, 2))
def test_the_catalog_and_the_rules_agree(
    described: list[tuple[list[str], bool]], name: str, namespace: int
) -> None:
    """Whoever the story says is asked is asked, for any claims and any name."""
    entries = [
        entry(number + 1, *domains, active=active)
        for number, (domains, active) in enumerate(described)
    ]
    told = asked(entries, name, namespace)
    if "*" not in name and name:
        over = [
            domain
            for each in entries
            for domain in each.domains
            if domain and f".{name}".endswith(f".{domain}")
        ]
        longest = max(over, key=len, default=None)
        for each in entries:
            if each.namespace in told:
                lists = longest in each.domains
                takes_rest = longest is None and (not each.domains or "" in each.domains)
                assert lists or takes_rest
