"""Which providers a lookup asks."""

from __future__ import annotations

import pytest

from nspd.core.catalog import Catalog, Entry
from nspd.model import errors
from nspd.model.namespaces import fixed_guid
from tests.core.world import Scripted


def entry(namespace: int, *domains: str, active: bool = True, in_all: bool = True) -> Entry:
    """An entry for a namespace."""
    provider = Scripted(namespace=namespace, in_all=in_all)
    return Entry(provider, active=active, domains=domains)


def asked(catalog: Catalog, namespace: int = 0, name: str | None = None) -> list[int]:
    """The namespaces of the providers chosen."""
    return [chosen.namespace for chosen in catalog.choose(None, namespace, name)]


def test_all_is_every_active_provider_that_takes_part() -> None:
    """NS_ALL asks the active providers in order, but those that keep out of it."""
    catalog = Catalog([entry(3), entry(1), entry(2, active=False), entry(4, in_all=False)])
    assert asked(catalog) == [3, 1]
    assert asked(catalog, 4) == [4]
    with pytest.raises(errors.ServiceNotFound):
        asked(catalog, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("host.corp.example", [1]),
        ("HOST.Corp.Example.", [1]),
        ("corp.example", [1]),
        ("notcorp.example", [3]),
        ("host.example", [3]),
        ("lab", [1, 2]),
        ("x.lab", [1, 2]),
        (None, [1, 2, 3]),
    ],
)
def test_suffixes_route(name: str | None, expected: list[int]) -> None:
    """A name goes to those that claim its suffix, else to those that claim none; no name to all."""
    catalog = Catalog([entry(1, ".Corp.Example", "lab"), entry(2, "lab."), entry(3)])
    assert asked(catalog, name=name) == expected


def test_a_guid_asks_that_provider_alone() -> None:
    """By GUID, in any case, the namespace is not looked at; an inactive one is not found."""
    catalog = Catalog([entry(1), entry(2, active=False)])
    (chosen,) = catalog.choose(fixed_guid(1).upper(), 99, None)
    assert chosen.namespace == 1
    for guid in (fixed_guid(2), fixed_guid(3)):
        with pytest.raises(errors.ServiceNotFound):
            catalog.choose(guid, 0, None)
    assert catalog.find(fixed_guid(2).upper()).namespace == 2
    with pytest.raises(errors.InvalidArgument):
        catalog.find(fixed_guid(3))


def test_two_entries_cannot_share_a_guid() -> None:
    """A catalog with one GUID twice cannot be made."""
    with pytest.raises(ValueError, match="same GUID"):
        Catalog([entry(1), entry(1)])


def test_order_names_everyone_once() -> None:
    """A new order counts from the next lookup on; a faulty one changes nothing."""
    catalog = Catalog([entry(1), entry(2), entry(3)])
    assert asked(catalog) == [1, 2, 3]
    catalog.reorder([fixed_guid(n).upper() for n in (3, 1, 2)])
    assert asked(catalog) == [3, 1, 2]
    for wrong in ([1, 2], [1, 2, 3, 3], [1, 2, 4], []):
        with pytest.raises(errors.InvalidArgument):
            catalog.reorder([fixed_guid(n) for n in wrong])
    assert [e.namespace for e in catalog] == [3, 1, 2]


def test_a_change_is_told_once_to_each_watcher() -> None:
    """A watcher hears of the next change only, unless it takes its wish back."""
    catalog = Catalog([entry(1), entry(2)])
    told: list[str] = []
    catalog.watch(lambda: told.append("a"))
    forget = catalog.watch(lambda: told.append("b"))
    forget()
    forget()
    catalog.reorder([fixed_guid(1), fixed_guid(2)])
    assert told == []
    assert catalog.enable(catalog.find(fixed_guid(1)), False)
    assert not catalog.enable(catalog.find(fixed_guid(1)), False)
    assert asked(catalog) == [2]
    catalog.enable(catalog.find(fixed_guid(1)), True)
    assert told == ["a"]
    assert asked(catalog) == [1, 2]


def test_a_watcher_may_watch_again() -> None:
    """Watching again while being told waits for the following change."""
    catalog = Catalog([entry(1)])
    told: list[int] = []

    def changed() -> None:
        told.append(len(told))
        catalog.watch(changed)

    catalog.watch(changed)
    catalog.enable(catalog.find(fixed_guid(1)), False)
    assert told == [0]
    catalog.enable(catalog.find(fixed_guid(1)), True)
    assert told == [0, 1]


def test_a_provider_knows_which_names_are_others() -> None:
    """What the catalog tells a provider of claims, for names that it makes itself."""
    claimant, other = entry(1, "corp.example", "x.lab"), entry(2, "dc1.corp.example")
    catalog = Catalog([claimant, other, entry(3)])
    foreign = {e.namespace: e.provider.foreign for e in catalog}
    for name, to in (
        ("db.corp.example", {2, 3}),
        ("db.dc1.corp.example", {1, 3}),
        ("www.example", set()),
        ("lab", set()),
    ):
        assert {n for n, is_foreign in foreign.items() if is_foreign and is_foreign(name)} == to
    catalog.configure(claimant, budget=None, domains=())
    catalog.configure(other, budget=None, domains=())
    assert [e.provider.foreign for e in catalog] == [None, None, None]
