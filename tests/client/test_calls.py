from __future__ import annotations

import math

import pytest
from msgspec import Raw

from nspd.client import calls
from nspd.client.faults import RemoteProtocolError
from nspd.model.errors import InvalidArgument
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from nspd.wire.params import SetServiceParams


def test_single_members_win_over_a_query_set() -> None:
    """A name given beside a query set replaces its name and leaves the rest."""
    query = QuerySet(service_instance_name="a", comment="c", namespace=11)
    merged = calls.restrictions(query, "b", None, "MX")
    assert merged == QuerySet(
        service_instance_name="b", comment="c", namespace=11, query_string="MX"
    )
    assert calls.restrictions(query, None, None, None) is query
    assert calls.restrictions(None, None, 12, None) == QuerySet(namespace=12)


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
def test_a_duration_must_be_finite_and_not_negative(seconds: float) -> None:
    """JSON would turn what is not finite into null, which means "for ever"."""
    with pytest.raises(InvalidArgument, match="duration"):
        calls.next_ex(7, 0, None, seconds)


def test_an_address_may_be_host_and_port() -> None:
    """A pair registers a TCP service at that address; a complete address is taken as it is."""
    complete = CsAddr(local=SocketAddress.inet("::1", 53), socket_type=2, protocol=17)
    call = calls.change(ServiceOperation.REGISTER, "a", [("192.0.2.1", 80), complete])
    assert isinstance(call.params, SetServiceParams)
    pair = CsAddr(remote=SocketAddress.inet("192.0.2.1", 80), socket_type=1, protocol=6)
    assert call.params.registration.addresses == (pair, complete)
    with pytest.raises(InvalidArgument, match="not an inet address"):
        calls.change(ServiceOperation.REGISTER, "a", [("example", 80)])


def test_a_result_of_another_shape_is_a_fault_of_the_daemon() -> None:
    """What cannot be read is a WSAError too, so that one `except` catches all."""
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        calls.end(7).convert(Raw(b'{"cancelled": "one"}'))


def test_a_result_that_is_too_deep_is_a_fault_of_the_daemon() -> None:
    """A member that nobody knows cannot make a client fail in another way than by WSAError."""
    deep = b'{"later":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        calls.record_of(Raw(deep))
