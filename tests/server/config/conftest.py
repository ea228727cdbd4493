"""Kinds of provider and surroundings for configurations under test."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, ClassVar

import pytest

from nspd.core.provider import Provider
from nspd.server.config.layers import Surroundings
from nspd.server.kinds import Kind, KindError, Kinds, kind_of


class Hosts(Provider):
    """Has one option, as text."""

    kind: ClassVar[str] = "hosts"
    namespace = 11

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        path: str = "/etc/hosts",
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        if not path:
            raise ValueError("the path of a hosts file cannot be empty")
        self.path = path


class Registry(Provider):
    """Has a store, whose default depends on the daemon's state directory."""

    kind: ClassVar[str] = "registry"
    namespace = 65536

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        store: str = "memory",
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self.store = store


class Email(Provider):
    """Keeps registrations on disk unless told otherwise."""

    kind: ClassVar[str] = "email"
    namespace = 37

    def __init__(self, *, store: str = "memory", **common: Any) -> None:
        super().__init__(**common)


class Dns(Provider):
    """Has no option here; it is there because it is listed by default."""

    kind: ClassVar[str] = "dns"
    namespace = 12


class Remote(Provider):
    """A third party's kind: a duration and a list as options."""

    kind: ClassVar[str] = "remote"
    namespace = 70000

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        timeout: float = 5.0,
        servers: list[str] | None = None,
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self.timeout = timeout
        self.servers = servers or []


class Needy(Provider):
    """A third party's kind that cannot do without its option."""

    kind: ClassVar[str] = "needy"
    namespace = 70004

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        server: str,
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self.server = server


def broken() -> Kind:
    """A kind whose module does not import."""
    raise KindError("remote_thing:Provider cannot be imported: no module named remote_thing")


@pytest.fixture
def kinds() -> Kinds:
    """The kinds that are installed in this test."""
    return {
        "hosts": lambda: kind_of(Hosts),
        "registry": lambda: kind_of(Registry),
        "dns": lambda: kind_of(Dns),
        "email": lambda: kind_of(Email),
        "remote": lambda: kind_of(Remote),
        "needy": lambda: kind_of(Needy),
        "broken": broken,
    }


@pytest.fixture
def surroundings() -> Surroundings:
    """The machine's daemon, with nothing in its environment."""
    return Surroundings(uid=0, home=PurePosixPath("/root"), environment={})
