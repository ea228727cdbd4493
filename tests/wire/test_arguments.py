"""Params: strict, and refused in words that help."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from nspd.model import errors
from nspd.wire.decode import Invalid, Request
from nspd.wire.params import NoParams
from nspd.wire.types import INVALID_PARAMS, METHODS
from tests.wire.streams import (
    BEGIN,
    END,
    NEXT,
    decode,
    invalid,
    json_values,
    line,
    quick,
    raw_line,
    request,
)

GUID = "5E1D0000-0000-4000-8000-00000000000B"

COMPLETE: dict[str, dict[str, Any]] = {
    "NSPv2Startup": {"protocol": 1, "client": "test/1", "cancel_on_begin": True},
    "NSPv2LookupServiceBegin": {
        "restrictions": {
            "service_instance_name": "a",
            "version": {"version": 1, "how": "not_less"},
            "comment": "",
            "namespace": 12,
            "provider_id": GUID,
            "context": "",
            "protocols": [{"family": "inet6", "protocol": 6}, {"family": 1, "protocol": 0}],
            "query_string": "MX",
            "addresses": [
                {
                    "local": {"family": "unix", "path": "/a"},
                    "remote": {"family": "inet6", "host": "fe80::1", "port": 1, "scope_id": 2},
                    "socket_type": 1,
                    "protocol": 6,
                },
                {"remote": {"family": 40, "data": "AAE="}, "socket_type": 1, "protocol": 0},
            ],
            "output_flags": 0,
            "blob": "AAE=",
        },
        "control_flags": 0xFF0,
        "provider_id": GUID,
        "policy": "first",
        "watch": True,
        "timeout": 2,
    },
    "NSPv2LookupServiceNextEx": {
        "lookup": 1,
        "control_flags": 0x2000,
        "buffer_length": 0,
        "timeout": 0.5,
    },
    "NSPv2LookupServiceEnd": {"lookup": 1},
    "nspd.Lookup": {
        "restrictions": {},
        "control_flags": 0,
        "provider_id": GUID,
        "policy": "all",
        "timeout": 0,
        "limit": 1,
    },
    "nspd.Explain": {
        "restrictions": {},
        "control_flags": 0,
        "provider_id": GUID,
        "policy": "first",
        "timeout": 0,
        "limit": 1,
    },
    "$/cancelRequest": {"id": "a"},
    "NSPv2SetServiceEx": {
        "registration": {"service_instance_name": "a"},
        "operation": 3,
        "control_flags": 1,
        "provider_id": GUID,
        "visibility": "machine",
        "lifetime": "session",
        "ttl": 60,
    },
    "WSCEnableNSProvider": {"provider_id": GUID, "enable": False},
    "WSCWriteNameSpaceOrder": {"provider_ids": [GUID]},
    "nspd.EndLookup": {"lookup": 1},
    "nspd.ShowCache": {"name": "a", "limit": 1},
    "nspd.SetLogLevel": {"level": "debug"},
    "nspd.TestGate": {"gate": "g", "tokens": 2},
}
"""For each method that takes params all of them, with values of theirs."""

REQUIRED = [
    (name, field.name)
    for name, method in METHODS.items()
    for field in msgspec.structs.fields(method.params)
    if field.required
]
OPTIONAL = [
    (name, field.name, field.default)
    for name, method in METHODS.items()
    for field in msgspec.structs.fields(method.params)
    if not field.required
]


def refusal(data: bytes) -> str:
    """The path that the error of this line names, which must be one of wrong params."""
    got = invalid(data)
    assert got.code == INVALID_PARAMS
    assert got.id == 1
    assert got.data is not None
    assert got.data["wsa"] == errors.WSAEINVAL
    path = got.data["path"]
    assert path in got.detail
    assert isinstance(path, str)
    return path


def test_every_method_has_an_example() -> None:
    """The examples cover all methods that take params, and every member."""
    for name, method in METHODS.items():
        assert set(method.params.__struct_fields__) == set(COMPLETE.get(name, {}))


@pytest.mark.parametrize("method", METHODS)
def test_all_params_are_taken(method: str) -> None:
    """Every member of every method arrives with its value."""
    params = COMPLETE.get(method, {})
    got = request(line(method, params)).params
    assert type(got) is METHODS[method].params
    for member, value in params.items():
        assert json.loads(msgspec.json.encode(getattr(got, member))) == value


@pytest.mark.parametrize("method", METHODS)
def test_params_may_be_left_out_where_none_is_needed(method: str) -> None:
    """No params are the same as an empty object."""
    assert decode(line(method)) == decode(line(method, {}))


@pytest.mark.parametrize(("method", "member"), REQUIRED)
def test_a_missing_member_is_named(method: str, member: str) -> None:
    """Case 126: a required member left out."""
    params = {name: value for name, value in COMPLETE[method].items() if name != member}
    assert refusal(line(method, params)) == f"$.params.{member}"


@pytest.mark.parametrize(("method", "member"), REQUIRED)
def test_null_is_no_value_of_a_required_member(method: str, member: str) -> None:
    """Case 126: null in its place; case 4: End of null."""
    params = {**COMPLETE[method], member: None}
    assert refusal(line(method, params)).startswith(f"$.params.{member}")


@pytest.mark.parametrize(("method", "member", "default"), OPTIONAL)
def test_null_is_a_value_only_of_what_is_null_by_default(
    method: str, member: str, default: object
) -> None:
    """Case 126: for an optional member null stands for nothing but a null default."""
    data = line(method, {**COMPLETE[method], member: None})
    if default is None:
        assert getattr(request(data).params, member) is None
    else:
        assert refusal(data) == f"$.params.{member}"


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_member_is_named(method: str) -> None:
    """Case 125: the same for all methods."""
    assert refusal(line(method, {**COMPLETE.get(method, {}), "bogus": 1})) == "$.params.bogus"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("params", [[], [1], None, 5, "x", True])
def test_params_are_an_object(method: str, params: object) -> None:
    """Params by position, or of another type, are refused."""
    data = line(method, params)
    assert refusal(data) == "$.params"


def wrong_values(member: str, good: object) -> list[object]:
    """Values of types that this member does not have."""
    if member in {"timeout", "ttl"}:
        return ["1", True, [], {}]
    if member == "id":
        return [1.5, True, [], {}]
    by_type: dict[type, list[object]] = {
        bool: [1, "true", [], {}],
        int: [1.0, 1.5, "1", True, [], {}],
        str: [1, True, [], {}],
        list: [1, "a", {}],
        dict: [1, "a", []],
    }
    return by_type[type(good)]


@pytest.mark.parametrize(
    ("method", "member", "value"),
    [
        (method, member, value)
        for method, params in COMPLETE.items()
        for member, good in params.items()
        for value in wrong_values(member, good)
    ],
)
def test_a_value_of_another_type_is_refused(method: str, member: str, value: object) -> None:
    """Case 126: for every member of every method, and the error names it."""
    assert refusal(line(method, {**COMPLETE[method], member: value})) == f"$.params.{member}"


@pytest.mark.parametrize("value", [b"1.0", b"1e0", b'"1"', b"true", b"null", b"[1]", b"-1.0"])
def test_what_looks_like_a_handle_is_none(value: bytes) -> None:
    """Cases 7 and 143: a handle as fraction, text or truth value is refused."""
    assert refusal(raw_line(b'{"lookup":%b}' % value)) == "$.params.lookup"


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, 5 + 2**64, -(2**100), 10**700])
def test_a_handle_is_never_rounded(value: int) -> None:
    """Case 143: an integer of any size arrives exactly."""
    assert request(line(END, {"lookup": value})).params.lookup == value


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_a_handle_of_many_digits_is_still_nobodys(sign: bytes) -> None:
    """Case 143: more digits than Python turns into an integer are a number past every handle."""
    got = request(raw_line(b'{"lookup":%b%b}' % (sign, b"7" * 100_000)))
    assert abs(got.params.lookup) > 2**64
    assert (got.params.lookup < 0) == bool(sign)


def test_many_digits_within_a_string_are_left_alone() -> None:
    """Only numbers are cut."""
    name = 'x"' + "7" * 5000
    data = line(BEGIN, {"restrictions": {"service_instance_name": name}, "control_flags": 0})
    data = data.replace(b'"control_flags":0', b'"control_flags":' + b"8" * 5000)
    assert request(data).params.restrictions.service_instance_name == name


@pytest.mark.parametrize(
    "value", [b"-1", b"-0.1", b"1e999", b"-1e999", b"9" * 400, b"9" * 5000, b'"1"']
)
@pytest.mark.parametrize("method", [NEXT, BEGIN, "nspd.Lookup"])
def test_durations_are_finite_and_not_negative(method: str, value: bytes) -> None:
    """A duration that is none is refused; numbers too great for a float count as infinite."""
    first = b'"lookup":1' if method == NEXT else b'"restrictions":{}'
    assert refusal(raw_line(b'{%b,"timeout":%b}' % (first, value), method)) == "$.params.timeout"


@pytest.mark.parametrize(
    ("text", "value"), [(b"0", 0.0), (b"3", 3.0), (b"2.5e-1", 0.25), (b"-0.0", 0.0)]
)
def test_durations_may_have_fractions(text: bytes, value: float) -> None:
    """Integers and fractions are durations alike."""
    got = request(raw_line(b'{"lookup":1,"timeout":%b}' % text, NEXT)).params.timeout
    assert got == value
    assert type(got) is float


@pytest.mark.parametrize(
    ("restrictions", "path"),
    [
        ('{"service_instance_name":null}', "service_instance_name"),
        ('{"blob":null}', "blob"),
        ('{"version":{"version":1,"how":null}}', "version.how"),
        ('{"addresses":[{"remote":null,"socket_type":1,"protocol":6}]}', "addresses[0].remote"),
        (
            '{"addresses":[{"remote":{"family":"inet6","host":"::1","port":1,"scope_id":null},'
            '"socket_type":1,"protocol":6}]}',
            "addresses[0].remote.scope_id",
        ),
        ('{"comment":"null","context":null}', "context"),
        ('{"bogus":1}', "bogus"),
        ('{"version":{"version":1,"how":"equal","bogus":1}}', "version.bogus"),
        ('{"version":{"version":1}}', "version.how"),
        ('{"namespace":"dns"}', "namespace"),
        ('{"provider_id":"5e1d"}', "provider_id"),
        (f'{{"provider_id":"{GUID}\\n"}}', "provider_id"),
        ('{"blob":"*"}', "blob"),
        (
            '{"protocols":[{"family":"inet","protocol":6},{"family":"ipx","protocol":0}]}',
            "protocols[1].family",
        ),
        (
            '{"addresses":[{"remote":{"family":"inet","host":"::1","port":1},'
            '"socket_type":1,"protocol":6}]}',
            "addresses[0].remote",
        ),
        (
            '{"addresses":[{"remote":{"family":"inet","host":"1.2.3.4","port":65536},'
            '"socket_type":1,"protocol":6}]}',
            "addresses[0].remote.port",
        ),
    ],
)
def test_a_fault_deep_in_a_query_set_is_named(restrictions: str, path: str) -> None:
    """Case 126: the path leads to the very member, and null is allowed nowhere in a query set."""
    params = f'{{"restrictions":{restrictions}}}'.encode()
    assert refusal(raw_line(params, BEGIN)) == f"$.params.restrictions.{path}"


def test_null_as_text_is_text() -> None:
    """Where "null" occurs in a string, or for a parameter that may be null, nothing is wrong."""
    got = request(line(BEGIN, {"restrictions": {"comment": "null"}, "timeout": None})).params
    assert (got.restrictions.comment, got.timeout) == ("null", None)


@pytest.mark.parametrize(
    ("params", "lookup"),
    [
        (b'{"lookup":1,"lookup":2}', 2),
        (b'{"lookup":"x","lookup":2}', 2),
        (b'{"lookup":null,"lookup":1,"lookup":2}', 2),
        (b'{"lookup":%b,"lookup":2}' % (b"9" * 5000), 2),
        (rb'{"lookup":1,"\u006cookup":2}', 2),
    ],
    ids=["two handles", "text first", "null first", "many digits first", "escaped name"],
)
def test_the_last_of_two_handles_wins(params: bytes, lookup: int) -> None:
    """Case 144: whatever the first one was."""
    assert request(raw_line(params)).params.lookup == lookup


def test_the_last_of_two_handles_is_the_one_refused() -> None:
    """Case 144: nor does a good one before it save a bad one."""
    assert refusal(raw_line(b'{"lookup":2,"lookup":"x"}')) == "$.params.lookup"


@pytest.mark.parametrize("params", [{}, {"bogus": 1}, {"client": 5}, {"protocol": 2}])
def test_another_protocol_version_is_the_first_thing_said(params: dict[str, Any]) -> None:
    """Case 81: with two faults at Startup the version is reported."""
    data = line("NSPv2Startup", {"protocol": 99, **params, **({"bogus": 1} if params else {})})
    if not params:
        assert request(data).params.protocol == 99
        return
    got = invalid(data)
    assert got.code == errors.WSAVERNOTSUPPORTED
    assert got.data == {"supported": [1, 1]}


@pytest.mark.parametrize(
    "params", [{"bogus": 1}, {"protocol": "x"}, {"protocol": True}, {"protocol": 1, "x": 1}]
)
def test_a_faulty_startup_of_this_version_is_a_shape_error(params: dict[str, Any]) -> None:
    """Only an integer can be another version."""
    refusal(line("NSPv2Startup", params))


def test_a_refused_call_tells_its_method() -> None:
    """So that a session error (case 150) can be answered before the shape is."""
    assert invalid(line(END, {})).method == END
    assert invalid(line("nspd.Nothing")).method is None


def test_what_is_quoted_is_bounded() -> None:
    """An error never echoes a whole long member."""
    got = invalid(line(END, {"x" * 100_000: 1}))
    assert got.data is not None
    assert len(got.detail) + len(got.data["path"]) < 1000


def test_methods_without_params_share_one_type() -> None:
    """They take an empty object and nothing else."""
    assert request(line("nspd.Status", {})).params == NoParams()


@quick
@given(params=json_values)
def test_any_params_are_taken_or_refused(params: object) -> None:
    """For no params is there anything but a request or an error for it."""
    for method in METHODS:
        (event,) = decode(line(method, params))
        assert isinstance(event, Request | Invalid)
        assert (event.id, event.notification) == (1, False)
