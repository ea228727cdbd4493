"""Whether a lookup may begin: its arguments, and the limits of users and daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nspd.core.provider import Query
from nspd.model import errors
from nspd.model.flags import LookupFlags, flags_of_query
from nspd.model.queryset import QuerySet, weight_within_limits

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.router import Router
    from nspd.core.session import Session

_BOTH_CONTAINER_FLAGS = int(LookupFlags.CONTAINERS | LookupFlags.NOCONTAINERS)


def admit(
    router: Router,
    session: Session,
    restrictions: QuerySet,
    control_flags: int,
    provider_id: str | None,
    policy: str,
    watch: bool,
) -> tuple[list[Entry], Query, int]:
    """Check the arguments and limits of a lookup: whom to ask, what, and what that weighs.

    Raises:
        WSAError: it is refused.
    """
    if router.draining:
        raise errors.NotReady("the daemon is going away")
    size = weight_within_limits(restrictions)
    if control_flags & _BOTH_CONTAINER_FLAGS == _BOTH_CONTAINER_FLAGS:
        raise errors.InvalidArgument("LUP_CONTAINERS and LUP_NOCONTAINERS exclude each other")
    if watch and policy == "first":
        raise errors.InvalidArgument('policy "first" cannot watch')
    if restrictions.provider_id is not None:
        provider_id = one_provider(provider_id, restrictions)
    entries = router.catalog.choose(
        provider_id, restrictions.namespace or 0, restrictions.service_instance_name
    )
    if watch and not any(entry.provider.watches for entry in entries):
        raise errors.NotSupported("no provider here reports changes")
    user = session.user
    if not session.peer.administrator:
        if user.lookups >= router.limits.lookups_per_user:
            raise errors.NotEnoughMemory("limits.lookups_per_user is reached")
        if user.bytes >= user.byte_limit:
            raise errors.NotEnoughMemory("limits.bytes_per_user is reached")
    if router.lookups >= router.limits.lookups:
        raise errors.NotEnoughMemory("limits.lookups is reached")
    query = Query(
        restrictions=_as_query(restrictions),
        control_flags=flags_of_query(control_flags),
        watch=watch,
        uid=user.uid,
    )
    return entries, query, size


def one_provider(provider_id: str | None, query_set: QuerySet) -> str | None:
    """The GUID given as parameter, as member, or not at all."""
    member = query_set.provider_id
    if provider_id is None or member is None:
        return provider_id or member
    if provider_id.lower() != member.lower():
        raise errors.InvalidArgument("provider_id and the query set name different providers")
    return provider_id


def _as_query(restrictions: QuerySet) -> QuerySet:
    """The restrictions without the members that mean nothing in a query."""
    if (
        restrictions.comment is None
        and restrictions.addresses is None
        and restrictions.output_flags is None
    ):
        return restrictions
    return msgspec.structs.replace(restrictions, comment=None, addresses=None, output_flags=None)
