"""Query sets: their shape as JSON, their bounds, and what is left of them by field bits."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest

from nspd.model.errors import InvalidArgument
from nspd.model.flags import LookupFlags
from nspd.model.queryset import (
    SIZE_LIMITS,
    AfProtocol,
    CsAddr,
    QuerySet,
    SocketAddress,
    Version,
    is_service_query,
    narrow,
    oversized_member,
    reserve_service,
    weight,
    weight_within_limits,
)

INET = SocketAddress.inet("192.0.2.1", 80)
INET6 = SocketAddress.inet("2001:db8::1", 80)
FULL = QuerySet(
    service_instance_name="a",
    version=Version(1, "equal"),
    comment="c",
    namespace=12,
    provider_id="5e1d0000-0000-4000-8000-00000000000c",
    context="",
    protocols=(AfProtocol("inet", 6),),
    query_string="q",
    addresses=(CsAddr(local=INET, remote=INET6, socket_type=1, protocol=6),),
    output_flags=0,
    blob=b"b",
)


def test_json_and_back() -> None:
    """A query set is the same after a trip as JSON, and what is absent is not sent."""
    assert msgspec.json.decode(msgspec.json.encode(FULL), type=QuerySet) == FULL
    assert json.loads(msgspec.json.encode(QuerySet(context=""))) == {"context": ""}


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", "inet"), ("2001:db8::1", "inet6"), ("::", "inet6")]
)
def test_the_family_follows_from_the_literal(host: str, family: Literal["inet", "inet6"]) -> None:
    """IPv6 literals have a colon."""
    assert SocketAddress.inet(host, 5) == SocketAddress(family=family, host=host, port=5)


@pytest.mark.parametrize(
    "members",
    [
        {"family": "inet", "host": "192.0.2.1", "port": 0},
        {"family": "inet6", "host": "fe80::1", "port": 65535, "scope_id": 3},
        {"family": "unix", "path": "/run/a"},
        {"family": 40, "data": "AAE="},
    ],
)
def test_socket_addresses(members: dict[str, object]) -> None:
    """Each family has its members, and they are sent as they came."""
    address = msgspec.json.decode(json.dumps(members), type=SocketAddress)
    assert json.loads(msgspec.json.encode(address)) == members


@pytest.mark.parametrize(
    "members",
    [
        {"family": "inet", "host": "192.0.2.1"},
        {"family": "inet", "port": 1},
        {"family": "inet", "host": "192.0.2.1", "port": 1, "scope_id": 1},
        {"family": "inet", "host": "192.0.2.1", "port": 1, "path": "/"},
        {"family": "inet", "host": "2001:db8::1", "port": 1},
        {"family": "inet", "host": "example.com", "port": 1},
        {"family": "inet", "host": "192.0.2.1\x00", "port": 1},
        {"family": "inet6", "host": "192.0.2.1", "port": 1},
        {"family": "inet6", "host": "::1", "port": -1},
        {"family": "inet6", "host": "::1", "port": 65536},
        {"family": "inet6", "host": "::1", "port": 1, "scope_id": 2**32},
        {"family": "unix"},
        {"family": "unix", "path": "/", "port": 1},
        {"family": 2, "host": "192.0.2.1", "port": 1},
        {"family": 40},
        {"family": "ipx", "data": ""},
    ],
)
def test_socket_addresses_that_are_none(members: dict[str, object]) -> None:
    """Members that do not fit the family, or each other, are refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(members), type=SocketAddress)


UNITS: dict[str, Any] = {
    "protocols": (AfProtocol("inet", 6),),
    "addresses": (CsAddr(socket_type=1, protocol=6),),
    "blob": b"x",
}
"""One element, byte or character of each sized member; those not here are texts."""


@pytest.mark.parametrize("member", SIZE_LIMITS)
def test_size_limits(member: str) -> None:
    """A member may be as large as its limit, and not larger."""
    unit = UNITS.get(member, "ä")
    for count, expected in ((SIZE_LIMITS[member], None), (SIZE_LIMITS[member] + 1, member)):
        value = unit * count
        assert oversized_member(msgspec.structs.replace(FULL, **{member: value})) == expected


@pytest.mark.parametrize("others", [QuerySet(), FULL])
@pytest.mark.parametrize("member", SIZE_LIMITS)
def test_what_is_too_large_has_no_weight(member: str, others: QuerySet) -> None:
    """However little the other members hold; at its limit each of them passes."""
    unit, most = UNITS.get(member, "ä"), SIZE_LIMITS[member]
    within = msgspec.structs.replace(others, **{member: unit * most})
    assert weight_within_limits(within) == weight(within)
    with pytest.raises(InvalidArgument, match=f"{member} is too large"):
        weight_within_limits(msgspec.structs.replace(others, **{member: unit * (most + 1)}))


def test_nothing_is_no_size() -> None:
    """Absent members are within their limits."""
    assert oversized_member(QuerySet()) is None
    assert weight_within_limits(QuerySet()) == weight(QuerySet())


def test_all_fields_leave_a_record_as_it_is() -> None:
    """The very object: a record that many lookups share is not copied."""
    assert narrow(FULL, LookupFlags.RETURN_ALL) is FULL


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (LookupFlags.RETURN_NAME, {"service_instance_name"}),
        (LookupFlags.RETURN_VERSION, {"version"}),
        (LookupFlags.RETURN_COMMENT, {"comment"}),
        (LookupFlags.RETURN_ADDR, {"addresses"}),
        (LookupFlags.RETURN_BLOB, {"blob"}),
        (LookupFlags.RETURN_QUERY_STRING, {"query_string"}),
        (LookupFlags.RETURN_NAME | LookupFlags.RETURN_BLOB, {"service_instance_name", "blob"}),
        (0, set()),
    ],
)
def test_narrowing(fields: int, kept: set[str]) -> None:
    """Case 33: each field bit keeps its member; those without a bit always stay."""
    always = {"namespace", "provider_id", "context", "output_flags", "protocols"}
    narrowed = narrow(FULL, fields)
    assert {m for m in QuerySet.__struct_fields__ if getattr(narrowed, m) is not None} == (
        kept | always
    )


def test_weight_grows_with_what_is_held() -> None:
    """It counts text, blob, addresses and protocols."""
    light = weight(QuerySet())
    assert weight(QuerySet(comment="x" * 1000)) >= light + 1000
    assert weight(QuerySet(blob=b"x" * 1000)) >= light + 1000
    assert weight(FULL) > light + len(FULL.addresses or ()) * 100


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [(None, False), ("", False), ("MX", False), ("imaps/tcp", True), ("SIP/UDP", True)],
)
def test_service_queries(query_string: str | None, expected: bool) -> None:
    """A service is asked for by its name and transport."""
    assert is_service_query(QuerySet(query_string=query_string)) is expected


def test_reserving_exchanges_local_and_remote() -> None:
    """LUP_RES_SERVICE: the address to reach becomes the address to bind."""
    exchanged = reserve_service(FULL).addresses
    assert exchanged == (CsAddr(local=INET6, remote=INET, socket_type=1, protocol=6),)
    bare = QuerySet(comment="c")
    assert reserve_service(bare) is bare
