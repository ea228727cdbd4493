"""docs/testing-suites.md says what the contracts ask, and shows what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.examples.test_phonebook import TestPhonebook as PhonebookContract
from nspd.testing import ClientContract, ProviderContract

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing-suites.md").read_text("utf-8")


class TestPhonebook(PhonebookContract):
    """The example, run as it stands."""


@pytest.mark.parametrize("contract", [ProviderContract, ClientContract])
def test_every_check_is_documented(contract: type) -> None:
    """The tables have every check, each with the sentence that says what it asks."""
    section = PAGE.split("\n## A client\n")[contract is ClientContract]
    documented = re.findall(r"^\| `(test_\w+)` \|", section, re.M)
    assert sorted(documented) == sorted(name for name in dir(contract) if name[:5] == "test_")


def test_what_is_to_be_said_is_documented() -> None:
    """The table of what a provider's author says has every method and number of the contract."""
    table = PAGE.split("| You say |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)[`(]", table)) - {"asked"}
    public = {name for name in vars(ProviderContract) if name[0] != "_" and name[:5] != "test_"}
    assert documented == public - {"running"}


@pytest.mark.parametrize(
    ("block", "source"),
    list(
        zip(
            re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S),
            ["docs/examples/test_phonebook.py", "tests/testing/test_own_clients.py"],
            strict=True,
        )
    ),
    ids=["provider", "client"],
)
def test_what_is_quoted_is_there(block: str, source: str) -> None:
    """Each program stands in the file that it is taken from, line by line."""
    assert block in (ROOT / source).read_text("utf-8")
