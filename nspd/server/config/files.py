"""Which configuration files there are, and their texts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from nspd.server.config.layers import (
    Configuration,
    Source,
    Surroundings,
    compile_settings,
)
from nspd.server.config.report import ConfigError, Origin, Problem
from nspd.server.config.values import SettingKey
from nspd.server.kinds import installed_kinds
from nspd.server.settings import is_system_daemon

FILE_NAME = "nspd.toml"
DROP_INS = "nspd.toml.d"


def surroundings_here() -> Surroundings:
    """The surroundings of this process."""
    home = PurePosixPath(os.path.expanduser("~"))
    return Surroundings(uid=os.geteuid(), home=home, environment=dict(os.environ))


def directories(surroundings: Surroundings, root: Path = Path("/")) -> list[Path]:
    """The directories that hold configuration, the one that wins last.

    Args:
        surroundings: the machine's daemon and a user's own read different ones.
        root: where the system's directories begin.
    """
    environment = surroundings.environment
    if is_system_daemon(surroundings.uid, environment):
        return [root / "usr/lib/nspd", root / "etc/nspd"]
    given = Path(environment.get("XDG_CONFIG_HOME", ""))
    # A relative path there is invalid and ignored: XDG Base Directory Specification.
    base = given if given.is_absolute() else Path(surroundings.home, ".config")
    return [base / "nspd"]


def read_sources(where: list[Path]) -> list[Source]:
    """The texts of the main files, then of the drop-ins by file name, in the order that counts.

    A drop-in masks one of the same name in an earlier directory. Main files
    that are not there are passed over.

    Raises:
        ConfigError: a file that is there cannot be read.
    """
    drop_ins: dict[str, Path] = {}
    for directory in where:
        for name in _names(directory / DROP_INS):
            if name.endswith(".toml") and not name.startswith("."):
                drop_ins[name] = directory / DROP_INS / name
    paths = [directory / FILE_NAME for directory in where]
    paths += [drop_ins[name] for name in sorted(drop_ins)]
    found = (read_source(path, missing_ok=True) for path in paths)
    return [source for source in found if source is not None]


def read_source(path: Path, *, missing_ok: bool = False) -> Source | None:
    """The text of one file; None if it is not there and need not be.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        if missing_ok:
            return None
        raise _unreadable(path, error) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return Source(str(path), data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(Origin(str(path), line), "", "this is not UTF-8")
        raise ConfigError([problem]) from error


def load(
    config: Path | None = None,
    options: Mapping[SettingKey, str] | None = None,
    *,
    surroundings: Surroundings | None = None,
    root: Path = Path("/"),
) -> Configuration:
    """Read and check the whole configuration.

    Args:
        config: read this file alone, instead of those in the usual places.
        options: what the command line says.
        surroundings: those of this process by default.
        root: where the system's directories begin.

    Raises:
        ConfigError: a file cannot be read, or anything in it is wrong.
    """
    here = surroundings if surroundings is not None else surroundings_here()
    if config is not None:
        alone = read_source(config)
        sources = [alone] if alone is not None else []
    else:
        sources = read_sources(directories(here, root))
    return compile_settings(sources, here, options or {}, installed_kinds())


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError([Problem(Origin(str(path)), "", f"it cannot be read: {reason}")])
