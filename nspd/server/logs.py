"""The daemon's log: structlog, one line on standard error for each event.

The level can change while the daemon runs, and holds at once for loggers that
exist. A line that cannot be written is dropped: a full disk or a reader that
went away must not stop a name service.

Names that people look up are logged under the key ``name``; what becomes of it
is the setting ``log.query_names``.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from nspd.server.settings import LogFormat, LogLevel, LogSettings, QueryNames

STANDARD_ERROR = 2

Rendering = Literal["console", "json", "journal"]

LEVELS: Mapping[LogLevel, int] = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Syslog priorities, written before a line for the journal (sd-daemon(3))."""


class _Threshold:
    """The level below which events are dropped; shared by all loggers."""

    __slots__ = ("rank",)

    def __init__(self) -> None:
        self.rank = LEVELS["info"]


_threshold = _Threshold()


def set_level(level: LogLevel) -> None:
    """Drop events below this level from now on."""
    _threshold.rank = LEVELS[level]


class Logger(structlog.BoundLoggerBase):
    """One method for each level; an event below the level in force costs a comparison."""

    def debug(self, event: str, **values: Any) -> None:
        """For whoever looks for a fault in nspd itself."""
        self._emit("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """Something that an operator may want to know."""
        self._emit("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Something is not as it should be, and the daemon copes."""
        self._emit("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """Something failed."""
        self._emit("error", event, values)

    def exception(self, event: str, **values: Any) -> None:
        """As `error`, with the exception that is being handled."""
        self._emit("error", event, {"exc_info": True, **values})

    def critical(self, event: str, **values: Any) -> None:
        """The daemon cannot go on."""
        self._emit("critical", event, values)

    def _emit(self, level: LogLevel, event: str, values: dict[str, Any]) -> None:
        if LEVELS[level] >= _threshold.rank:
            self._proxy_to_logger(level, event, **values)


class LineWriter:
    """Writes finished lines to a file descriptor, without a buffer that could fail later."""

    def __init__(self, descriptor: int) -> None:
        """Make the writer; the descriptor stays its owner's to close."""
        self._descriptor = descriptor

    def write(self, line: str) -> None:
        """Write one line; what cannot be written is lost."""
        # A name from a client may hold what is not valid text.
        left = (line + "\n").encode("utf-8", "backslashreplace")
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            return

    debug = info = warning = error = critical = write


class NameHider:
    """What the log shows of names that people look up.

    A hash is keyed with random bytes of this process, so that equal names can
    be told to be equal within one run and nothing can be looked up in a table.
    """

    def __init__(self, mode: QueryNames, key: bytes | None = None) -> None:
        """Choose what is shown.

        Args:
            mode: the setting ``log.query_names``.
            key: at most 32 bytes; random by default.
        """
        self._mode = mode
        self._key = key if key is not None else secrets.token_bytes(16)

    def name_shown(self, name: str) -> str | None:
        """The name as the log may show it; None: not at all."""
        if self._mode == "on":
            return name
        if self._mode == "off":
            return None
        # Case does not tell names apart, so it must not tell hashes apart.
        text = name.casefold().encode("utf-8", "surrogatepass")
        return "#" + blake2s(text, key=self._key, digest_size=6).hexdigest()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """As a structlog processor: treat the key ``name``."""
        name = event.get("name")
        if isinstance(name, str):
            shown = self.name_shown(name)
            if shown is None:
                del event["name"]
            else:
                event["name"] = shown
        return event


def rendering(
    wanted: LogFormat, environment: Mapping[str, str], *, terminal: bool, device: tuple[int, int]
) -> Rendering:
    """The format to write, where the setting leaves it open.

    Args:
        wanted: the setting ``log.format``.
        environment: systemd names its stream to the journal in ``JOURNAL_STREAM``.
        terminal: standard error is a terminal.
        device: device and inode of standard error; the stream counts only if
            it is still where standard error goes (systemd.exec(5)).
    """
    if wanted != "auto":
        return wanted
    if environment.get("JOURNAL_STREAM") == "{}:{}".format(*device):
        return "journal"
    return "console" if terminal else "json"


def configure(
    settings: LogSettings,
    *,
    descriptor: int = STANDARD_ERROR,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Set up structlog for this process; may be called again with other settings."""
    set_level(settings.level)
    status = os.fstat(descriptor)
    terminal = os.isatty(descriptor)
    chosen = rendering(
        settings.format,
        environment,
        terminal=terminal,
        device=(status.st_dev, status.st_ino),
    )
    hider = NameHider(settings.query_names)
    writer = LineWriter(descriptor)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            hider,
            *_renderers(chosen, colors=terminal and not environment.get("NO_COLOR")),
        ],
        wrapper_class=Logger,
        logger_factory=lambda *args: writer,
        cache_logger_on_first_use=False,
    )


def get_logger(**values: Any) -> Logger:
    """A logger with these values bound to it."""
    logger: Logger = structlog.get_logger(**values)
    return logger


def _renderers(chosen: Rendering, *, colors: bool) -> Sequence[Processor]:
    timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    if chosen == "console":
        return [
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            # Text from clients is quoted: it could hold a terminal's control sequences.
            structlog.dev.ConsoleRenderer(
                colors=colors,
                repr_native_str=True,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    if chosen == "json":
        return [
            timestamp,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    return [structlog.processors.format_exc_info, _journal_line]


_logfmt = structlog.processors.LogfmtRenderer(bool_as_flag=False)


def _journal_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """One line with its priority; the journal has times of its own."""
    priority = _PRIORITIES[event.pop("level")]
    text = f"{event.pop('event')} {_logfmt(logger, method, event)}".rstrip()
    return f"<{priority}>{_CONTROL.sub(_escaped, text)}"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"
