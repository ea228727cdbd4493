"""docs/email.md: its commands, its program, its configuration and its tables."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import servers
from nspd.providers.dns.options import Options
from nspd.providers.email import EmailProvider
from nspd.server.kinds import kind_of
from tests.cli.processes import COMMAND, LIMIT, environment
from tests.docs.running import output_of, programs
from tests.providers.dns.fakes import Asked, FakeServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "email.md"
TEXT = DOCUMENT.read_text("utf-8")
(CONSOLE,) = re.findall(r"^```console\n(.*?)^```", TEXT, re.M | re.S)
(PRINTED,) = re.findall(r"^which prints\n\n```\n(.*?)^```", TEXT, re.M | re.S)
(LEVELS,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.M | re.S)

ZONE = {
    ("mail.example", "MX"): ["10 mx.mail.example."],
    ("_submissions._tcp.mail.example", "SRV"): ["0 1 465 smtp.mail.example."],
    ("_imaps._tcp.mail.example", "SRV"): ["0 1 993 imap.mail.example."],
    ("_imap._tcp.mail.example", "SRV"): ["0 0 0 ."],
    ("smtp.mail.example", "A"): ["192.0.2.101"],
    ("imap.mail.example", "A"): ["192.0.2.102"],
    ("imap.mail.example", "AAAA"): ["2001:db8::102"],
    ("mx.mail.example", "A"): ["192.0.2.25"],
}


def answer(ask: Asked) -> None:
    """Serve the zone of the examples."""
    data = ZONE.get((ask.name, ask.rdtype), [])
    ask.reply(ask.response(*[("@", ask.rdtype, each) for each in data]))


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon whose email provider asks that server."""
    directory = tmp_path_factory.mktemp("email")
    with FakeServer(answer) as server:
        provider = f'[[provider]]\nkind = "email"\nstore = "memory"\nservers = ["{server}"]\n'
        with servers.daemon("asyncio", provider, directory) as (path, _):
            yield str(path)


def without_times(line: str) -> str:
    """A line of output whose times are left open."""
    return re.sub(r"[\d.]+ (ms|s)\b", "TIME", line)


def test_the_program(socket: str) -> None:
    """It prints what the document says."""
    (program,) = programs(DOCUMENT)
    assert output_of(program, socket) == PRINTED.splitlines()


def test_the_commands(socket: str, tmp_path: Path) -> None:
    """Each prints what stands below it, but for the times."""
    (tmp_path / "alice.vcf").write_text("BEGIN:VCARD\nEND:VCARD\n")
    for shown in CONSOLE.split("$ nspctl ")[1:]:
        command, *expected = shown.splitlines()
        done = subprocess.run(
            [*COMMAND, *command.split()],
            cwd=tmp_path,
            env=environment(NSPD_SOCKET=socket),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr
        said = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        assert list(map(without_times, said)) == list(map(without_times, expected))


def test_the_levels() -> None:
    """The configuration of the example makes a primary one that is asked for nothing else."""
    corporate, other = tomllib.loads(LEVELS)["provider"]
    options = {key: corporate[key] for key in ("primary", "wildcard", "servers", "provider_id")}
    options["primary"] = tuple(options["primary"])
    options["servers"] = tuple(options["servers"])
    provider = EmailProvider(**options)
    assert not provider.supports_wildcard
    assert provider.level("user@corp.example") == 2
    assert provider.level("user@example.org") == 0
    assert EmailProvider().supports_wildcard
    assert other == {"kind": "email"}


def test_every_setting_is_there() -> None:
    """The table of settings has those of the provider, with their defaults."""
    table = TEXT.split("## Settings\n")[1]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.M)
    named = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    kind = kind_of(EmailProvider)
    assert set(named) == set(kind.options)
    plain = {name: default.strip("`") for name, default in named.items()}
    for name in ("primary", "secondary", "wildcard", "delivery", "grace"):
        default = kind.defaults[name]
        assert plain[name] == str(list(default) if isinstance(default, tuple) else default).lower()
    assert plain["resolv_conf"] == f'"{kind.defaults["resolv_conf"]}"'
    of_resolver = {"servers", "timeout", "attempts", "trust_ad"}
    assert of_resolver <= set(Options.__struct_fields__)
    assert {named[name] for name in of_resolver} == {"from resolv.conf"}
