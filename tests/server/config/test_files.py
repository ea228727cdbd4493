"""Which files are read, in which order, and what becomes of files that cannot be."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from nspd.server.config import files
from nspd.server.config.files import directories, load, read_source, read_sources
from nspd.server.config.layers import Surroundings
from nspd.server.config.report import ConfigError
from nspd.server.kinds import Kinds


@pytest.fixture(autouse=True)
def installed(kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds of the test in place of those that are installed."""
    monkeypatch.setattr(files, "installed_kinds", lambda: kinds)


def write(path: Path, text: str) -> None:
    """Write a file, with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_main_files_come_first_then_drop_ins_by_name(tmp_path: Path) -> None:
    """Both directories' drop-ins are one sorted list; /etc masks a name of /usr/lib."""
    vendor, local = where = [tmp_path / "usr/lib/nspd", tmp_path / "etc/nspd"]
    for path in [
        local / "nspd.toml",
        vendor / "nspd.toml",
        vendor / "nspd.toml.d/10-a.toml",
        vendor / "nspd.toml.d/30-c.toml",
        local / "nspd.toml.d/20-b.toml",
        local / "nspd.toml.d/30-c.toml",
        local / "nspd.toml.d/.40-hidden.toml",
        local / "nspd.toml.d/50-notes.txt",
    ]:
        write(path, f"# {path}")
    assert [source.name for source in read_sources(where)] == [
        str(path)
        for path in [
            vendor / "nspd.toml",
            local / "nspd.toml",
            vendor / "nspd.toml.d/10-a.toml",
            local / "nspd.toml.d/20-b.toml",
            local / "nspd.toml.d/30-c.toml",
        ]
    ]


def test_a_link_to_dev_null_masks_a_drop_in(tmp_path: Path) -> None:
    """The masking file counts even where it says nothing."""
    write(tmp_path / "usr/nspd.toml.d/x.toml", "log.level = 'debug'")
    mask = tmp_path / "etc/nspd.toml.d/x.toml"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    (source,) = read_sources([tmp_path / "usr", tmp_path / "etc"])
    assert source.text == ""


def test_without_any_file_the_defaults_stand(tmp_path: Path, surroundings: Surroundings) -> None:
    """Missing directories are no mistake."""
    configuration = load(surroundings=surroundings, root=tmp_path)
    assert configuration.sources == ()
    assert configuration.origins == {}


def test_the_system_daemon_reads_the_systems_directories(
    tmp_path: Path, surroundings: Surroundings
) -> None:
    """The one in /etc wins, its drop-ins over both."""
    write(tmp_path / "usr/lib/nspd/nspd.toml", "[limits]\nlookups = 1\nconnections = 1")
    write(tmp_path / "etc/nspd/nspd.toml", "[limits]\nlookups = 2")
    write(tmp_path / "usr/lib/nspd/nspd.toml.d/a.toml", "[limits]\nready_records = 3")
    limits = load(surroundings=surroundings, root=tmp_path).settings.limits
    assert (limits.lookups, limits.connections, limits.ready_records) == (2, 1, 3)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("/data/config", "/data/config/nspd"),
        ("relative", "/home/ann/.config/nspd"),
        (None, "/home/ann/.config/nspd"),
    ],
)
def test_a_user_daemon_reads_the_users_directory_alone(variable: str | None, expected: str) -> None:
    """XDG_CONFIG_HOME, or .config in the home directory, and no system file."""
    environment = {} if variable is None else {"XDG_CONFIG_HOME": variable}
    here = Surroundings(uid=1000, home=PurePosixPath("/home/ann"), environment=environment)
    assert directories(here) == [Path(expected)]


def test_config_names_one_file_and_environment_still_applies(tmp_path: Path) -> None:
    """--config FILE alone; environment and options go before it as ever."""
    write(tmp_path / "etc/nspd/nspd.toml", "log.level = 'debug'")
    write(tmp_path / "mine.toml", "log.format = 'json'\nlog.query_names = 'on'")
    here = Surroundings(
        uid=0, home=PurePosixPath("/root"), environment={"NSPD_LOG_QUERY_NAMES": "off"}
    )
    configuration = load(
        tmp_path / "mine.toml", {("daemon", "backend"): "trio"}, surroundings=here, root=tmp_path
    )
    log = configuration.settings.log
    assert (log.level, log.format, log.query_names) == ("info", "json", "off")
    assert configuration.settings.daemon.backend == "trio"
    assert configuration.sources == (str(tmp_path / "mine.toml"),)


def test_a_file_that_was_named_must_be_there(tmp_path: Path, surroundings: Surroundings) -> None:
    """--config of a missing file is a mistake that names it."""
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
        load(missing, surroundings=surroundings)
    assert str(caught.value).startswith(str(missing))


def test_a_file_that_is_there_must_be_readable(tmp_path: Path) -> None:
    """A directory in a file's place is not passed over."""
    (tmp_path / "nspd.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_sources([tmp_path])


def test_a_file_must_be_utf8_and_the_line_is_named(tmp_path: Path) -> None:
    """The first bad byte gives the line."""
    path = tmp_path / "nspd.toml"
    path.write_bytes(b"[log]\nlevel = '\xff'\n")
    with pytest.raises(ConfigError, match=r"nspd\.toml:2: this is not UTF-8"):
        read_source(path)
