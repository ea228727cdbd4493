"""Everything that people can say to nspd, or hear from it, is documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from nspd.cli.nspctl import main as nspctl
from nspd.cli.nspd import main as nspd
from nspd.model import errors
from nspd.server.config.values import PROVIDER_KEYS, SECTIONS
from nspd.wire.types import METHODS, NOTIFICATIONS

DOCS = Path(__file__).parents[1] / "docs"
ALL = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")

USED_CODES = sorted(
    set(errors.CLASSES) | {code for method in METHODS.values() for code in method.errors}
)


def verbs(group: click.Group) -> list[str]:
    """The commands of a group."""
    return group.list_commands(click.Context(group))


def section(title: str) -> str:
    """The part of configuration.md under a heading."""
    return CONFIGURATION.split(f"\n## `{title}`\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", SECTIONS)
def test_settings_are_documented_in_their_section(name: str) -> None:
    """Each table of configuration.md has the keys of its section, and no other."""
    documented = re.findall(r"^\| `(\w+)` \|", section(f"[{name}]"), flags=re.MULTILINE)
    assert documented == list(SECTIONS[name].__struct_fields__)


def test_settings_of_a_provider_are_documented() -> None:
    """The same for the list of providers."""
    common = section("[[provider]]").split("\nBeside these")[0]
    assert re.findall(r"^\| `(\w+)` \|", common, flags=re.MULTILINE) == list(PROVIDER_KEYS)


@pytest.mark.parametrize("method", [*METHODS, *NOTIFICATIONS])
def test_methods_are_documented(method: str) -> None:
    """Every method and notification, by its full name."""
    assert f"`{method}`" in ALL


@pytest.mark.parametrize("code", USED_CODES)
def test_error_codes_are_documented(code: int) -> None:
    """Every number that nspd uses, with its symbolic name on the same line."""
    name = errors.error_name(code)
    assert any(name in line and re.search(rf"\b{code}\b", line) for line in ALL.splitlines())


@pytest.mark.parametrize("verb", verbs(nspctl))
def test_verbs_of_nspctl_are_documented(verb: str) -> None:
    """Every verb has its place in the table of verbs."""
    table = (DOCS / "nspctl.md").read_text(encoding="utf-8").split("\n## Verbs\n")[1]
    assert re.search(rf"^\|.*`{re.escape(verb)}[ `]", table.split("\n## ")[0], re.MULTILINE)


@pytest.mark.parametrize("verb", verbs(nspd))
def test_verbs_of_nspd_are_documented(verb: str) -> None:
    """Every verb, with the program's name before it."""
    assert re.search(rf"\bnspd {re.escape(verb)}\b", ALL)


def test_links_between_documents_lead_somewhere() -> None:
    """A relative link names a file that is there."""
    for path in sorted(DOCS.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
