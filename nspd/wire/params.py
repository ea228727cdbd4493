"""What each method of the protocol takes, as types.

Decoding is strict: a member that is unknown, missing or of another type is
refused. Durations are seconds; JSON cannot say "infinite", and the decoder
refuses numbers that no float can hold, so each duration is finite.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Guid
from nspd.model.queryset import QuerySet

PROTOCOL_VERSION = 1
"""The protocol version spoken, and assumed where a client names none."""

SUPPORTED_VERSIONS = (1, 1)
"""The lowest and the highest protocol version that the daemon speaks."""

RETURN_ALL = int(LookupFlags.RETURN_ALL)

Duration = Annotated[float, Meta(ge=0, description="seconds")]
Bytes = Annotated[int, Meta(ge=0, description="bytes")]
Count = Annotated[int, Meta(ge=0)]
Policy = Literal["all", "first"]
Visibility = Literal["user", "machine"]
Lifetime = Literal["permanent", "session"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class Params(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Base of all params. They hold values only, so the garbage collector need not look."""


class NoParams(Params, frozen=True, kw_only=True):
    """The params of a method that takes none."""


class StartupParams(Params, frozen=True, kw_only=True):
    """NSPv2Startup."""

    protocol: int = PROTOCOL_VERSION
    client: Annotated[str, Meta(max_length=256)] | None = None
    """Who calls, as "name/version"; shown to operators."""
    cancel_on_begin: bool = False
    """Begin ends those lookups of the session on which a NextEx waits."""


class BeginParams(Params, frozen=True, kw_only=True):
    """NSPv2LookupServiceBegin."""

    restrictions: QuerySet
    control_flags: int = RETURN_ALL
    provider_id: Guid | None = None
    policy: Policy = "all"
    watch: bool = False
    timeout: Duration | None = None
    """The budget of the whole lookup."""


class NextExParams(Params, frozen=True, kw_only=True):
    """NSPv2LookupServiceNextEx."""

    lookup: int
    control_flags: int = 0
    buffer_length: Bytes | None = None
    """Room that the caller has for the record in native form; None: any."""
    timeout: Duration | None = None
    """How long this one call may wait."""


class EndParams(Params, frozen=True, kw_only=True):
    """NSPv2LookupServiceEnd and nspd.EndLookup."""

    lookup: int


class LookupParams(Params, frozen=True, kw_only=True):
    """nspd.Lookup."""

    restrictions: QuerySet
    control_flags: int = RETURN_ALL
    provider_id: Guid | None = None
    policy: Policy = "all"
    timeout: Duration | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    """Records after which to stop."""


class ExplainParams(LookupParams, frozen=True, kw_only=True):
    """nspd.Explain."""


class CancelParams(Params, frozen=True, kw_only=True):
    """$/cancelRequest."""

    id: int | str


class SetServiceParams(Params, frozen=True, kw_only=True):
    """NSPv2SetServiceEx."""

    registration: QuerySet
    operation: int
    control_flags: int = 0
    provider_id: Guid | None = None
    visibility: Visibility = "user"
    lifetime: Lifetime = "permanent"
    ttl: Duration | None = None
    """How long the registration holds unless it is renewed."""


class EnableProviderParams(Params, frozen=True, kw_only=True):
    """WSCEnableNSProvider."""

    provider_id: Guid
    enable: bool


class WriteOrderParams(Params, frozen=True, kw_only=True):
    """WSCWriteNameSpaceOrder."""

    provider_ids: tuple[Guid, ...]


class ShowCacheParams(Params, frozen=True, kw_only=True):
    """nspd.ShowCache."""

    name: Annotated[str, Meta(max_length=1024)] | None = None
    """Only what was asked for by this name."""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    """Entries after which to stop."""


class SetLogLevelParams(Params, frozen=True, kw_only=True):
    """nspd.SetLogLevel."""

    level: LogLevel


class TestGateParams(Params, frozen=True, kw_only=True):
    """nspd.TestGate."""

    gate: str
    tokens: Count
