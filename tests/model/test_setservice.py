"""The table of SetServiceEx, cell by cell, and what counts as the same address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.errors import NotSupported, ServiceNotFound
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import CsAddr, Family, QuerySet, SocketAddress, Version
from nspd.model.setservice import (
    Registered,
    State,
    apply,
    identity,
    usual_protocol,
    with_usual_protocol,
)

REGISTER, DEREGISTER, DELETE = ServiceOperation


def address(port: int, *, protocol: int = 6, socket_type: int = 1, host: str = "::1") -> CsAddr:
    """A transport address that differs from the others in its port."""
    return CsAddr(remote=SocketAddress.inet(host, port), socket_type=socket_type, protocol=protocol)


ONE, TWO, THREE = address(1), address(2), address(3)


def entry(*addresses: CsAddr, comment: str | None = None) -> QuerySet:
    """A registration of one name."""
    return QuerySet(service_instance_name="web", comment=comment, addresses=addresses or None)


def addresses(registered: Registered | None) -> tuple[CsAddr, ...]:
    """The addresses of an object that exists."""
    assert registered is not None
    return registered.entry.addresses or ()


@pytest.mark.parametrize("multiple", [False, True])
def test_register_creates_what_is_absent(multiple: bool) -> None:
    """REGISTER of a new name makes it, with the given addresses. Case 99."""
    made = apply(None, entry(ONE, TWO, comment="new"), REGISTER, multiple)
    assert made == Registered(entry(ONE, TWO, comment="new"), State.REGISTERED)


@pytest.mark.parametrize("state", State)
def test_register_replaces_the_whole_object(state: State) -> None:
    """REGISTER without MULTIPLE leaves nothing of what was there. Case 100."""
    before = Registered(entry(ONE, TWO, comment="old"), state)
    assert apply(before, entry(THREE), REGISTER, multiple=False) == Registered(entry(THREE))


def test_register_with_no_address_leaves_none() -> None:
    """REGISTER without MULTIPLE and without addresses gives a registered object that has none."""
    after = apply(Registered(entry(ONE)), entry(comment="no address"), REGISTER, multiple=False)
    assert after == Registered(entry(comment="no address"), State.REGISTERED)


def test_register_multiple_adds() -> None:
    """REGISTER with MULTIPLE adds addresses, each once, after those there are. Case 101."""
    twice = apply(Registered(entry(ONE)), entry(TWO), REGISTER, multiple=True)
    assert addresses(twice) == (ONE, TWO)
    assert apply(twice, entry(TWO, TWO, ONE), REGISTER, multiple=True) == twice


def test_register_multiple_updates_the_members_given() -> None:
    """REGISTER with MULTIPLE replaces the members that it gives and keeps the others."""
    before = Registered(
        QuerySet(
            service_instance_name="web",
            comment="old",
            version=Version(1, "equal"),
            blob=b"\0",
            addresses=(ONE,),
        )
    )
    after = apply(before, entry(comment="new"), REGISTER, multiple=True)
    assert after == Registered(
        QuerySet(
            service_instance_name="web",
            comment="new",
            version=Version(1, "equal"),
            blob=b"\0",
            addresses=(ONE,),
        )
    )


def test_register_multiple_revives() -> None:
    """REGISTER with MULTIPLE makes a deregistered object REGISTERED, even without addresses."""
    before = Registered(entry(), State.DEREGISTERED)
    assert apply(before, entry(ONE), REGISTER, multiple=True) == Registered(entry(ONE))
    assert apply(before, entry(), REGISTER, multiple=True) == Registered(entry())


def test_register_keeps_one_of_equal_addresses() -> None:
    """The addresses given are a set: the first of equal ones stays, in its place. Q23."""
    either = address(1, protocol=0)
    assert addresses(apply(None, entry(TWO, either, ONE, TWO), REGISTER, False)) == (TWO, either)


@pytest.mark.parametrize("given_addresses", [(), (ONE,), (THREE,)])
def test_deregister_removes_all_addresses(given_addresses: tuple[CsAddr, ...]) -> None:
    """DEREGISTER without MULTIPLE empties the object, whatever is given; it adds nothing. Q31."""
    before = Registered(entry(ONE, TWO, comment="kept"))
    after = apply(before, entry(*given_addresses, comment="void"), DEREGISTER, multiple=False)
    assert after == Registered(entry(comment="kept"), State.DEREGISTERED)


def test_deregister_multiple_removes_the_given() -> None:
    """DEREGISTER with MULTIPLE changes the state only when no address remains. Case 103."""
    half = apply(Registered(entry(ONE, TWO)), entry(ONE), DEREGISTER, multiple=True)
    assert half == Registered(entry(TWO), State.REGISTERED)
    assert apply(half, entry(TWO), DEREGISTER, multiple=True) == Registered(
        entry(), State.DEREGISTERED
    )


def test_delete_removes_the_object() -> None:
    """DELETE without MULTIPLE removes the object, whatever addresses are given. Case 105."""
    assert apply(Registered(entry(ONE, TWO)), entry(ONE), DELETE, multiple=False) is None


def test_delete_multiple_removes_the_given() -> None:
    """DELETE with MULTIPLE removes the object only when no address remains."""
    half = apply(Registered(entry(ONE, TWO)), entry(ONE), DELETE, multiple=True)
    assert half == Registered(entry(TWO), State.REGISTERED)
    assert apply(half, entry(TWO), DELETE, multiple=True) is None


@pytest.mark.parametrize("operation", [DEREGISTER, DELETE])
def test_addresses_not_there_are_passed_over(operation: ServiceOperation) -> None:
    """Removing addresses that the object does not have, or none at all, changes nothing. Q23."""
    before = Registered(entry(ONE, TWO))
    assert apply(before, entry(THREE), operation, multiple=True) == before
    assert apply(before, entry(), operation, multiple=True) == before


@pytest.mark.parametrize(
    ("operation", "after"),
    [(DEREGISTER, Registered(entry(), State.DEREGISTERED)), (DELETE, None)],
)
@pytest.mark.parametrize("state", State)
def test_an_object_without_addresses_has_none_left(
    operation: ServiceOperation, after: Registered | None, state: State
) -> None:
    """MULTIPLE with no addresses still marks or removes an object that has none. Q23."""
    assert apply(Registered(entry(), state), entry(), operation, multiple=True) == after


@pytest.mark.parametrize("multiple", [False, True])
@pytest.mark.parametrize("operation", [DEREGISTER, DELETE])
def test_absent_is_not_found(operation: ServiceOperation, multiple: bool) -> None:
    """DEREGISTER and DELETE of what does not exist: 10108. Case 104."""
    with pytest.raises(ServiceNotFound, match="web"):
        apply(None, entry(ONE), operation, multiple)


@pytest.mark.parametrize("operation", [3, -1])
def test_other_operations(operation: int) -> None:
    """An operation out of the table: 10045. Case 107."""
    with pytest.raises(NotSupported, match=str(operation)):
        apply(Registered(entry(ONE)), entry(ONE), operation, False)


@pytest.mark.parametrize(("registered", "removed"), [(0, 6), (6, 0), (0, 0), (6, 6)])
def test_any_matches_either_form(registered: int, removed: int) -> None:
    """An address with protocol 0 and one with the usual protocol are the same. Case 106, Q24."""
    before = Registered(entry(address(1, protocol=registered), TWO))
    after = apply(before, entry(address(1, protocol=removed)), DELETE, multiple=True)
    assert addresses(after) == (TWO,)


@pytest.mark.parametrize(
    "other",
    [
        address(1, protocol=17),
        address(1, protocol=0, socket_type=2),
        address(9),
        address(1, host="::2"),
        CsAddr(local=ONE.remote, socket_type=1, protocol=6),
        CsAddr(local=TWO.remote, remote=ONE.remote, socket_type=1, protocol=6),
    ],
)
def test_addresses_that_differ_in_anything_else(other: CsAddr) -> None:
    """Both sides, the socket type and a concrete protocol must be equal to match."""
    before = Registered(entry(ONE, comment="kept"))
    assert apply(before, entry(other), DELETE, multiple=True) == before


def test_hosts_count_by_value() -> None:
    """Two spellings of one address are equal, as a CSADDR_INFO holds no text."""
    assert identity(address(1)) == identity(address(1, host="0:0:0:0:0:0:0:1"))
    assert identity(address(1)) != identity(address(1, host="::ffff:0.0.0.1"))


@pytest.mark.parametrize(
    ("family", "socket_type", "protocol"),
    [
        ("inet", 1, 6),
        ("inet6", 1, 6),
        ("inet", 2, 17),
        (None, 2, 17),
        ("inet", 5, 0),
        ("inet", 0, 0),
        ("unix", 1, 0),
        (31, 1, 0),
    ],
)
def test_usual_protocol(family: Family | None, socket_type: int, protocol: int) -> None:
    """TCP and UDP are substituted where the family speaks them, and nothing elsewhere."""
    assert usual_protocol(family, socket_type) == protocol


def test_results_have_the_usual_protocol() -> None:
    """Protocol 0 is answered as the usual one; any other is left alone. Case 106."""
    assert with_usual_protocol(address(1, protocol=0)) == address(1, protocol=6)
    assert with_usual_protocol(address(1, protocol=132)) == address(1, protocol=132)
    path = CsAddr(remote=SocketAddress(family="unix", path="/run/x"), socket_type=1, protocol=0)
    assert with_usual_protocol(path) == path


_ADDRESSES = st.lists(
    st.builds(
        address,
        st.integers(1, 3),
        protocol=st.sampled_from([0, 6, 17]),
        socket_type=st.sampled_from([1, 2, 5]),
    ),
    max_size=5,
)


@given(_ADDRESSES, _ADDRESSES)
def test_adding_and_removing_are_opposites(first: list[CsAddr], second: list[CsAddr]) -> None:
    """What MULTIPLE adds and then removes leaves those before that were not among it."""
    before = apply(None, entry(*first), REGISTER, False)
    both = apply(before, entry(*second), REGISTER, True)
    after = apply(both, entry(*second), DEREGISTER, True)
    kept = [a for a in addresses(before) if identity(a) not in set(map(identity, second))]
    assert list(addresses(after)) == kept
    assert len(set(map(identity, addresses(both)))) == len(addresses(both))
