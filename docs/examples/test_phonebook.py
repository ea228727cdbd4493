"""The phonebook keeps the contract of a provider (docs/testing-suites.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from docs.examples.phonebook import PhonebookProvider
from nspd.core.provider import Query
from nspd.testing import ProviderContract, asked


class TestPhonebook(ProviderContract):
    """What the contract asks, of a phonebook of the test's own."""

    path: Path

    @pytest.fixture(autouse=True)
    def phonebook(self, tmp_path: Path) -> None:
        self.path = tmp_path / "phonebook.json"
        self.path.write_text(json.dumps({"reception": "192.0.2.10", "workshop": "2001:db8::11"}))

    def make_provider(self) -> PhonebookProvider:
        return PhonebookProvider(path=str(self.path))

    def lookups(self) -> Sequence[Query]:
        return [asked("reception"), asked("*"), asked("work*")]

    def unknown(self) -> Sequence[Query]:
        return [asked("cellar")]
