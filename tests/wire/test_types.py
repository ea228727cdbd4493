"""The table of methods."""

from __future__ import annotations

import msgspec
import pytest

from nspd.model import errors
from nspd.model.errors import NAMES
from nspd.wire.types import METHODS, Method

WAITING = {
    "NSPv2LookupServiceNextEx",
    "nspd.Explain",
    "nspd.Lookup",
    "nspd.Monitor",
    "WSAProviderConfigChange",
}


def test_the_waiting_calls() -> None:
    """Those that `$/cancelRequest` withdraws, and no others."""
    assert {name for name, method in METHODS.items() if method.waiting} == WAITING


def test_calls_that_do_nothing_as_notifications() -> None:
    """Begin and the waiting calls would leak a handle or lose a record."""
    assert {name for name, method in METHODS.items() if method.needs_reply} == {
        *WAITING,
        "NSPv2LookupServiceBegin",
    }


def test_calls_for_administrators() -> None:
    """Those that change the daemon for everyone, or tell what others ask it."""
    assert {name for name, method in METHODS.items() if method.admin} == {
        "WSCEnableNSProvider",
        "WSCWriteNameSpaceOrder",
        "nspd.FlushCaches",
        "nspd.Reload",
        "nspd.SetLogLevel",
        "nspd.ShowCache",
        "nspd.TestGate",
        "nspd.TestReset",
    }


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_errors_of_a_method(method: Method) -> None:
    """Each is a number that has a name, and is there once."""
    assert set(method.errors) <= set(NAMES)
    assert len(set(method.errors)) == len(method.errors)
    assert (errors.WSAEACCES in method.errors) or not method.admin


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_params_are_strict_values(method: Method) -> None:
    """They refuse what they do not know, cannot be changed, and share no default."""
    config = method.params.__struct_config__
    assert config.forbid_unknown_fields
    assert config.frozen
    assert not config.gc
    for field in msgspec.structs.fields(method.params):
        assert field.default_factory is msgspec.NODEFAULT


def test_methods_with_a_query_set() -> None:
    """Those of which a member may have no null within."""
    assert {name: method.query_set for name, method in METHODS.items() if method.query_set} == {
        "NSPv2LookupServiceBegin": "restrictions",
        "nspd.Lookup": "restrictions",
        "nspd.Explain": "restrictions",
        "NSPv2SetServiceEx": "registration",
    }
