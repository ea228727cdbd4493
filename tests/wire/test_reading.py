"""Results are read tolerantly: a newer daemon may say more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nspd.model.queryset import AfProtocol, CsAddr, QuerySet, SocketAddress, Version
from nspd.wire.reading import ResultDecoder
from nspd.wire.results import LookupResult, StatusResult

NEW = {"later": [{"family": "inet"}, None]}

RECORD = {
    "service_instance_name": "a",
    "version": {"version": 3, "how": "equal", **NEW},
    "namespace": 11,
    "protocols": [{"family": "inet", "protocol": 6, **NEW}],
    "addresses": [
        {
            "remote": {"family": "inet6", "host": "::1", "port": 80, "scope_id": 2, **NEW},
            "socket_type": 1,
            "protocol": 6,
            **NEW,
        },
        {"local": {"family": 5, "data": "AAE="}, "socket_type": 2, "protocol": 17},
    ],
    "output_flags": 0,
    "blob": "eHl6",
    **NEW,
}
READ = QuerySet(
    service_instance_name="a",
    version=Version(3, "equal"),
    namespace=11,
    protocols=(AfProtocol("inet", 6),),
    addresses=(
        CsAddr(
            remote=SocketAddress(family="inet6", host="::1", port=80, scope_id=2),
            socket_type=1,
            protocol=6,
        ),
        CsAddr(local=SocketAddress(family=5, data=b"\0\1"), socket_type=2, protocol=17),
    ),
    output_flags=0,
    blob=b"xyz",
)


def read(kind: type[Any], value: object) -> Any:
    """The result that is this JSON value."""
    return ResultDecoder(kind).decode(msgspec.json.encode(value))


def test_unknown_members_of_a_record_are_let_pass_at_every_depth() -> None:
    """What is unknown is left out, all that is known is read; the type is that of any record."""
    found = read(QuerySet, RECORD)
    assert found == READ
    assert type(found) is QuerySet


def test_so_are_those_of_records_within_a_result() -> None:
    """The records of nspd.Lookup are read like those of NextEx."""
    result = read(LookupResult, {"results": [RECORD, RECORD], "verdicts": [], **NEW})
    assert result == LookupResult(results=(READ, READ), verdicts=())


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({**RECORD, "comment": 1}, r"\$\.comment"),
        ({**RECORD, "addresses": {"remote": None}}, r"\$\.addresses"),
        ({**RECORD, "version": [3]}, r"\$\.version"),
        ({**RECORD, "blob": "!"}, r"\$\.blob"),
        ([RECORD], "Expected `object`"),
        (None, "Expected `object`"),
    ],
)
def test_a_known_member_of_a_wrong_type_is_refused_all_the_same(wrong: object, path: str) -> None:
    """Tolerance is for what is new, not for what is wrong; the error names the member."""
    with pytest.raises(msgspec.ValidationError, match=path):
        read(QuerySet, wrong)


def test_an_address_that_does_not_fit_its_family_is_refused() -> None:
    """Beside an unknown member, too."""
    wrong = {**RECORD, "addresses": [{"remote": {"family": "inet", "host": "::1", "port": 0}}]}
    with pytest.raises(msgspec.ValidationError, match="not an inet address"):
        read(QuerySet, wrong)


def test_what_is_no_json_is_refused() -> None:
    """A result that breaks off is none."""
    with pytest.raises(msgspec.DecodeError, match="truncated"):
        ResultDecoder(QuerySet).decode(b'{"later": ')


def test_free_mappings_lose_nothing() -> None:
    """Where any member may stand, as in counters by name, none is unknown."""
    counts = {"first": 1, "later": 2}
    assert ResultDecoder(dict[str, int]).decode(msgspec.json.encode(counts)) == counts
    with pytest.raises(msgspec.ValidationError, match="version"):
        read(StatusResult, NEW)
