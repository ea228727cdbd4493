"""The settings as values: defaults that depend on the surroundings, impossible values."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest

from nspd.model.namespaces import fixed_guid
from nspd.server.settings import (
    SOCKET_PATH_BYTES,
    AccessSettings,
    DaemonSettings,
    MetricsSettings,
    ProviderSettings,
    Settings,
    default_socket,
    default_state_dir,
    metrics_address,
)

HOME = PurePosixPath("/home/ann")
DAEMON = DaemonSettings(socket="/run/nspd/nspd.sock", state_dir="/var/lib/nspd")


def provider(identifier: str, provider_id: str) -> ProviderSettings:
    """A provider of some kind."""
    return ProviderSettings(
        kind="test", identifier=identifier, provider_id=provider_id, namespace=65537
    )


def test_the_system_daemon_listens_under_run() -> None:
    """uid 0 has the system's socket and state directory, whatever its session's variables say."""
    environment = {"XDG_RUNTIME_DIR": "/run/user/0", "XDG_STATE_HOME": "/root/state"}
    assert default_socket(0, environment) == "/run/nspd/nspd.sock"
    assert default_state_dir(0, environment, HOME) == "/var/lib/nspd"


def test_a_user_daemon_listens_in_the_runtime_directory() -> None:
    """A user's daemon has its socket under XDG_RUNTIME_DIR."""
    socket = default_socket(1000, {"XDG_RUNTIME_DIR": "/run/user/1000"})
    assert socket == "/run/user/1000/nspd/nspd.sock"


def test_a_user_daemon_without_a_runtime_directory_has_no_default_socket() -> None:
    """Without XDG_RUNTIME_DIR the user must name a socket."""
    with pytest.raises(ValueError, match="XDG_RUNTIME_DIR"):
        default_socket(1000, {})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/home/ann/.local/state/nspd"),
        ({"XDG_STATE_HOME": "/data/state"}, "/data/state/nspd"),
        ({"XDG_STATE_HOME": "/data/state", "STATE_DIRECTORY": "/s/nspd:/t"}, "/s/nspd"),
    ],
)
def test_state_of_a_user_daemon(environment: dict[str, str], expected: str) -> None:
    """systemd's state directory goes before XDG_STATE_HOME, that before the home directory."""
    assert default_state_dir(1000, environment, HOME) == expected


def test_a_service_user_with_the_systems_configuration_is_the_system_daemon() -> None:
    """systemd's ConfigurationDirectory= under /etc marks the machine's daemon, whatever its uid."""
    environment = {"CONFIGURATION_DIRECTORY": "/etc/nspd", "XDG_RUNTIME_DIR": "/run/user/990"}
    assert default_socket(990, environment) == "/run/nspd/nspd.sock"
    assert default_state_dir(990, environment, HOME) == "/var/lib/nspd"


def test_socket_mode_is_octal() -> None:
    """The mode's text is read in base eight."""
    daemon = msgspec.structs.replace(DAEMON, socket_mode="0660")
    assert daemon.socket_permissions == 0o660


@pytest.mark.parametrize("path", ["", "/run/a\0b", "/" + "x" * SOCKET_PATH_BYTES])
def test_a_path_that_no_socket_can_have_is_refused(path: str) -> None:
    """Empty, with NUL, or longer than sun_path."""
    with pytest.raises(ValueError, match="path of a socket"):
        DaemonSettings(socket=path, state_dir="/var/lib/nspd")


def test_the_longest_path_of_a_socket_is_taken() -> None:
    """The limit itself is allowed."""
    path = "/" + "x" * (SOCKET_PATH_BYTES - 1)
    assert DaemonSettings(socket=path, state_dir="/s").socket == path


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("unix:/run/nspd/metrics.sock", "/run/nspd/metrics.sock"),
        ("127.0.0.1:9100", ("127.0.0.1", 9100)),
        ("localhost:9100", ("localhost", 9100)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_metrics_listen_on_a_socket_or_a_port(
    listen: str, address: str | tuple[str, int] | None
) -> None:
    """The three forms of metrics.listen."""
    assert metrics_address(listen) == address


@pytest.mark.parametrize(
    "listen", ["9100", "localhost", "::1:9100", "a:0", "a:65536", "unix:", ":1"]
)
def test_other_listening_addresses_are_refused(listen: str) -> None:
    """Anything else is an impossible value, also in the settings themselves."""
    with pytest.raises(ValueError, match=r"metrics|unix:PATH|path of a socket"):
        MetricsSettings(listen=listen)


def test_an_at_sign_needs_a_group() -> None:
    """A bare @ in an access list means nobody and is refused."""
    with pytest.raises(ValueError, match="name of a group"):
        AccessSettings(lookup=("ann", "@"))


def test_two_providers_cannot_share_a_guid() -> None:
    """GUIDs are compared without regard to case."""
    guid = fixed_guid(0xABC)
    with pytest.raises(ValueError, match="'one' and 'two'"):
        Settings(daemon=DAEMON, providers=(provider("one", guid), provider("two", guid.upper())))


def test_equal_providers_with_their_own_guids_are_fine() -> None:
    """One kind may stand in the catalog more than once."""
    providers = (provider("one", fixed_guid(1)), provider("two", fixed_guid(2)))
    assert Settings(daemon=DAEMON, providers=providers).providers == providers


@pytest.mark.parametrize(
    ("section", "value"),
    [
        (DaemonSettings, {"socket": "/s", "state_dir": "/s", "socket_mode": "rw"}),
        (DaemonSettings, {"socket": "/s", "state_dir": "/s", "backend": "curio"}),
        (DaemonSettings, {"socket": "/s", "state_dir": "/s", "end_grace": -0.1}),
        (DaemonSettings, {"socket": "/s", "state_dir": "/s", "sockets": 1}),
        (AccessSettings, {"lookup": [""]}),
    ],
)
def test_types_refuse_what_no_setting_can_be(section: type[msgspec.Struct], value: Any) -> None:
    """Wrong types, impossible values and unknown keys do not become settings."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, section)
