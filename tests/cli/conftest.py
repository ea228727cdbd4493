"""A daemon that answers as told, and nspctl run against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nspd.cli.nspctl import main
from tests.cli.fake_daemon import FakeDaemon

Nspctl = Callable[..., Result]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A fake daemon that answers every ordinary call; its socket is in ``NSPD_SOCKET``."""
    path = str(tmp_path / "s")
    monkeypatch.setenv("NSPD_SOCKET", path)
    with FakeDaemon(path) as fake:
        yield fake


@pytest.fixture
def nspctl() -> Nspctl:
    """Run nspctl in this process with these arguments."""

    def run(*arguments: str, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(arguments), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NSPD_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
