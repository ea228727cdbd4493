"""What the judge computes of the test namespace is what the provider gives."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nspd.model.flags import FIELD_BITS
from nspd.model.queryset import narrow
from nspd.providers.test.provider import record
from nspd.race.testrecords import number_of, of_another_lookup, plan_of, torn

TEST_ID = "5e1d0000-0000-4000-8000-000000010001"


def given(number: int, total: int = 700, size: int = 0, fields: int = FIELD_BITS) -> dict[str, Any]:
    """A record as it is on the wire."""
    whole = record("demo", number, total, size, TEST_ID, 65537)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(narrow(whole, fields)))
    return found


def asked(query_string: Any, **params: Any) -> dict[str, Any]:
    """The params of a Begin."""
    query = {"namespace": 65537, "service_instance_name": "demo", "query_string": query_string}
    return {"restrictions": query, **params}


@pytest.mark.parametrize("number", [1, 2, 253, 254, 255, 700])
@pytest.mark.parametrize("size", [0, 1, 250, 251, 1000, 5000])
def test_whole(number: int, size: int) -> None:
    """A record of the provider is whole, whatever its number and its size."""
    plan = plan_of(asked(f"records=700&size={size}"))
    assert torn(given(number, size=size), plan, number) == ""


@pytest.mark.parametrize("fields", [0x10, 0x40, 0x80, 0x100, 0x200, 0x3D0])
def test_narrowed(fields: int) -> None:
    """A record has what Begin or NextEx asked for, and its number is found where it can be."""
    record = given(3, size=8, fields=fields)
    at_begin = plan_of(asked("records=700&size=8", control_flags=fields))
    assert torn(record, at_begin, 3) == ""
    assert torn(record, plan_of(asked("records=700&size=8")), 3, fields) == ""
    tells = fields & 0xD0
    assert number_of(record) == (3 if tells else None)


@pytest.mark.parametrize(
    "member", ["service_instance_name", "version", "comment", "addresses", "blob", "context"]
)
def test_torn(member: str) -> None:
    """A member that is missing, or another record's, is named."""
    plan = plan_of(asked("records=700&size=8"))
    record = given(3, size=8)
    other = given(4, size=8)
    missing = {name: value for name, value in record.items() if name != member}
    assert torn(missing, plan, 3) == member
    if member != "context":
        assert torn({**record, member: other[member]}, plan, 3) == member
    assert torn({**record, "blob": "AA=="}, plan_of(asked("records=700")), 3) == "blob"


def test_of_another_lookup() -> None:
    """A record that is whole in itself is told from a torn one."""
    assert of_another_lookup(given(3, total=5))
    assert not of_another_lookup({**given(3), "comment": "record 4 of 700"})
    assert not of_another_lookup({})


def test_plan() -> None:
    """The script is read as the provider reads it, escapes too; what is no script is unknown."""
    plan = plan_of(asked("records=%32&hang=1&stubborn=0.5&shared=a+b", control_flags=0x10))
    assert (plan.total, plan.never_ends, plan.stubborn, plan.shared) == (2, True, 0.5, True)
    assert (plan.name, plan.fields) == ("demo", 0x10)
    unknown = [{}, {"restrictions": {"namespace": 11}}, asked("records=x"), asked(5)]
    assert [plan_of(params).total for params in unknown] == [None] * len(unknown)


def test_unknown_is_not_torn() -> None:
    """Of records whose script is not known, nothing is expected."""
    assert torn({"comment": "?"}, plan_of({}), 1) == ""
