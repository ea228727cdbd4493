"""``nspd demo`` as a process, with a real daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nspd.cli._demo_daemon import DaemonFailed, DemoDaemon
from nspd.cli.demo import run
from tests.cli.processes import LIMIT, environment


def _start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nspd.cli.nspd", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(tmp_path), NSPD_SOCKET="/nowhere", PYTHONUNBUFFERED="1"),
    )


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a socket's path is short enough."""
    return tmp_path_factory.mktemp("d")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_demo_is_so_and_leaves_nothing(backend: str, short_path: Path) -> None:
    """Exit 0, every line ticked, the latencies shown, the directory gone."""
    with _start(short_path, "--lookups", "20", "--backend", backend) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (0, "")
    assert "20 of 20 NextEx answered WSA_E_CANCELLED" in out
    assert "✗" not in out
    assert "p99" in out
    assert list(short_path.iterdir()) == []


def test_the_hosts_file_is_the_one_given(short_path: Path, tmp_path: Path) -> None:
    """--hosts takes any file in the usual form."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.9 elsewhere\n2001:db8::9 elsewhere\n", encoding="utf-8")
    with _start(short_path, "--lookups", "1", "--hosts", str(hosts)) as process:
        out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert "elsewhere is 192.0.2.9, 2001:db8::9" in out


def test_a_hosts_file_without_names_is_not_so(short_path: Path, tmp_path: Path) -> None:
    """What cannot be shown is told, and the exit status is 1."""
    hosts = tmp_path / "hosts"
    hosts.write_text("# nothing here\n", encoding="utf-8")
    with _start(short_path, "--lookups", "1", "--hosts", str(hosts)) as process:
        out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "1 thing shown above is not so:" in out


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_an_interrupted_demo_leaves_nothing(
    number: signal.Signals, status: int, short_path: Path
) -> None:
    """Ctrl-C and SIGTERM stop the daemon and remove its directory."""
    with _start(short_path, "--lookups", "5000") as process:
        assert process.stdout is not None
        daemon_pid = 0
        for line in process.stdout:
            if " listens, process " in line:
                daemon_pid = int(line.partition(" process ")[2].partition(",")[0])
                break
        assert daemon_pid
        process.send_signal(number)
        process.communicate(timeout=LIMIT)
    assert process.returncode == status
    assert list(short_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(daemon_pid, 0)


def test_a_daemon_that_does_not_start_is_exit_69(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the daemon said is shown."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert run(1) == 69
    assert "the daemon did not start: exit status 1" in capsys.readouterr().err


def test_the_directory_of_a_failed_start_is_removed(
    monkeypatch: pytest.MonkeyPatch, short_path: Path
) -> None:
    """Nothing is left even if the context was never entered."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DaemonFailed), DemoDaemon(Path("/etc/hosts")):
        pytest.fail("it cannot have started")
    assert list(short_path.iterdir()) == []
