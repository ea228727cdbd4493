"""Query sets as people read them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from nspd.cli._addresses import address_text
from nspd.cli._output import Output
from nspd.cli._text import counted, pad, printable, width_of
from nspd.model.flags import ResultFlags
from nspd.model.namespaces import namespace_name
from nspd.model.queryset import QuerySet

_CHANGES = {
    ResultFlags.ADDED: "added",
    ResultFlags.CHANGED: "changed",
    ResultFlags.DELETED: "deleted",
}
_LONG_NAME = 32
_ORIGIN_COLUMN = 46
_BLOB_SHOWN = 16


class RecordWriter:
    """Writes the records of one lookup, as they come, as aligned lines.

    The name stands before the first line of a record; the aliases that follow
    a record stand below its addresses.
    """

    def __init__(self, output: Output, name: str, *, brief: bool = False) -> None:
        """Begin with no record written.

        Args:
            output: where to.
            name: stands for records that carry none.
            brief: leave out blobs, and say on the first line which service it is.
        """
        self._output = output
        self._name = name
        self._brief = brief
        self._indent: int | None = None

    def write(self, record: QuerySet) -> None:
        """Write one record."""
        flags = record.output_flags or 0
        name = record.service_instance_name or self._name
        if flags & ResultFlags.ALIAS and self._indent is not None:
            self._output.line(" " * self._indent + self._output.dim("alias ") + printable(name))
            return
        changes = [word for bit, word in _CHANGES.items() if flags & bit]
        if flags & ResultFlags.ALIAS:
            changes.append("alias")
        told = [namespace_name(record.namespace or 0), *changes]
        if self._brief:
            told += [part for part in (record.query_string, record.context) if part]
            record = replace(record, query_string=None, context="", blob=None)
        origin = printable(", ".join(told))
        self._write(printable(name), [printable(line) for line in _lines(record)], origin)

    def _write(self, name: str, lines: list[str], origin: str) -> None:
        label = f"{name}: "
        self._indent = width_of(label) if width_of(label) <= _LONG_NAME else 4
        first, *rest = lines or ["(no address)"]
        head = self._output.bold(f"{name}:") + " "
        if self._indent < width_of(label):
            self._output.line(self._with_origin(head.rstrip(), width_of(label), origin))
            self._output.line(" " * self._indent + first)
        else:
            self._output.line(
                self._with_origin(head + first, self._indent + width_of(first), origin)
            )
        for line in rest:
            self._output.line(" " * self._indent + line)

    def _with_origin(self, text: str, width: int, origin: str) -> str:
        if self._output.quiet:
            return text
        gap = " " * max(1, _ORIGIN_COLUMN - width)
        return f"{text}{gap}{self._output.dim(f'-- {origin}')}"


def _lines(record: QuerySet) -> Iterator[str]:
    for entry in record.addresses or ():
        yield address_text(entry)
    if record.version is not None:
        yield _labelled("version", str(record.version.version))
    if record.comment:
        yield _labelled("comment", record.comment)
    if record.context:
        yield _labelled("context", record.context)
    if record.query_string:
        yield _labelled("query", record.query_string)
    if record.blob:
        more = "..." if len(record.blob) > _BLOB_SHOWN else ""
        shown = record.blob[:_BLOB_SHOWN].hex(" ")
        yield _labelled("blob", f"{counted(len(record.blob), 'byte')}: {shown}{more}")


def _labelled(label: str, text: str) -> str:
    return f"{pad(label, 8)} {text}"


def list_rows(record: QuerySet) -> Iterator[tuple[str, str, str, str]]:
    """The rows of a listing: the first address in the first row, each further one in its own."""
    first, *rest = [address_text(entry) for entry in record.addresses or ()] or ["-"]
    version = "-" if record.version is None else str(record.version.version)
    yield record.service_instance_name or "", first, version, record.comment or ""
    for text in rest:
        yield "", text, "", ""
