"""Where the verbs write: lines and tables for people, JSON for programs.

Results go to standard output; notes, warnings and errors to standard error. In
a JSON mode everything written, errors too, is JSON.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TextIO

from nspd.cli._text import json_printable, printable

JsonMode = Literal["short", "pretty", "off"]

_BOLD, _DIM, _RED, _GREEN = "1", "2", "31", "32"


class Output:
    """Standard output and standard error of one command."""

    def __init__(
        self, json: JsonMode = "off", quiet: bool = False, program: str = "nspctl"
    ) -> None:
        """Write to the standard streams as they are now; ``program`` begins each complaint."""
        self._program = program
        self.json = json
        self.quiet = quiet
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        for stream in (self._out, self._err):
            # A name that the locale's encoding lacks must not end the command.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        self._colour_out = _wants_colour(self._out)
        self._colour_err = _wants_colour(self._err)

    @property
    def for_people(self) -> bool:
        """Whether people read this: no JSON was asked for."""
        return self.json == "off"

    @property
    def room(self) -> int | None:
        """Columns of the terminal; None where output goes to a file or pipe (never cut there)."""
        if not self._out.isatty():
            return None
        import shutil

        return shutil.get_terminal_size().columns

    def bold(self, text: str) -> str:
        """The text, bold where standard output shows colours."""
        return _styled(text, _BOLD) if self._colour_out else text

    def dim(self, text: str) -> str:
        """The text, faint where standard output shows colours."""
        return _styled(text, _DIM) if self._colour_out else text

    def mark(self, so: bool) -> str:
        """A tick or a cross; in letters where standard output cannot show them."""
        sign = "✓" if so else "✗"
        try:
            sign.encode(self._out.encoding or "ascii")
        except UnicodeEncodeError:
            sign = "ok" if so else "NOT SO"
        return _styled(sign, _GREEN if so else _RED) if self._colour_out else sign

    def line(self, text: str = "", *, flush: bool = False) -> None:
        """Write one line for people. The text must be printable already (but for `bold`, `dim`)."""
        self._out.write(text + "\n")
        if flush:
            self._out.flush()

    def aside(self, text: str) -> None:
        """Write a faint line for people that says how the answer came about; not if quiet."""
        if self.for_people and not self.quiet:
            self.line(self.dim(printable(text)))

    def done(self, text: str, value: Any) -> None:
        """Say that something was done: a line for people (not if quiet), or a JSON value."""
        if not self.for_people:
            self.value(value)
        elif not self.quiet:
            self.line(printable(text))

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[str]], *, cut: bool = True
    ) -> None:
        """Write a table for people; no head if quiet, nothing at all without rows.

        Args:
            heads: of the columns.
            rows: the cells.
            cut: fit it into the terminal; else long lines go on in the next one.
        """
        from nspd.cli._table import table

        cells = [[printable(cell) for cell in row] for row in rows]
        if not cells:
            return
        head, *lines = table(heads, cells, self.room if cut else None)
        if not self.quiet:
            self.line(self.bold(head))
        for text in lines:
            self.line(text)

    def value(self, value: Any, *, flush: bool = False) -> None:
        """Write one JSON value to standard output: on one line, or indented if pretty."""
        self.line(self._encoded(value), flush=flush)

    def note(self, text: str, **data: Any) -> None:
        """Tell something beside the result, on standard error; not if quiet."""
        if self.quiet:
            return
        if self.for_people:
            self._complain(f"{self._program}: {printable(text)}")
        else:
            self._complain(self._encoded({"warning": {"detail": text, **data}}))

    def error(self, text: str, data: dict[str, Any]) -> None:
        """Say why the command failed: one sentence, or ``{"error": data}``."""
        if self.for_people:
            label = f"{self._program}:"
            if self._colour_err:
                label = _styled(label, _RED)
            self._complain(f"{label} {printable(text)}")
        else:
            self._complain(self._encoded({"error": data}))

    def error_table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table to standard error, for people only."""
        from nspd.cli._table import table

        cells = [[printable(cell) for cell in row] for row in rows]
        if self.for_people and cells:
            for text in table(heads, cells):
                self._complain(text)

    def flush(self) -> None:
        """Hand everything written so far to the system.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._out.flush()
        self._err.flush()

    def abandon(self) -> None:
        """Send what is still unwritten nowhere: the reader of standard output has gone."""
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), self._out.fileno())

    def _complain(self, text: str) -> None:
        self._out.flush()
        self._err.write(text + "\n")

    def _encoded(self, value: Any) -> str:
        import msgspec

        text = json_printable(msgspec.json.encode(value).decode())
        return msgspec.json.format(text, indent=2) if self.json == "pretty" else text


def _wants_colour(stream: TextIO) -> bool:
    # https://no-color.org: set and not empty, whatever the value.
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def _styled(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m"
