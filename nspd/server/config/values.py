"""One setting: which there are, and a value of it in its own type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from nspd.core.limits import Limits
from nspd.model.namespaces import fixed_guid
from nspd.server.config.report import nearest
from nspd.server.durations import parse_duration
from nspd.server.settings import (
    AccessSettings,
    DaemonSettings,
    LogSettings,
    MetricsSettings,
    ProviderSettings,
)

SettingKey = tuple[str, str]
"""Section and key of a setting outside the list of providers."""

SECTIONS: Mapping[str, type[Struct]] = {
    "daemon": DaemonSettings,
    "limits": Limits,
    "access": AccessSettings,
    "log": LogSettings,
    "metrics": MetricsSettings,
}
PROVIDER_SECTION = "provider"
PROVIDER_KEYS = tuple(name for name in ProviderSettings.__struct_fields__ if name != "options")
"""What every ``[[provider]]`` may say, whatever its kind."""

ENVIRONMENT: Mapping[str, SettingKey] = {
    f"NSPD_{section}_{key}".upper(): (section, key)
    for section, kind in SECTIONS.items()
    for key in kind.__struct_fields__
}
"""The environment variable of each setting, beside the short ``NSPD_SOCKET``."""

# Values that stand for the required members while one key is converted alone.
_REQUIRED: Mapping[type[Struct], Mapping[str, Any]] = {
    DaemonSettings: {"socket": "/", "state_dir": "/"},
    ProviderSettings: {
        "kind": "-",
        "identifier": "-",
        "provider_id": fixed_guid(0),
        "namespace": 1,
    },
}


def convert_key(kind: type[Struct], key: str, value: Any, *, is_text: bool = False) -> Any:
    """The value of one setting in its own type.

    Args:
        kind: the type of the section.
        key: a key of that section.
        value: as TOML gives it; with `is_text`, as the environment does.
        is_text: read numbers and truth values from text, and lists split at commas.

    Raises:
        ValueError: it has a wrong type or an impossible value.
    """
    annotation = next(f.type for f in msgspec.structs.fields(kind) if f.name == key)
    plain = _prepared(value, annotation, is_text=is_text)
    if get_origin(annotation) is Literal and plain not in get_args(annotation):
        raise ValueError(f"Expected {_choice(get_args(annotation))}, not {plain!r}")
    whole = msgspec.convert({**_REQUIRED.get(kind, {}), key: plain}, kind, strict=not is_text)
    return getattr(whole, key)


def convert_option(value: Any, annotation: Any) -> Any:
    """The value of a provider's option in the type that its constructor names.

    Raises:
        ValueError: it has a wrong type or an impossible value.
    """
    return msgspec.convert(_prepared(value, annotation, is_text=False), annotation)


def nearest_section(name: str) -> str:
    """What an unknown name at the top of a file may have meant: a section, or a key of one."""
    for section, kind in SECTIONS.items():
        if name in kind.__struct_fields__:
            return f"{section}.{name}"
    return nearest(name, [*SECTIONS, PROVIDER_SECTION])


def nearest_setting(section: str, key: str) -> str:
    """What an unknown key may have meant: that very key of another section, or one of this."""
    for other, kind in SECTIONS.items():
        if key in kind.__struct_fields__:
            return f"{other}.{key}"
    return f"{section}.{nearest(key, SECTIONS[section].__struct_fields__)}"


def _prepared(value: Any, annotation: Any, *, is_text: bool) -> Any:
    """The value as msgspec expects it: durations in seconds, lists as lists."""
    types = set(_leaves(annotation))
    if float in types:
        if isinstance(value, str) and str not in types:
            value = parse_duration(value)
        if isinstance(value, float) and not isfinite(value):
            raise ValueError("a duration is a finite number of seconds")
    elif is_text and tuple in types:
        value = [part.strip() for part in value.split(",") if part.strip()]
    return value


def _choice(values: Sequence[str]) -> str:
    *others, last = (f'"{value}"' for value in values)
    return f"{', '.join(others)} or {last}"


def _leaves(annotation: Any) -> Iterable[Any]:
    """The plain types in an annotation, looking through Annotated and unions."""
    origin = get_origin(annotation)
    if origin in (tuple, list, Literal):
        yield origin
    elif origin is None:
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _leaves(part)
