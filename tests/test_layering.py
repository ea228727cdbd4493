"""Imports point downwards only: a room imports those below it, and no others.

The rooms and their arrows are in docs/design.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nspd

PACKAGE = Path(nspd.__file__).parent

BELOW = {
    "model": set[str](),
    "wire": {"model"},
    "core": {"model"},
    "providers": {"core.provider", "core.story", "model"},
    "server": {"providers", "core", "wire", "model"},
    "client": {"wire", "model"},
    "ws2": {"client", "wire", "model"},
    "testing": {"client", "providers", "core", "wire", "model"},
    "race": {"client", "server", "providers", "core", "wire", "model"},
    "cli": {"race", "client", "server", "providers", "core", "wire", "model"},
}
"""What each room may import beside itself; a dotted entry is one module of a room."""


def imported(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """The modules of nspd that a module imports, in full, late and conditional ones too."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "nspd")


def upward(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """The imports of a module that its room does not allow."""
    room = module.split(".")[1]
    allowed = BELOW[room] | {room}
    return [
        name
        for name in imported(source, module, is_package=is_package)
        if (target := name.removeprefix("nspd.")).split(".")[0] in BELOW
        and not any(target == entry or target.startswith(f"{entry}.") for entry in allowed)
    ]


def modules() -> list[tuple[str, Path]]:
    """Every module that stands in a room, with its file."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in ("nspd", "nspd.__main__"):
            found.append((name, path))
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value)[-60:])
def test_no_import_points_upwards(module: str, path: Path) -> None:
    """Each module keeps to the rooms below its own."""
    is_package = path.name == "__init__.py"
    assert upward(path.read_text(encoding="utf-8"), module, is_package=is_package) == []


def test_every_room_is_known() -> None:
    """A new room must say what it may import."""
    assert {module.split(".")[1] for module, _ in modules()} <= set(BELOW)


def test_the_arrows_have_no_circle() -> None:
    """Following the arrows downwards always ends."""
    depth: dict[str, int] = {}

    def measure(room: str, above: tuple[str, ...]) -> int:
        assert room not in above
        if room not in depth:
            below = {entry.split(".")[0] for entry in BELOW[room]}
            depth[room] = 1 + max((measure(other, (*above, room)) for other in below), default=0)
        return depth[room]

    assert {room: measure(room, ()) for room in BELOW}["model"] == 1


@pytest.mark.parametrize(
    ("module", "source", "arrows"),
    [
        ("nspd.wire.decode", "from nspd.core.limits import Limits", ["nspd.core.limits.Limits"]),
        ("nspd.core.router", "import nspd.wire", ["nspd.wire"]),
        ("nspd.core.router", "def f():\n    from nspd import wire", ["nspd.wire"]),
        ("nspd.core.router", "from ..wire import lines", ["nspd.wire.lines"]),
        ("nspd.providers.dns", "from nspd.core.router import R", ["nspd.core.router.R"]),
        ("nspd.providers.dns", "from nspd.core.provider import Provider", []),
        (
            "nspd.model.flags",
            "if x:\n    import nspd.model.errors, nspd.cli.nspd",
            ["nspd.cli.nspd"],
        ),
        ("nspd.client.aio", "from nspd.server import settings", ["nspd.server.settings"]),
        ("nspd.cli.serve", "from nspd.server import daemon\nfrom nspd import __version__", []),
        ("nspd.core.router", "import anyio\nfrom . import limits", []),
    ],
)
def test_an_arrow_upwards_is_found(module: str, source: str, arrows: list[str]) -> None:
    """However the import is written, and nothing else is taken for one."""
    assert upward(source, module) == arrows
