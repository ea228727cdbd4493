"""The log: formats, the level at run time, hidden names, and lines that cannot be written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator

import pytest
import structlog

from nspd.server import logs
from nspd.server.logs import LineWriter, NameHider, rendering
from nspd.server.settings import LogFormat, LogLevel, LogSettings, QueryNames

Configured = Callable[..., Callable[[], str]]


@pytest.fixture
def configured() -> Iterator[Configured]:
    """Configure the log to a pipe; what is returned reads all that was logged."""
    opened: list[int] = []

    def configure(
        level: LogLevel = "info", format: LogFormat = "json", query_names: QueryNames = "hash"
    ) -> Callable[[], str]:
        reader, writer = os.pipe()
        opened.extend((reader, writer))
        settings = LogSettings(level=level, format=format, query_names=query_names)
        logs.configure(settings, descriptor=writer, environment={})

        def read() -> str:
            os.set_blocking(reader, False)
            return os.read(reader, 65536).decode()

        return read

    yield configure
    structlog.reset_defaults()
    logs.set_level("info")
    for descriptor in opened:
        os.close(descriptor)


def test_json_is_one_object_a_line(configured: Configured) -> None:
    """Level, time, event and bound values, whatever text the values hold."""
    read = configured()
    logs.get_logger(provider="hosts").warning("line passed over", text='a\n"\ud800', line=3)
    (line,) = read().splitlines()
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", entry.pop("timestamp"))
    assert entry == {
        "event": "line passed over",
        "level": "warning",
        "provider": "hosts",
        "text": 'a\n"\ud800',
        "line": 3,
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)],
)
def test_journal_lines_begin_with_their_priority(
    configured: Configured, level: LogLevel, priority: int
) -> None:
    """sd-daemon's prefix carries the level; control characters cannot start a second line."""
    read = configured(level="debug", format="journal")
    getattr(logs.get_logger(), level)("odd\nevent", text="\x1b[31m\n<0>forged")
    line = read()
    assert line.count("\n") == 1
    assert line.startswith(f"<{priority}>odd\\x0aevent text=")
    assert "\x1b" not in line


def test_console_quotes_what_clients_sent(configured: Configured) -> None:
    """A terminal's control sequences in a value are shown, not obeyed."""
    read = configured(format="console")
    logs.get_logger().info("client named itself", client="\x1b[2J")
    assert "client='\\x1b[2J'" in read()


@pytest.mark.parametrize("format", ["json", "journal", "console"])
def test_exceptions_are_logged_with_their_traceback(
    configured: Configured, format: LogFormat
) -> None:
    """`exception` shows what was raised, in every format."""
    read = configured(format=format)
    try:
        os.stat("/planted")
    except FileNotFoundError:
        logs.get_logger().exception("it broke")
    text = read()
    assert "FileNotFoundError" in text
    assert "Traceback" in text


def test_a_level_changed_at_run_time_holds_for_loggers_that_exist(configured: Configured) -> None:
    """`set_level` opens and closes a bound logger at once."""
    read = configured()
    log = logs.get_logger(provider="hosts").bind(session=1)
    log.debug("before")
    logs.set_level("debug")
    log.debug("between")
    logs.set_level("error")
    log.warning("after")
    assert [json.loads(line)["event"] for line in read().splitlines()] == ["between"]


@pytest.mark.parametrize(("query_names", "shown"), [("on", "localhost"), ("off", None)])
def test_query_names_shown_or_left_out(
    configured: Configured, query_names: QueryNames, shown: str | None
) -> None:
    """The name of a query is logged as it is, or not at all."""
    read = configured(query_names=query_names)
    logs.get_logger().info("begun", name="localhost")
    assert json.loads(read()).get("name") == shown


def test_hashed_names_are_equal_within_a_run_alone() -> None:
    """Equal names, in any case, have one hash; another key gives another; the name is not in it."""
    hider = NameHider("hash", key=b"one")
    shown = hider.name_shown("Localhost")
    assert shown == hider.name_shown("localhost")
    assert shown != hider.name_shown("localhost2")
    assert shown != NameHider("hash", key=b"two").name_shown("localhost")
    assert shown is not None
    assert "localhost" not in shown.casefold()


def test_the_key_of_hashes_is_random() -> None:
    """Two processes, here two hiders, do not hash alike."""
    assert NameHider("hash").name_shown("a") != NameHider("hash").name_shown("a")


def test_a_name_that_is_no_text_can_be_hashed() -> None:
    """A lone surrogate does not break the log."""
    assert NameHider("hash").name_shown("\ud800") != NameHider("hash").name_shown("\ud801")


@pytest.mark.parametrize(
    ("wanted", "environment", "terminal", "expected"),
    [
        ("auto", {}, True, "console"),
        ("auto", {}, False, "json"),
        ("auto", {"JOURNAL_STREAM": "8:15"}, False, "journal"),
        ("auto", {"JOURNAL_STREAM": "8:16"}, False, "json"),
        ("auto", {"JOURNAL_STREAM": "rubbish"}, True, "console"),
        ("json", {"JOURNAL_STREAM": "8:15"}, True, "json"),
        ("journal", {}, True, "journal"),
    ],
)
def test_auto_follows_where_standard_error_goes(
    wanted: LogFormat, environment: dict[str, str], terminal: bool, expected: str
) -> None:
    """The journal if standard error is its stream still, else a terminal, else JSON."""
    assert rendering(wanted, environment, terminal=terminal, device=(8, 15)) == expected


def test_a_log_on_a_full_disk_is_lost_and_nothing_else() -> None:
    """ENOSPC drops the line, and the next one is tried again."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space"):
            os.write(full, b"x")
        LineWriter(full).write("lost")
        LineWriter(full).write("lost too")
    finally:
        os.close(full)


def test_a_reader_that_went_away_does_not_stop_the_daemon() -> None:
    """EPIPE and a closed descriptor drop the line."""
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")
    LineWriter(writer).write("lost")
    os.close(writer)
    LineWriter(writer).write("lost too")


def test_a_line_longer_than_the_pipe_holds_is_cut_rather_than_waited_for() -> None:
    """Standard error that is non-blocking and full loses the rest of the line."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    LineWriter(writer).write("x" * 1_000_000)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert 0 < len(pipe.read()) < 1_000_000
