"""What is checked of a SetServiceEx before it joins its session's queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nspd.core.admission import one_provider
from nspd.core.leveling import in_order
from nspd.core.provider import Change
from nspd.core.setting import Setting
from nspd.model import errors
from nspd.model.flags import SERVICE_MULTIPLE, ServiceOperation
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet, weight_within_limits

if TYPE_CHECKING:
    from nspd.core.outcome import Failure
    from nspd.core.router import Router
    from nspd.core.session import Session


def set_service(
    router: Router,
    session: Session,
    registration: QuerySet,
    operation: int,
    control_flags: int = 0,
    provider_id: str | None = None,
    visibility: str = "user",
    lifetime: str = "permanent",
    ttl: float | None = None,
    *,
    done: Callable[[Failure | None], None],
) -> None:
    """Check a change and put it behind those that this client sent before.

    ``done`` is called once, when the change is durable or has failed.

    Raises:
        WSAError: the change is refused at once; ``done`` is then not called.
    """
    if router.draining:
        raise errors.NotReady("the daemon is going away")
    peer = session.peer
    if not peer.may_register:
        raise errors.AccessDenied("this user may not register names (access.register)")
    if operation not in list(ServiceOperation):
        raise errors.NotSupported(f"there is no operation {operation}")
    if control_flags & ~SERVICE_MULTIPLE:
        raise errors.InvalidArgument(f"unknown flags {control_flags & ~SERVICE_MULTIPLE:#x}")
    weight_within_limits(registration)
    if not registration.service_instance_name:
        raise errors.InvalidArgument("a registration needs a service_instance_name")
    entries = router.catalog.choose(
        one_provider(provider_id, registration),
        registration.namespace or Namespace.ALL,
        registration.service_instance_name,
    )
    entries = [entry for entry in entries if entry.provider.registers]
    if not entries:
        raise errors.NotSupported("no provider here takes registrations")
    if not registration.namespace and len(entries) > 1:
        # Whose names are others refuses this one, and would hide why it was not made.
        entries = in_order(entries, 0, registration.service_instance_name) or entries
    machine = visibility == "machine"
    if machine and not peer.may_machine:
        raise errors.AccessDenied(
            "this user may not register for the machine (access.register_machine)"
        )
    change = Change(
        registration=registration,
        operation=operation,
        multiple=bool(control_flags & SERVICE_MULTIPLE),
        machine=machine,
        uid=peer.uid,
        administrator=peer.administrator,
        session=session.id if lifetime == "session" else None,
        ttl=ttl,
        limit=None if peer.administrator else router.limits.registrations_per_user,
    )
    session.enqueue(Setting(entries, change, done))
