"""Registrations on disk: one SQLite database, written before a change is answered.

The standard library's sqlite3 does here, called in one of the daemon's own
worker threads. apsw would bring an event-loop interface, but what that adds is
to interrupt a statement at a deadline, and a change to the registry must never
be interrupted; its worker also has to be closed for the process to end, which a
disk that hangs would prevent.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from nspd.model.errors import NoRecovery, TryAgain, WSAError
from nspd.model.queryset import QuerySet
from nspd.model.setservice import Registered, State

APPLICATION_ID = 0x6E737064
"""Marks the database as nspd's ("nspd" in ASCII)."""

SCHEMA_VERSION = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE registration (
    id INTEGER PRIMARY KEY,
    user INTEGER,
    maker INTEGER NOT NULL,
    registered INTEGER NOT NULL,
    expires REAL,
    entry BLOB NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_COLUMNS = "id, user, maker, registered, expires, entry"

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that has the database locked."""

_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
"""Failures of a write that end without anybody mending the database."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(QuerySet).decode


class Row(Struct, frozen=True, kw_only=True):
    """One registration as it is stored. Ids grow, and tell the order of creation."""

    id: int
    user: int | None
    """The user whose names it is one of; None: the machine's."""
    maker: int
    """The uid that made it."""
    registered: Registered
    expires: float | None
    """When its lease ends, in seconds since 1970; None: never."""


class Contents(Struct, frozen=True):
    """What a database held when it was opened."""

    rows: list[Row]
    """In the order of creation."""
    broken: list[tuple[int, str]]
    """Ids of rows that cannot be read, with the reason; they are left in the database."""
    last_id: int


class Store:
    """The database file. Every method blocks; calls must not overlap.

    `open` opens it, `close` closes it; whoever makes the object does both.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None

    def open(self, now: float) -> Contents:
        """Open the database, made with its directory if it is not there, and read it.

        It is locked until `close`: a second daemon on the same file would
        answer from an index that knows nothing of the first one's changes.

        Args:
            now: seconds since 1970; leases that ended before are removed.

        Raises:
            OSError: the file cannot be opened or is no registry of this
                version; the message names it.
        """
        try:
            _create(self.path)
            with ExitStack() as undo:
                self._connection = connection = sqlite3.connect(
                    self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
                )
                undo.callback(self.close)
                self._prepare(connection)
                contents = _read(connection, now)
                undo.pop_all()
                return contents
        except sqlite3.Error as error:
            raise _unusable(self.path, str(error)) from error
        except OSError as error:
            # SQLite's messages and some of the system's name no file.
            if error.filename is None:
                error.filename = str(self.path)
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Before anything is read, so that the lock is taken with the first
        # page; and so that WAL needs no shared memory.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        application_id = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application_id != APPLICATION_ID and (application_id or version or tables):
            raise _unusable(self.path, "it belongs to another program")
        if version > SCHEMA_VERSION:
            raise _unusable(
                self.path,
                f"its schema is version {version}, and this nspd knows up to {SCHEMA_VERSION}",
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not version:
            connection.executescript(_SCHEMA)

    def write(self, rows: Iterable[Row], deleted: Iterable[int]) -> None:
        """Store rows, replacing those with the same id, and delete others, in one transaction.

        It is on disk when the method returns.

        Raises:
            TryAgain: the disk is full, or another process has the file locked.
            NoRecovery: any other failure. In both cases nothing was changed.
        """
        connection = self._connection
        if connection is None:
            raise NoRecovery(f"the registry's database {self.path} is not open")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "DELETE FROM registration WHERE id = ?", ((row_id,) for row_id in deleted)
            )
            connection.executemany(
                f"INSERT OR REPLACE INTO registration ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
                map(_columns, rows),
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                # After some failures SQLite has rolled back by itself, and a
                # disk in trouble may refuse this too: the error to tell is the first.
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise self._write_error(error) from error

    def _write_error(self, error: sqlite3.Error) -> WSAError:
        detail = f"the change could not be written to {self.path}: {error}"
        # The low byte is the primary code of SQLite's extended ones.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            return TryAgain(detail)
        return NoRecovery(detail)

    def close(self) -> None:
        """Close the database; harmless if it is not open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite would make the file readable by all, as far as the umask lets it.
    # Exclusively: closing a descriptor of a file that SQLite has open elsewhere
    # in this process would drop its locks.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _unusable(path: Path, reason: str) -> OSError:
    return OSError(errno.EBADMSG, f"not usable as the registry's database: {reason}", str(path))


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _columns(row: Row) -> tuple[object, ...]:
    return (
        row.id,
        row.user,
        row.maker,
        row.registered.state is State.REGISTERED,
        row.expires,
        _encode(row.registered.entry),
    )


def _read(connection: sqlite3.Connection, now: float) -> Contents:
    connection.execute("DELETE FROM registration WHERE expires <= ?", (now,))
    # Text that is not UTF-8 would end the whole reading; as bytes it is one broken row.
    connection.text_factory = bytes
    rows = []
    broken = []
    last_id = 0
    for columns in connection.execute(f"SELECT {_COLUMNS} FROM registration ORDER BY id"):
        last_id = columns[0]
        try:
            rows.append(_row(columns))
        except ValueError as error:
            broken.append((last_id, str(error)))
    return Contents(rows, broken, last_id)


_Columns = tuple[int, int | None, int, int, float | None, bytes]


def _row(columns: tuple[object, ...]) -> Row:
    """Check and decode one row.

    Raises:
        ValueError: it is broken.
    """
    try:
        row_id, user, maker, registered, expires, encoded = msgspec.convert(columns, _Columns)
        entry = _decode(encoded)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if not entry.service_instance_name:
        raise ValueError("it has no name")
    state = State.REGISTERED if registered else State.DEREGISTERED
    return Row(
        id=row_id, user=user, maker=maker, registered=Registered(entry, state), expires=expires
    )
