"""The OpenRPC document."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from nspd.wire.openrpc import document
from nspd.wire.types import METHODS

DOCUMENT = document("1.2.3")
BY_NAME: dict[str, Any] = {method["name"]: method for method in DOCUMENT["methods"]}


def resolve(reference: str) -> Any:
    """What a reference within the document points to."""
    target: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def test_the_frame_of_the_document() -> None:
    """It has the members that OpenRPC requires, and is JSON."""
    assert re.fullmatch(r"1\.3\.\d+", DOCUMENT["openrpc"])
    assert (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"]) == ("nspd", "1.2.3")
    assert json.loads(msgspec.json.encode(DOCUMENT)) == DOCUMENT


def test_every_method_is_there_once() -> None:
    """The document lists the table, in its order."""
    assert [method["name"] for method in DOCUMENT["methods"]] == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_params_are_those_that_are_decoded(name: str) -> None:
    """By name, required ones first, each with a schema and its default."""
    params = BY_NAME[name]["params"]
    assert BY_NAME[name]["paramStructure"] == "by-name"
    fields = {field.name: field for field in msgspec.structs.fields(METHODS[name].params)}
    assert {param["name"] for param in params} == set(fields)
    required = [param["required"] for param in params]
    assert required == sorted(required, reverse=True)
    for param in params:
        field = fields[param["name"]]
        assert param["required"] == field.required
        if not field.required:
            assert param["schema"]["default"] == field.default


@pytest.mark.parametrize("name", METHODS)
def test_results_have_schemas(name: str) -> None:
    """Every method has a result, be it null."""
    result = BY_NAME[name]["result"]
    assert result["name"] == "result"
    assert result["schema"]
    assert (result["schema"] == {"type": "null"}) == (METHODS[name].result is None)


@pytest.mark.parametrize("name", METHODS)
def test_errors_are_those_of_the_table(name: str) -> None:
    """Each method refers to the errors that a call must expect."""
    found = [resolve(error["$ref"])["code"] for error in BY_NAME[name]["errors"]]
    assert len(found) == len(set(found))
    assert [code for code in found if code > 0] == list(METHODS[name].errors)
    assert -32602 in found


def test_every_reference_leads_somewhere() -> None:
    """And every schema that is there is used."""
    references = set(re.findall(r'"\$ref":\s*"(#[^"]+)"', json.dumps(DOCUMENT)))
    for reference in references:
        assert resolve(reference)
    named = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert named <= references


def test_a_query_set_has_no_nulls() -> None:
    """What the decoder refuses, the schema does not offer."""
    for shape in ("QuerySet", "CsAddr", "SocketAddress", "AfProtocol", "Version"):
        schema = DOCUMENT["components"]["schemas"][shape]
        assert '"null"' not in json.dumps(schema["properties"])
        assert schema["additionalProperties"] is False


def test_notifications_are_listed() -> None:
    """What the daemon sends unasked is described too."""
    listed = {entry["name"]: entry["params"] for entry in DOCUMENT["x-notifications"]}
    assert set(listed) == {"nspd.Event", "nspd.GoingAway"}
    assert [param["name"] for param in listed["nspd.GoingAway"]] == ["deadline"]
