"""Native size, against layouts worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.model.native import native_size
from nspd.model.queryset import AfProtocol, CsAddr, QuerySet, SocketAddress, Version

GUID = "5e1d0000-0000-4000-8000-00000000000b"
INET = SocketAddress.inet("192.0.2.1", 80)
INET6 = SocketAddress.inet("2001:db8::1", 80)
UNIX = SocketAddress(family="unix", path="/run/a")
OTHER = SocketAddress(family=40, data=b"12345")


def address(local: SocketAddress | None = None, remote: SocketAddress | None = None) -> CsAddr:
    """A stream address."""
    return CsAddr(local=local, remote=remote, socket_type=1, protocol=6)


@pytest.mark.parametrize(
    ("record", "size"),
    [
        pytest.param(QuerySet(), 112, id="nothing but the fixed part"),
        pytest.param(QuerySet(namespace=12, output_flags=1), 112, id="numbers are in it"),
        pytest.param(QuerySet(service_instance_name=""), 114, id="empty text"),
        pytest.param(QuerySet(service_instance_name="abc"), 120, id="text and terminator"),
        pytest.param(QuerySet(comment="ä€"), 118, id="one unit each"),
        pytest.param(QuerySet(context="\U0001f600"), 118, id="a surrogate pair"),
        # 112 + 4 = 116, 8 at 116
        pytest.param(
            QuerySet(service_instance_name="a", version=Version(1, "equal")),
            124,
            id="version needs no padding",
        ),
        # 112 + 2 = 114, to 116, 8
        pytest.param(
            QuerySet(service_instance_name="", version=Version(1, "equal")),
            124,
            id="version after padding",
        ),
        # 112 + 2 = 114, to 116, 16
        pytest.param(QuerySet(comment="", provider_id=GUID), 132, id="guid after padding"),
        # 112 + 2 = 114, to 116, 2 * 8
        pytest.param(
            QuerySet(context="", protocols=(AfProtocol("inet", 6), AfProtocol("inet6", 6))),
            132,
            id="protocols after padding",
        ),
        pytest.param(QuerySet(protocols=(), addresses=()), 112, id="empty lists take nothing"),
        # 112, 40, 16
        pytest.param(QuerySet(addresses=(address(remote=INET),)), 168, id="inet"),
        # 112, 40, 28
        pytest.param(QuerySet(addresses=(address(local=INET6),)), 180, id="inet6"),
        # 112, 40, 110, to 264, 16
        pytest.param(QuerySet(addresses=(address(UNIX, INET),)), 280, id="unix, then inet"),
        # 112, 40, 2 + 5
        pytest.param(QuerySet(addresses=(address(remote=OTHER),)), 159, id="a raw address"),
        # 112, 3 * 40, 7, to 240, 28, 16
        pytest.param(
            QuerySet(addresses=(address(OTHER, INET6), address(), address(INET))),
            284,
            id="all entries come before their socket addresses",
        ),
        # 112 + 2 = 114, to 120, 40
        pytest.param(QuerySet(query_string="", addresses=(address(),)), 160, id="entry after text"),
        # 112, 16, 3
        pytest.param(QuerySet(blob=b"123"), 131, id="blob without padding at its end"),
        pytest.param(QuerySet(blob=b""), 128, id="empty blob"),
        # 112 + 2 = 114, to 120, 16, 1
        pytest.param(QuerySet(query_string="", blob=b"1"), 137, id="blob after padding"),
        # name 112..118, version 120..128, comment ..132, guid ..148, context ..150,
        # protocols 152..160, query string ..166, addresses 168..208, inet ..224,
        # inet6 ..252, blob 256..272 and 2 bytes
        pytest.param(
            QuerySet(
                service_instance_name="ab",
                version=Version(1, "equal"),
                comment="c",
                namespace=12,
                provider_id=GUID,
                context="",
                protocols=(AfProtocol("inet", 6),),
                query_string="qs",
                addresses=(address(INET, INET6),),
                output_flags=0,
                blob=b"12",
            ),
            274,
            id="everything",
        ),
    ],
)
def test_hand_computed_layouts(record: QuerySet, size: int) -> None:
    """Case 30: the size is exact, part by part, in member order."""
    assert native_size(record) == size


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(
    name=st.text(max_size=5),
    blob=st.binary(max_size=9),
    addresses=st.lists(st.sampled_from([address(UNIX), address(INET, INET6), address()])),
)
def test_more_never_takes_less(name: str, blob: bytes, addresses: list[CsAddr]) -> None:
    """Every part that is added adds at least its own bytes."""
    bare = native_size(QuerySet(service_instance_name=name))
    with_addresses = QuerySet(service_instance_name=name, addresses=tuple(addresses))
    whole = QuerySet(service_instance_name=name, addresses=tuple(addresses), blob=blob)
    assert native_size(with_addresses) >= bare + 40 * len(addresses)
    assert native_size(whole) >= native_size(with_addresses) + 16 + len(blob)
