"""Kinds of provider: their options read from constructors, and entry points that fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint
from os import PathLike
from time import monotonic
from typing import ClassVar

import pytest

from nspd.core.provider import Provider
from nspd.server import kinds
from nspd.server.kinds import KindError, installed_kinds, kind_of, make_provider
from nspd.server.settings import ProviderSettings

SETTINGS = ProviderSettings(
    kind="echo",
    identifier="Echo",
    provider_id="5e1d0000-0000-4000-8000-00000001117a",
    namespace=70010,
    options={"greeting": "hello"},
)


class Echo(Provider):
    """A third party's provider."""

    kind: ClassVar[str] = "echo"
    namespace = 70001

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        greeting: str,
        pause: float = 0.0,
        path: str | PathLike[str] | None = None,
        clock: Callable[[], float] = monotonic,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self.greeting = greeting
        self.pause = pause
        self.path = path
        self.clock = clock
        self.on_start = on_start


class Plain(Provider):
    """A provider that keeps the constructor of every provider."""

    kind: ClassVar[str] = "plain"
    namespace = 70002


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points that are installed; a test adds its own."""
    found: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [entry for entry in found if entry.group == group]

    monkeypatch.setattr(kinds, "entry_points", entry_points)
    return found


def test_options_are_the_constructors_own_parameters() -> None:
    """Beside those that every provider has, each with what of its type a file can say."""
    assert kind_of(Echo).options == {"greeting": str, "pause": float, "path": str | None}
    assert kind_of(Echo).defaults == {"pause": 0.0}
    assert kind_of(Echo).required == {"greeting"}
    assert kind_of(Echo).namespace == 70001
    assert kind_of(Plain).options == {}


def test_a_catalog_entry_becomes_a_provider(
    entries: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class behind the entry point is made with the entry's settings and options."""
    monkeypatch.setattr(logging, "EchoForThisTest", Echo, raising=False)
    entries.append(EntryPoint("echo", "logging:EchoForThisTest", "nspd.providers"))
    provider = make_provider(SETTINGS)
    assert isinstance(provider, Echo)
    assert (provider.identifier, provider.namespace) == ("Echo", 70010)
    assert provider.provider_id == SETTINGS.provider_id
    assert (provider.greeting, provider.pause) == ("hello", 0.0)


def test_kinds_are_listed_without_importing_them(entries: list[EntryPoint]) -> None:
    """A broken package harms nobody until its kind is used."""
    entries.append(EntryPoint("bad", "no_such_package_here:Thing", "nspd.providers"))
    entries.append(EntryPoint("other", "logging:Logger", "somebody.else"))
    assert list(installed_kinds()) == ["bad"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package_here:Thing", "cannot be imported"),
        ("logging:NoSuchName", "cannot be imported"),
        ("logging:Logger", r"is no nspd\.core\.provider\.Provider"),
        ("logging:info", r"is no nspd\.core\.provider\.Provider"),
    ],
)
def test_an_entry_point_that_is_no_provider_is_an_error(
    entries: list[EntryPoint], value: str, message: str
) -> None:
    """Whatever an installed package announces, the configuration can say what is wrong."""
    entries.append(EntryPoint("bad", value, "nspd.providers"))
    with pytest.raises(KindError, match=message):
        installed_kinds()["bad"]()


def test_a_constructor_whose_annotations_mean_nothing_is_an_error(
    entries: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that exist for type checkers alone cannot become options."""

    class Vague(Plain):
        """Its option has a type that cannot be found."""

        def __init__(self, *, place: object = None) -> None:
            super().__init__()

    Vague.__init__.__annotations__["place"] = "NoSuchType"
    monkeypatch.setattr(logging, "VagueForThisTest", Vague, raising=False)
    entries.append(EntryPoint("vague", "logging:VagueForThisTest", "nspd.providers"))
    with pytest.raises(KindError, match="'NoSuchType' is not defined"):
        installed_kinds()["vague"]()


def test_a_kind_that_is_not_installed_cannot_be_made(entries: list[EntryPoint]) -> None:
    """The error names the kind."""
    with pytest.raises(KindError, match="'echo'"):
        make_provider(SETTINGS)
