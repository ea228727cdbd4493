"""The fault table: each provider, each fault; who is named, what is said, who is not disturbed.

A lookup over all namespaces runs while one provider is struck. Its verdict must
name that provider, the cause and the setting that fired; the others must answer
as if nothing had happened; and `nspd.Explain` must tell what was put in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.backends import REAL_TIME
from tests.cases.harness import Reply
from tests.providers.faults.catalog import NUMBERS, PROVIDERS, Bench, running
from tests.providers.faults.cells import ANY, FAULTS, TABLE, Cell

CELLS = [
    pytest.param(provider, cell, id=f"{provider}-{fault}")
    for provider, row in TABLE.items()
    for fault, cell in row.items()
    if isinstance(cell, Cell)
]


def test_the_table_is_complete() -> None:
    """Every provider has every fault, or a reason why it cannot have it."""
    assert {provider: set(row) for provider, row in TABLE.items()} == {
        provider: set(FAULTS) for provider in PROVIDERS
    }
    reasons = [cell for row in TABLE.values() for cell in row.values() if isinstance(cell, str)]
    assert len(reasons) == 1
    assert len(CELLS) + len(reasons) == len(PROVIDERS) * len(FAULTS)


def verdicts_of(reply: Reply) -> dict[str, dict[str, Any]]:
    """The verdicts of a whole lookup by provider, whether it succeeded or not."""
    told = reply["result"] if "result" in reply else reply["error"]["data"]
    return {verdict["identifier"]: verdict for verdict in told["verdicts"]}


def check(cell: Cell, verdict: dict[str, Any]) -> None:
    """The struck provider's verdict says what was put in."""
    said = verdict["outcome"], verdict["error"], verdict["setting"]
    assert said == (cell.outcome, cell.error, cell.setting)
    if cell.records is None:
        assert verdict["records"] > 0
    elif cell.records != ANY:
        assert verdict["records"] == cell.records


def check_story(cell: Cell, events: list[dict[str, Any]]) -> None:
    """The expected events are told, in that order."""
    rest = iter(events)
    for event, facts in cell.told:
        assert any(
            told["event"] == event and facts.items() <= told["facts"].items() for told in rest
        ), (event, facts, events)


@REAL_TIME
@pytest.mark.anyio
@pytest.mark.parametrize(("provider", "cell"), CELLS)
async def test_a_fault(
    provider: str, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One provider is struck: the truth is told about it, and the others do not notice."""
    bench = Bench(tmp_path)
    cell.strike(bench, monkeypatch)
    async with running(bench):
        if cell.logged is not None:
            bench.house.log.announced.add(cell.logged)
        async with cell.meanwhile(bench):
            told = await bench.explain(cell.name)
            verdicts = {verdict["identifier"]: verdict for verdict in told["verdicts"]}
            check(cell, verdicts[provider])
            assert verdicts[provider]["elapsed"] >= cell.at_least
            for other in PROVIDERS:
                if other != provider:
                    assert verdicts[other]["outcome"] in ("answered", "empty"), verdicts[other]
                    assert verdicts[other]["error"] is None
            story = [event for event in told["story"] if event["identifier"] == provider]
            check_story(cell, story)
            servers = {e["facts"]["server"] for e in story if e["event"] == "attempt"}
            assert servers <= {str(server) for server in bench.servers.values()}
            if provider in bench.servers:
                assert servers <= {str(bench.servers[provider])}
            plain = verdicts_of(await bench.look_up(cell.name))
            check(cell, plain[provider])
            alone = await bench.explain(cell.name, namespace=NUMBERS[provider])
            expected = cell.alone
            if expected is None:  # its error, unless there were records before it
                expected = 0 if alone["results"] else cell.error
            assert (alone["error"] or {"code": 0})["code"] == expected
            check(cell, alone["verdicts"][0])
        if cell.logged is not None:
            assert cell.logged in {event for _, event, _ in bench.house.log.entries}
