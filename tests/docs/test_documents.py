"""What the documents quote is what the files say."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from nspd.providers.test.script import Script

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = (DOCS / "examples" / "phonebook.py").read_text("utf-8")
PROVIDERS = (DOCS / "providers.md").read_text("utf-8")
QUOTED = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", PROVIDERS, re.M | re.S)
    if re.search(r"^ *(class|def|async def) ", block, re.M)
]


@pytest.mark.parametrize("block", QUOTED, ids=lambda block: block.split("(")[0].split()[-1])
def test_the_worked_example_is_quoted_as_it_is(block: str) -> None:
    """Each definition in providers.md stands in the example, line by line."""
    assert block in EXAMPLE


def test_the_worked_example_is_quoted() -> None:
    """Its ways to answer are all shown."""
    shown = "".join(QUOTED)
    defined = re.findall(r"def (running|answer|lookup|sharing_key)\(", shown)
    assert sorted(defined) == ["answer", "lookup", "running", "sharing_key"]


def test_the_entry_point_is_quoted_as_it_is() -> None:
    """So are the entry point of its package and its configuration."""
    point, provider = re.findall(r"^```toml\n(.*?)^```", PROVIDERS, re.M | re.S)
    assert point in (DOCS / "examples" / "pyproject.toml").read_text("utf-8")
    assert provider == (DOCS / "examples" / "phonebook.toml").read_text("utf-8")


def test_every_key_of_the_test_namespace_is_documented() -> None:
    """The table of test-namespace.md has the keys of a script, with their defaults."""
    text = (DOCS / "test-namespace.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", text, re.M)
    expected = {
        field: "" if default is None else str(int(default))
        for field, default in zip(Script.__struct_fields__, Script.__struct_defaults__, strict=True)
    }
    assert {key: default.strip() for key, default in rows} == expected


def test_a_provider_in_a_few_lines(tmp_path: Path) -> None:
    """The lines under "Testing" run as they stand."""
    (block,) = re.findall(r"^```python\n(async with open_router.*?)^```", PROVIDERS, re.M | re.S)
    book = tmp_path / "phonebook.json"
    book.write_text('{"reception": "192.0.2.10"}')
    program = dedent("""
        import anyio, structlog
        from docs.examples.phonebook import PhonebookProvider
        from nspd.core.catalog import Entry
        from nspd.core.router import open_router
        from nspd.core.users import Peer
        from nspd.model.queryset import QuerySet

        async def main():
            provider = PhonebookProvider(path=path)
        {body}
            return record

        found = anyio.run(main)
    """).format(body="".join(f"    {line}\n" for line in block.splitlines()))
    names = {"path": str(book)}
    exec(program, names)
    assert getattr(names["found"], "service_instance_name", None) == "reception"
