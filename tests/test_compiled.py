"""Which modules are compiled, if one asks for that."""

from __future__ import annotations

import argparse
import ast
import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench import compiled, processes

ROOT = Path(__file__).resolve().parent.parent


def compiled_modules() -> list[str]:
    """As pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    include: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"][
        "include"
    ]
    return include


def test_each_module_is_there_once_and_in_order() -> None:
    """A file that was renamed would silently be compiled no more."""
    modules = compiled_modules()
    assert "nspd/core/lookup.py" in modules
    assert [name for name in modules if not (ROOT / name).is_file()] == []
    assert modules == sorted(set(modules))


@pytest.mark.parametrize("module", compiled_modules())
def test_no_module_has_what_mypyc_does_not_know(module: str) -> None:
    """Async generators end the build; a msgspec type would lose what it is."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.AsyncFunctionDef):
            yields = [each for each in ast.walk(node) if isinstance(each, ast.Yield)]
            assert not yields, f"{node.name} is an async generator"
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            assert "Struct" not in bases, f"{node.name} is a msgspec type"


def test_a_build_is_current_until_a_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the bench would measure what is not there any more."""
    command, source = tmp_path / "command", tmp_path / "source.py"
    monkeypatch.setattr(compiled, "COMMAND", command)
    monkeypatch.setattr(compiled, "sources", lambda: iter([source]))
    source.touch()
    assert not compiled.is_current()
    command.touch()
    os.utime(command, ns=(1, 2_000))
    os.utime(source, ns=(1, 2_000))
    assert compiled.is_current()
    os.utime(source, ns=(1, 1_000_000_000))
    assert not compiled.is_current()


def test_every_module_is_a_source() -> None:
    """A build depends on all of nspd, and on what says how it is built."""
    found = set(compiled.sources())
    assert {ROOT / name for name in compiled_modules()} <= found
    assert ROOT / "pyproject.toml" in found


def test_the_bench_measures_the_nspd_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the checkout, unless BENCH_NSPD names another."""
    monkeypatch.delenv("BENCH_NSPD", raising=False)
    assert processes.nspd_command() == processes.python("nspd.cli.nspd")
    monkeypatch.setenv("BENCH_NSPD", sys.executable)
    assert processes.nspd_command() == [sys.executable]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for the build, which takes a minute: who asked for it."""
    asked: list[str] = []

    def build() -> Path:
        asked.append("built")
        return Path(sys.executable)

    monkeypatch.setattr(compiled, "build", build)
    # So that what is set in a test is taken back after it.
    monkeypatch.setenv("BENCH_NSPD", "")
    monkeypatch.delenv("BENCH_NSPD")
    return asked


def test_by_default_the_benches_measure_the_compiled_build(built: list[str]) -> None:
    """It is built for them."""
    parser = argparse.ArgumentParser()
    compiled.add_option(parser)
    compiled.choose(parser.parse_args([]).build)
    assert (built, processes.nspd_command()) == (["built"], [sys.executable])


def test_the_benches_can_measure_the_checkout_or_another(
    built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is built for that."""
    compiled.choose("checkout")
    assert processes.nspd_command() == processes.python("nspd.cli.nspd")
    monkeypatch.setenv("BENCH_NSPD", sys.executable)
    compiled.choose("compiled")
    assert (built, processes.nspd_command()) == ([], [sys.executable])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (subprocess.CalledProcessError(1, ["pip"]), "here; --build checkout "),
        (OSError(errno.ENOSPC, "No space left"), r"here: .*No space left; --build checkout "),
    ],
)
def test_what_cannot_be_compiled_is_told(
    error: Exception, told: str, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the checkout is not measured in its place."""

    def fail() -> Path:
        raise error

    monkeypatch.setattr(compiled, "build", fail)
    with pytest.raises(SystemExit, match=f"^nspd cannot be compiled {told}"):
        compiled.choose("compiled")
    assert built == []
    assert "BENCH_NSPD" not in os.environ


@pytest.mark.parametrize("wrong", ["", "/nowhere/nspd"])
def test_the_bench_measures_nothing_else_instead(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """A build that failed leaves BENCH_NSPD empty; the checkout is not taken for it."""
    monkeypatch.setenv("BENCH_NSPD", wrong)
    with pytest.raises(processes.NotAvailable, match="BENCH_NSPD is no command"):
        processes.nspd_command()
    with pytest.raises(SystemExit, match=r"^BENCH_NSPD is no command"):
        compiled.choose("compiled")
