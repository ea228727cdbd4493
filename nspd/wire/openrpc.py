"""The OpenRPC document of the protocol, made from the types that decode it."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Any

import msgspec

from nspd.model.errors import error_name
from nspd.model.queryset import AfProtocol, CsAddr, QuerySet, SocketAddress
from nspd.wire.encode import JSON_RPC_MESSAGES
from nspd.wire.types import METHODS, NOTIFICATIONS, Method

OPENRPC_VERSION = "1.3.2"

Schema = dict[str, Any]

_SHAPES_WITHOUT_NULL = (QuerySet, CsAddr, SocketAddress, AfProtocol)


@cache
def document(version: str) -> Schema:
    """The OpenRPC document, ready to be encoded; made once, for that takes long. Not to be changed.

    Beside what OpenRPC defines, methods have ``x-waiting``, ``x-needs-reply`` and
    ``x-admin``, and ``x-notifications`` lists what the daemon sends unasked.

    Args:
        version: of nspd.
    """
    methods = list(METHODS.values())
    params_types = {method.params for method in methods} | set(NOTIFICATIONS.values())
    results = [method.result for method in methods if method.result is not None]
    schemas, components = msgspec.json.schema_components(
        [*results, *params_types], ref_template="#/components/schemas/{name}"
    )
    result_schemas = dict(zip(results, schemas[: len(results)], strict=True))
    for component in components.values():
        component["description"] = cleandoc(component["description"])
    for shape in _SHAPES_WITHOUT_NULL:
        _forbid_null(components[shape.__name__])
    inlined = {params: components.pop(params.__name__) for params in params_types}
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "nspd",
            "version": version,
            "description": "Name lookups as cancellable handles: JSON-RPC 2.0, one message a line.",
            "license": {"name": "MIT"},
        },
        "methods": [
            _describe(
                method,
                inlined[method.params],
                result_schemas.get(method.result, {"type": "null"}),
            )
            for method in methods
        ],
        "components": {"schemas": components, "errors": _errors(methods)},
        "x-notifications": [
            {"name": name, "params": _descriptors(inlined[params])}
            for name, params in NOTIFICATIONS.items()
        ],
    }


def _describe(method: Method, params: Schema, result: Schema) -> Schema:
    codes = (*JSON_RPC_MESSAGES, *method.errors)
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": _descriptors(params),
        "result": {"name": "result", "schema": result},
        "errors": [{"$ref": f"#/components/errors/{_error_key(code)}"} for code in codes],
        "x-waiting": method.waiting,
        "x-needs-reply": method.needs_reply,
        "x-admin": method.admin,
    }


def _descriptors(params: Schema) -> list[Schema]:
    required = params.get("required", [])
    # Required ones must come first.
    return sorted(
        (
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in params["properties"].items()
        ),
        key=lambda descriptor: not descriptor["required"],
    )


def _forbid_null(component: Schema) -> None:
    # Where the type says None, a message must leave the member out.
    for name, schema in component["properties"].items():
        if "anyOf" not in schema:
            continue
        choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        component["properties"][name] = choices[0] if len(choices) == 1 else {"anyOf": choices}


def _errors(methods: list[Method]) -> Schema:
    codes = {code for method in methods for code in method.errors}
    return {
        _error_key(code): {"code": code, "message": _message(code)}
        for code in (*JSON_RPC_MESSAGES, *sorted(codes))
    }


def _error_key(code: int) -> str:
    return "".join(word[0].upper() + word[1:] for word in _message(code).split())


def _message(code: int) -> str:
    return JSON_RPC_MESSAGES.get(code) or error_name(code)
