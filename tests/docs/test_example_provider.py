"""The worked example of docs/providers.md: through a router, and through a daemon that found it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
import structlog
from anyio.lowlevel import checkpoint

import nspd
from docs.examples.phonebook import PhonebookProvider
from nspd.core.catalog import Entry
from nspd.core.router import open_router
from nspd.core.session import Session
from nspd.core.users import Peer
from nspd.model import errors
from nspd.model.queryset import QuerySet

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BOOK = json.loads((EXAMPLES / "phonebook.json").read_text("utf-8"))
DEADLINE = 20.0
"""Seconds after which a test that waits in vain fails."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A phonebook."""
    path = tmp_path / "phonebook.json"
    write(path, BOOK)
    return path


def write(path: Path, book: object) -> None:
    """Write a phonebook."""
    path.write_text(json.dumps(book), encoding="utf-8")


def become_a_pipe(path: Path) -> None:
    """Have whoever reads the file wait for a writer."""
    path.unlink()
    os.mkfifo(path)


@asynccontextmanager
async def client_of(entry: Entry, *, end_grace: float = 0.1) -> AsyncIterator[Session]:
    """A client's session with a router that has this one provider."""
    log = structlog.get_logger()
    async with open_router([entry], log=log, end_grace=end_grace) as router:
        session = router.open_session(Peer(60_001))
        session.startup(1, "example", False)
        yield session
        session.close()


def query(name: str, query_string: str | None = None) -> QuerySet:
    """What is asked."""
    return QuerySet(service_instance_name=name, query_string=query_string)


async def names(session: Session, name: str) -> list[str | None]:
    """The names that a lookup finds, in order."""
    lookup = session.begin(query(name))
    found = []
    try:
        while True:
            found.append((await lookup.next()).service_instance_name)
    except errors.NoMoreResults:
        lookup.end()
        return found


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something is so."""
    with anyio.fail_after(DEADLINE):
        while not condition():
            await checkpoint()


@pytest.mark.anyio
async def test_a_name_is_answered_at_once(path: Path) -> None:
    """`answer`: the record is there without any task, in whatever case it was asked for."""
    entry = Entry(PhonebookProvider(path=str(path)))
    async with client_of(entry) as session:
        lookup = session.begin(query("RECEPTION"))
        assert entry.running == 0
        record = lookup.take()
        assert isinstance(record, QuerySet)
        assert record.service_instance_name == "Reception"
        assert (record.namespace, record.provider_id) == (100_001, entry.provider_id)
        (address,) = record.addresses or ()
        assert address.remote == nspd.SocketAddress.inet("192.0.2.10", 5060)
        lookup.end()


@pytest.mark.anyio
async def test_a_pattern_reads_the_file(path: Path) -> None:
    """`lookup`: the file as it is now, in file order, and plain names know it from then on."""
    async with client_of(Entry(PhonebookProvider(path=str(path)))) as session:
        assert await names(session, "work*") == ["Workshop", "work-bench"]
        write(path, {"Attic": "192.0.2.13"})
        assert await names(session, "*") == ["Attic"]
        assert await names(session, "attic") == ["Attic"]


@pytest.mark.anyio
async def test_errors_reach_the_caller(path: Path) -> None:
    """Refused at Begin, not found, and a failure in the middle: each with its own number."""
    async with client_of(Entry(PhonebookProvider(path=str(path)))) as session:
        with pytest.raises(errors.InvalidArgument, match="query_string"):
            session.begin(query("reception", query_string="fax"))
        with pytest.raises(errors.ServiceNotFound):
            await names(session, "cellar")
        write(path, [])
        with pytest.raises(errors.NoRecovery) as caught:
            await names(session, "*")
        assert [verdict.outcome for verdict in caught.value.verdicts] == ["failed"]


@pytest.mark.anyio
async def test_equal_patterns_share_one_run(path: Path) -> None:
    """`sharing_key` (C11): one task serves both, and each gets every record."""
    entry = Entry(PhonebookProvider(path=str(path)))
    async with client_of(entry) as session:
        lookups = [session.begin(query(pattern)) for pattern in ("work*", "WORK*")]
        assert entry.running == 1
        for lookup in lookups:
            found = [await lookup.next(), await lookup.next()]
            assert [record.service_instance_name for record in found] == ["Workshop", "work-bench"]
            lookup.end()


@pytest.mark.anyio
async def test_end_does_not_wait_for_a_blocked_read(path: Path) -> None:
    """C2, C3 and C8: the caller is released at once, and the read is counted until it returns."""
    entry = Entry(PhonebookProvider(path=str(path)))
    async with client_of(entry, end_grace=0) as session:
        become_a_pipe(path)
        lookup = session.begin(query("*"))
        writer = await _when_read(path)
        cancelled: list[int] = []

        async def wait() -> None:
            with pytest.raises(errors.LookupCancelled) as caught:
                await lookup.next()
            cancelled.append(caught.value.code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until(lambda: lookup.waiting.first is not None)
            ending = lookup.end()
        assert (ending.cancelled, cancelled) == (1, [10111])
        await until(lambda: ending.work is not None)
        assert (ending.work, entry.detached, entry.running) == ("detached", 1, 1)
        os.close(writer)
        await until(lambda: entry.running == 0)
        assert entry.detached == 0


async def _when_read(path: Path) -> int:
    """The writing end of a pipe, once a worker thread has the reading end."""
    with anyio.fail_after(DEADLINE):
        while True:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                await checkpoint()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What an installer would make of docs/examples: the module, and its entry points."""
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path / "site"
    metadata = site / f"nspd_phonebook-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    lines = [f"Name: {project['name']}", f"Version: {project['version']}"]
    (metadata / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    for group, entries in project["entry-points"].items():
        points = [f"{name} = {value}" for name, value in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *points, ""]))
    (site / "phonebook.py").write_bytes((EXAMPLES / "phonebook.py").read_bytes())
    return site


@contextmanager
def serving(directory: Path, site: Path) -> Iterator[Path]:
    """A daemon as docs/providers.md starts it, with ``site`` installed; its socket."""
    socket = directory / "nspd.sock"
    command = [sys.executable, "-m", "nspd", "serve", "--config", "docs/examples/phonebook.toml"]
    with subprocess.Popen(
        [*command, "--socket", str(socket), "--state-dir", str(directory)],
        cwd=EXAMPLES.parents[1],
        env=_environment(site),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while '"serving"' not in said:
                ready, _, _ = select.select([process.stderr], [], [], DEADLINE)
                assert ready, "the daemon does not start"
                said = process.stderr.readline()
                assert said, "the daemon has ended"
            yield socket
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE)


def _environment(site: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NSPD_")}
    return {**kept, "PYTHONPATH": str(site)}


def test_a_daemon_finds_it_by_its_entry_point(tmp_path: Path, site: Path) -> None:
    """Installed and named in the configuration, it is in the catalog and answers."""
    with serving(tmp_path, site) as socket, nspd.Client(socket) as client:
        assert [(entry.kind, entry.namespace) for entry in client.providers()] == [
            ("phonebook", 100_001)
        ]
        (record,) = client.resolve("workshop").results
        assert record.service_instance_name == "Workshop"
        with client.lookup("*") as records:
            assert [record.service_instance_name for record in records] == list(BOOK)
        with pytest.raises(errors.InvalidArgument):
            client.resolve("workshop", query_string="fax")


@pytest.mark.parametrize(
    ("options", "complaint"), [("", "path"), ('path = "a"\npage = 3', "page"), ("path = 3", "path")]
)
def test_its_options_are_checked(tmp_path: Path, site: Path, options: str, complaint: str) -> None:
    """`nspd check` knows the options from the constructor: one is missing, unknown, no text."""
    configuration = tmp_path / "nspd.toml"
    configuration.write_text(f'[[provider]]\nkind = "phonebook"\n{options}\n')
    checked = subprocess.run(
        [sys.executable, "-m", "nspd", "check", "--config", str(configuration)],
        env=_environment(site) | {"NSPD_SOCKET": str(tmp_path / "nspd.sock")},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert checked.returncode == 78
    assert complaint in checked.stderr
