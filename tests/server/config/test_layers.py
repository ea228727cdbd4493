"""Layers of configuration put together, and every mistake named with its place."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nspd.core.limits import Limits
from nspd.model.namespaces import fixed_guid
from nspd.server.config.layers import Configuration, Source, Surroundings, compile_settings
from nspd.server.config.report import ConfigError, Origin
from nspd.server.config.values import ENVIRONMENT, SECTIONS, SettingKey
from nspd.server.kinds import Kinds
from nspd.server.settings import AccessSettings, LogSettings, MetricsSettings


@pytest.fixture
def compiled(kinds: Kinds) -> Compile:
    """Compile texts, an environment and options for the machine's daemon."""
    return Compile(kinds)


class Compile:
    """Calls `compile_settings` for uid 0 with sources named 1.toml, 2.toml, ..."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def __call__(
        self,
        *texts: str,
        environment: dict[str, str] | None = None,
        options: dict[SettingKey, str] | None = None,
    ) -> Configuration:
        sources = [Source(f"{number}.toml", text) for number, text in enumerate(texts, 1)]
        here = Surroundings(uid=0, home=PurePosixPath("/root"), environment=environment or {})
        return compile_settings(sources, here, options or {}, self._kinds)

    def problems(self, *texts: str, environment: dict[str, str] | None = None) -> list[str]:
        """What is said about a configuration that is wrong, line by line."""
        with pytest.raises(ConfigError) as caught:
            self(*texts, environment=environment)
        lines = str(caught.value).splitlines()
        assert lines == [str(problem) for problem in caught.value.problems]
        return lines


def test_defaults_are_those_of_the_specification(compiled: Compile) -> None:
    """With no file at all every setting has its documented default."""
    settings = compiled().settings
    daemon = settings.daemon
    assert (daemon.socket, daemon.socket_mode) == ("/run/nspd/nspd.sock", "0666")
    assert (daemon.backend, daemon.uvloop) == ("asyncio", True)
    assert (daemon.state_dir, daemon.end_grace, daemon.drain_timeout) == ("/var/lib/nspd", 0.1, 5.0)
    assert settings.limits == Limits()
    assert settings.access == AccessSettings(
        admin_group="nspd", lookup=("*",), register=("*",), register_machine=()
    )
    assert settings.log == LogSettings(level="info", format="auto", query_names="hash")
    assert settings.metrics == MetricsSettings(listen="")
    hosts, registry, email, dns = settings.providers
    assert (hosts.kind, hosts.identifier, hosts.namespace) == ("hosts", "hosts", 11)
    assert (hosts.enabled, hosts.budget, hosts.workers, hosts.domains) == (True, None, 40, ())
    assert hosts.options == {"path": "/etc/hosts"}
    assert hosts.provider_id == "5e1d0000-0000-4000-8000-00000000000b"
    assert registry.options == {"store": "sqlite:/var/lib/nspd/registry.db"}
    assert (email.kind, email.namespace) == ("email", 37)
    assert email.options == {"store": "sqlite:/var/lib/nspd/email.db"}
    assert (dns.kind, dns.namespace) == ("dns", 12)


def test_later_files_win_key_by_key(compiled: Compile) -> None:
    """A later file changes the keys it has and leaves the others of the section."""
    configuration = compiled(
        "[limits]\nlookups = 5\nconnections = 6", "[log]\n[limits]\nlookups = 7"
    )
    assert (configuration.settings.limits.lookups, configuration.settings.limits.connections) == (
        7,
        6,
    )
    assert configuration.origins == {
        ("limits", "lookups"): Origin("2.toml", 3),
        ("limits", "connections"): Origin("1.toml", 3),
    }


def test_environment_wins_over_files_and_options_over_all(compiled: Compile) -> None:
    """The last two layers, with where each value came from."""
    configuration = compiled(
        '[daemon]\nbackend = "trio"\nsocket = "/file"\n[log]\nlevel = "error"',
        environment={"NSPD_DAEMON_SOCKET": "/environment", "NSPD_LOG_LEVEL": "debug"},
        options={("log", "level"): "critical"},
    )
    assert configuration.settings.daemon.backend == "trio"
    assert configuration.settings.daemon.socket == "/environment"
    assert configuration.settings.log.level == "critical"
    assert str(configuration.origins["daemon", "backend"]) == "1.toml:2"
    assert str(configuration.origins["daemon", "socket"]) == "environment"
    assert str(configuration.origins["log", "level"]) == "command line"


def test_the_environment_sets_every_type(compiled: Compile) -> None:
    """Truth values, numbers, durations and lists are read from text."""
    settings = compiled(
        environment={
            "NSPD_DAEMON_UVLOOP": "false",
            "NSPD_DAEMON_DRAIN_TIMEOUT": "1500ms",
            "NSPD_DAEMON_END_GRACE": "0.5",
            "NSPD_LIMITS_LOOKUPS": "12",
            "NSPD_ACCESS_LOOKUP": "ann, @staff",
            "NSPD_ACCESS_REGISTER": "",
            "NSPD_METRICS_LISTEN": "",
        }
    ).settings
    assert settings.daemon.uvloop is False
    assert (settings.daemon.drain_timeout, settings.daemon.end_grace) == (1.5, 0.5)
    assert settings.limits.lookups == 12
    assert settings.access.lookup == ("ann", "@staff")
    assert settings.access.register == ()
    assert settings.metrics.listen == ""


def test_every_setting_has_its_environment_variable() -> None:
    """No two settings share a variable, so that each can be set."""
    assert len(ENVIRONMENT) == sum(len(kind.__struct_fields__) for kind in SECTIONS.values())


def test_the_short_name_of_the_socket(compiled: Compile) -> None:
    """NSPD_SOCKET is NSPD_DAEMON_SOCKET; the exact name goes before it."""
    short = {"NSPD_SOCKET": "/short"}
    assert compiled(environment=short).settings.daemon.socket == "/short"
    both = {"NSPD_DAEMON_SOCKET": "/long", **short}
    assert compiled(environment=both).settings.daemon.socket == "/long"


def test_variables_that_name_nothing_are_ignored_with_a_warning(compiled: Compile) -> None:
    """A warning for each, with the nearest that exists; other programs' variables are not ours."""
    configuration = compiled(
        environment={"NSPD_LIMIT_LOOKUPS": "x", "NSPD_": "y", "nspd_log_level": "z", "HOME": "/"}
    )
    first, second = configuration.warnings
    assert "NSPD_LIMIT_LOOKUPS names no setting" in first
    assert first.endswith("NSPD_LIMITS_LOOKUPS")
    assert "variable NSPD_ names no setting" in second


def test_durations_have_units_or_are_seconds(compiled: Compile) -> None:
    """In files too, wherever a setting is a time."""
    settings = compiled(
        '[daemon]\nend_grace = 1\ndrain_timeout = "2min"\n[limits]\nsend_timeout = "1500ms"'
        '\n[[provider]]\nkind = "remote"\nbudget = "1.5s"\ntimeout = "250ms"'
    ).settings
    assert (settings.daemon.end_grace, settings.daemon.drain_timeout) == (1.0, 120.0)
    assert settings.limits.send_timeout == 1.5
    assert settings.providers[0].budget == 1.5
    assert settings.providers[0].options == {"timeout": 0.25}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "\n[limits]\nlokups = 1",
            "1.toml:3: limits.lokups: there is no such setting; "
            "the nearest known is 'limits.lookups'",
        ),
        (
            "[daemon]\nlookups = 1",
            "1.toml:2: daemon.lookups: there is no such setting; "
            "the nearest known is 'limits.lookups'",
        ),
        (
            'socket = "/s"',
            "1.toml:1: socket: there is no such setting; the nearest known is 'daemon.socket'",
        ),
        (
            "\n[deamon]",
            "1.toml:2: deamon: there is no such setting; the nearest known is 'daemon'",
        ),
        ("daemon = 1", "1.toml:1: daemon: write it as a table, [daemon]"),
        ("limits.lookups = 0", "1.toml:1: limits.lookups: Expected an integer >= 1"),
        (
            "limits.lookups = true",
            "1.toml:1: limits.lookups: Expected an integer, got true or false",
        ),
        ("daemon.uvloop = 1", "1.toml:1: daemon.uvloop: Expected true or false, got an integer"),
        ("daemon.end_grace = nan", "1.toml:1: daemon.end_grace: a duration is a finite number"),
        ("daemon.end_grace = inf", "1.toml:1: daemon.end_grace: a duration is a finite number"),
        (
            'limits.send_timeout = "0s"',
            "1.toml:1: limits.send_timeout: Expected a number of seconds > 0",
        ),
        ("log.level = 'loud'", '1.toml:1: log.level: Expected "debug", "info", "warning"'),
        ("access.lookup = ['@']", '1.toml:1: access.lookup: "@" must be followed'),
        ("metrics.listen = 'x'", "1.toml:1: metrics.listen: 'x' is neither"),
        ("daemon.socket = ''", "1.toml:1: daemon.socket: Expected text of length >= 1"),
        ("[log]\nlevel = 'info'\nlevel = 'info'", "1.toml:3: this is not TOML: Cannot overwrite"),
        ("a = 1\nb", "1.toml:2: this is not TOML: Expected '='"),
        ("a = " + "9" * 5000, "1.toml: this is not TOML"),
    ],
)
def test_a_mistake_is_named_with_file_line_key_and_the_nearest_key(
    compiled: Compile, text: str, problem: str
) -> None:
    """Unknown keys, wrong types and impossible values each get one line that says where."""
    (line,) = compiled.problems(text)
    assert line.startswith(problem)


def test_all_mistakes_are_reported_at_once(compiled: Compile) -> None:
    """In every layer, even where a later layer replaces the value."""
    lines = compiled.problems(
        "log.level = 1\nlog.format = 'xml'",
        "log.level = 'info'\n[[provider]]\nkind = 'hosts'\npfad = '/h'",
        environment={"NSPD_LIMITS_LOOKUPS": "many"},
    )
    assert [line.partition(": ")[0] for line in lines] == [
        "1.toml:1",
        "1.toml:2",
        "2.toml:4",
        "environment",
    ]


def test_a_bad_option_is_named_as_it_was_typed(compiled: Compile) -> None:
    """The command line's own spelling, not the setting's."""
    with pytest.raises(ConfigError, match=r"^command line: --state-dir: "):
        compiled(options={("daemon", "state_dir"): ""})


def test_a_user_daemon_without_a_socket_is_told_why(kinds: Kinds) -> None:
    """No XDG_RUNTIME_DIR: the missing default is a mistake like any other."""
    here = Surroundings(uid=1000, home=PurePosixPath("/home/ann"), environment={})
    with pytest.raises(ConfigError, match=r"default: daemon.socket: .*XDG_RUNTIME_DIR"):
        compile_settings([], here, {}, kinds)


def test_the_registry_is_kept_in_the_state_directory_in_force(compiled: Compile) -> None:
    """Its default follows daemon.state_dir; a store that is given stays as it is."""
    given = "[[provider]]\nkind = 'registry'\n"
    options: dict[SettingKey, str] = {("daemon", "state_dir"): "/data"}
    assert compiled(given, options=options).settings.providers[0].options == {
        "store": "sqlite:/data/registry.db"
    }
    memory = compiled(given + "store = 'memory'", options=options)
    assert memory.settings.providers[0].options == {"store": "memory"}


def test_a_namespace_of_its_own_brings_its_fixed_guid(compiled: Compile) -> None:
    """The default GUID follows the namespace that the entry serves."""
    settings = compiled("[[provider]]\nkind = 'remote'\nnamespace = 12").settings
    assert settings.providers[0].provider_id == fixed_guid(12)
