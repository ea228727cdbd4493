"""nspd of this checkout, compiled with mypyc, which the benches measure.

    python -m bench.compiled

Builds it in `bench/build/compiled`, unless that is newer than the sources, and
prints the path of its command. It takes a C compiler, a package index and a minute.
The checkout itself stays as it is: what is compiled there in place would be imported.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.processes import BUILD, ROOT, NotAvailable, nspd_command

PLACE = BUILD / "compiled"
LIBRARY = PLACE / "lib"
"""Where the package is."""
COMMAND = PLACE / "nspd"

_OTHERWISE = "--build checkout measures it as it is"

_NEEDED = ("pyproject.toml", "README.md", "LICENSE")


def sources() -> Iterator[Path]:
    """What the build depends on."""
    yield from (ROOT / "nspd").rglob("*.py")
    yield from (ROOT / name for name in _NEEDED)


def is_current() -> bool:
    """Whether there is a build that no source is newer than."""
    if not COMMAND.exists():
        return False
    built = COMMAND.stat().st_mtime
    return all(source.stat().st_mtime <= built for source in sources())


def build() -> Path:
    """Build it, if need be; its command.

    Raises:
        subprocess.CalledProcessError: it cannot be built; pip has told why.
    """
    if not is_current():
        shutil.rmtree(PLACE, ignore_errors=True)
        copy = PLACE / "source"
        shutil.copytree(ROOT / "nspd", copy / "nspd", ignore=shutil.ignore_patterns("__pycache__"))
        for name in _NEEDED:
            shutil.copy(ROOT / name, copy)
        _pip("wheel", "--no-deps", "--wheel-dir", str(PLACE), str(copy))
        (wheel,) = PLACE.glob("nspd-*.whl")
        _pip("install", "--no-deps", "--target", str(LIBRARY), str(wheel))
        run = shlex.join([sys.executable, "-P", "-m", "nspd.cli.nspd"])
        COMMAND.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(LIBRARY))} exec {run} "$@"\n')
        COMMAND.chmod(0o755)
    return COMMAND


def add_option(parser: argparse.ArgumentParser) -> None:
    """Have a bench's command line take ``--build``."""
    parser.add_argument(
        "--build",
        choices=("compiled", "checkout"),
        default="compiled",
        help="the nspd to measure: the checkout compiled with mypyc, or as it is; "
        "BENCH_NSPD, if set, names the command instead",
    )


def choose(wanted: str) -> None:
    """Have the benches in this process measure what ``--build`` says, unless BENCH_NSPD is set.

    Raises:
        SystemExit: it cannot be compiled (pip has told why), or BENCH_NSPD names no command.
    """
    if "BENCH_NSPD" not in os.environ and wanted == "compiled":
        if not is_current():
            print("compiling nspd with mypyc, which takes a minute", file=sys.stderr)
        try:
            os.environ["BENCH_NSPD"] = str(build())
        except subprocess.CalledProcessError:
            raise SystemExit(f"nspd cannot be compiled here; {_OTHERWISE}") from None
        except OSError as error:
            raise SystemExit(f"nspd cannot be compiled here: {error}; {_OTHERWISE}") from None
    try:
        nspd_command()
    except NotAvailable as error:
        raise SystemExit(str(error)) from None


def _pip(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments],
        env={**os.environ, "HATCH_BUILD_HOOKS_ENABLE": "1"},
        stdout=sys.stderr,
        check=True,
    )


if __name__ == "__main__":
    try:
        print(build())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
