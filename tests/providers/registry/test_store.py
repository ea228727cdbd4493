"""The registry's database: what is written is read, and what cannot be says so."""

from __future__ import annotations

import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nspd.model.errors import NoRecovery, TryAgain
from nspd.model.queryset import AfProtocol, CsAddr, QuerySet, SocketAddress, Version
from nspd.model.setservice import Registered, State
from nspd.providers.registry.store import SCHEMA_VERSION, Contents, Row, Store

NOW = 1_000_000.0

FULL_ENTRY = QuerySet(
    service_instance_name="Cafe\u0301 \0 \U0001f4e0",
    version=Version(3, "not_less"),
    comment="\ufeffcaf\u00e9",
    context="\\lab",
    protocols=(AfProtocol("inet6", 6),),
    query_string="ftp/tcp",
    addresses=(
        CsAddr(local=SocketAddress.inet("192.0.2.1", 80), socket_type=1, protocol=0),
        CsAddr(
            remote=SocketAddress(family="inet6", host="fe80::1", port=1, scope_id=7),
            socket_type=2,
            protocol=17,
        ),
        CsAddr(remote=SocketAddress(family="unix", path="/run/x"), socket_type=5, protocol=0),
        CsAddr(remote=SocketAddress(family=31, data=b"\0\xff"), socket_type=1, protocol=3),
    ),
    blob=bytes(range(256)),
)


def row(row_id: int, entry: QuerySet | None = None, *, expires: float | None = None) -> Row:
    """A row of the machine's."""
    entry = entry or QuerySet(service_instance_name=f"name-{row_id}")
    return Row(id=row_id, user=None, maker=1000, registered=Registered(entry), expires=expires)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Store, Contents]]:
    """A store on a path, and what it held."""
    store = Store(path)
    try:
        yield store, store.open(NOW)
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of a test is."""
    return tmp_path / "state" / "registry.db"


def test_rows_come_back(path: Path) -> None:
    """Every member of a row is read as it was written, in the order of the ids. Case 142."""
    rows = [
        row(1, FULL_ENTRY),
        Row(
            id=2,
            user=1000,
            maker=1000,
            registered=Registered(QuerySet(service_instance_name="gone"), State.DEREGISTERED),
            expires=NOW + 1,
        ),
    ]
    with opened(path) as (store, contents):
        assert contents == Contents([], [], 0)
        store.write(reversed(rows), [])
    with opened(path) as (_, contents):
        assert contents == Contents(rows, [], 2)


def test_rows_are_replaced_and_deleted(path: Path) -> None:
    """Writing a row of the same id replaces it; deleting one that is not there is nothing."""
    changed = row(1, FULL_ENTRY)
    with opened(path) as (store, _):
        store.write([row(1), row(2)], [])
        store.write([changed], [2, 99])
    with opened(path) as (_, contents):
        assert contents.rows == [changed]


def test_leases_that_ended_are_not_read(path: Path) -> None:
    """A lease goes by the wall clock, so it ends while the daemon is down, too."""
    with opened(path) as (store, _):
        store.write([row(1, expires=NOW), row(2, expires=NOW + 1)], [])
    with opened(path) as (_, contents):
        assert [stored.id for stored in contents.rows] == [2]


def test_only_its_user_may_read_the_file(path: Path) -> None:
    """The directory is made for its owner alone, and so are all the database's files."""
    with opened(path) as (store, _):
        store.write([row(1)], [])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {"registry.db": 0o600, "registry.db-wal": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"surprise": 1}', "unknown field"),
        (b"{}", "no name"),
        ("text", "malformed"),
        (b'{"service_instance_name": "\xff"}', "utf-8"),
        (b'{"service_instance_name":"x","addresses":[{"socket_type":"1"}]}', "socket_type"),
    ],
)
def test_one_broken_row(path: Path, entry: bytes | str, reason: str) -> None:
    """A row that cannot be read is told of and left alone; the others are served. Case 118."""
    with opened(path) as (store, _):
        store.write([row(1), row(2), row(3)], [])
    spoil(path, "UPDATE registration SET entry = ? WHERE id = 2", (entry,))
    with opened(path) as (_, contents):
        assert contents.rows == [row(1), row(3)]
        assert [row_id for row_id, _ in contents.broken] == [2]
        assert reason in contents.broken[0][1]
    assert stored_ids(path) == [1, 2, 3]


def test_a_broken_last_row_keeps_its_id(path: Path) -> None:
    """The id of a broken row is not given to another, which would overwrite it."""
    with opened(path) as (store, _):
        store.write([row(5)], [])
    spoil(path, "UPDATE registration SET maker = 'nobody'", ())
    with opened(path) as (_, contents):
        assert contents.last_id == 5


def test_no_database(path: Path) -> None:
    """A file that is no database is refused by name, and left as it is. Case 118."""
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    before = path.read_bytes()
    with pytest.raises(OSError, match=r"not a database.*registry\.db"):
        Store(path).open(NOW)
    assert path.read_bytes() == before


def test_corrupt_pages(path: Path) -> None:
    """A damaged page is no row to pass over: the daemon must not start without the rest."""
    with opened(path) as (store, _):
        store.write([row(i, FULL_ENTRY) for i in range(1, 200)], [])
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 512] = b"\xff" * 512
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"malformed.*registry\.db"):
        Store(path).open(NOW)


def test_newer_schema(path: Path) -> None:
    """A database of a later nspd is refused with both versions, and left as it is."""
    with opened(path):
        pass
    spoil(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}", ())
    with pytest.raises(OSError, match=rf"version {SCHEMA_VERSION + 1}.*registry\.db"):
        Store(path).open(NOW)
    assert stored_ids(path) == []


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE cookies (a)", "PRAGMA application_id = 7", "PRAGMA user_version=1"]
)
def test_another_programs_database(path: Path, statement: str) -> None:
    """A database that is not nspd's is never written to."""
    path.parent.mkdir()
    spoil(path, statement, ())
    before = path.read_bytes()
    with pytest.raises(OSError, match=r"another program.*registry\.db"):
        Store(path).open(NOW)
    assert path.read_bytes() == before


def test_a_directory_in_its_place(path: Path) -> None:
    """What cannot be opened is refused by name."""
    path.mkdir(parents=True)
    with pytest.raises(OSError, match=r"registry\.db"):
        Store(path).open(NOW)


def test_a_file_where_its_directory_should_be(tmp_path: Path) -> None:
    """A directory that cannot be made is refused by name."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "registry.db").open(NOW)


def test_two_daemons_on_one_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is its opener's alone until he closes it."""
    monkeypatch.setattr("nspd.providers.registry.store.BUSY_TIMEOUT", 0.0)
    with opened(path), pytest.raises(OSError, match=r"locked.*registry\.db"):
        Store(path).open(NOW)
    with opened(path) as (_, contents):
        assert contents == Contents([], [], 0)


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit any more may fit later: 11002, nothing changed, and it goes on."""
    connect = sqlite3.connect

    def small(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 8")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    large = QuerySet(service_instance_name="large", blob=bytes(65536))
    with opened(path) as (store, _):
        store.write([row(1)], [])
        with pytest.raises(TryAgain, match=r"registry\.db.*full"):
            store.write([row(1, large)], [])
        store.write([row(2)], [])
    with opened(path) as (_, contents):
        assert contents.rows == [row(1), row(2)]


def test_a_failing_disk(path: Path) -> None:
    """A write that the system refuses: 11003, nothing changed, and it goes on."""
    large = QuerySet(service_instance_name="large", blob=bytes(65536))
    with opened(path) as (store, _):
        store.write([row(1)], [])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
        try:
            with pytest.raises(NoRecovery, match=r"registry\.db.*I/O error"):
                store.write([row(1, large)], [])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.write([row(2)], [])
    with opened(path) as (_, contents):
        assert contents.rows == [row(1), row(2)]


def test_writing_when_closed(path: Path) -> None:
    """A store that is not open takes nothing; closing it again is harmless."""
    store = Store(path)
    store.close()
    with pytest.raises(NoRecovery, match="not open"):
        store.write([row(1)], [])


def spoil(path: Path, statement: str, parameters: tuple[object, ...]) -> None:
    """Change the database behind nspd's back."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, parameters)
    connection.close()


def stored_ids(path: Path) -> list[int]:
    """The ids that are in the database."""
    connection = sqlite3.connect(path)
    ids = [row_id for (row_id,) in connection.execute("SELECT id FROM registration ORDER BY id")]
    connection.close()
    return ids
