"""What register, deregister and delete have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nspd.cli._addresses import address_param
from nspd.cli._options import Settings
from nspd.cli._params import complete_namespace, namespace_param, provider_guid
from nspd.cli._text import counted
from nspd.model.flags import SERVICE_MULTIPLE, ServiceOperation
from nspd.model.namespaces import namespace_name
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd import Client
    from nspd.wire.params import Lifetime

_Function = TypeVar("_Function", bound=Callable[..., Any])

_DONE = {
    ServiceOperation.REGISTER: "registered",
    ServiceOperation.DEREGISTER: "deregistered",
    ServiceOperation.DELETE: "deleted",
}


def object_options(function: _Function) -> _Function:
    """Add the options that say which object is meant, and which of its addresses."""
    options = (
        click.option(
            "--address",
            "-a",
            type=address_param,
            multiple=True,
            metavar="ADDRESS",
            help="What a client reaches: tcp:HOST:PORT, udp:[HOST]:PORT, unix:/PATH. Repeatable.",
        ),
        click.option(
            "--bind",
            type=address_param,
            multiple=True,
            metavar="ADDRESS",
            help="What the service binds: the first belongs to the first --address, and so on.",
        ),
        click.option(
            "--namespace",
            "-n",
            type=namespace_param,
            metavar="NAME|N",
            shell_complete=complete_namespace,
            default="registry",
            show_default=True,
            help="The namespace that holds the name.",
        ),
        click.option("--provider", metavar="GUID|NAME", help="The provider that holds the name."),
        click.option("--context", metavar="TEXT", help="Where in the namespace the name is."),
        click.option(
            "--machine", is_flag=True, help="The name that every user sees, not only you."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def change(
    settings: Settings,
    client: Client,
    registration: QuerySet,
    operation: ServiceOperation,
    *,
    multiple: bool,
    machine: bool,
    provider: str | None,
    lifetime: Lifetime = "permanent",
    ttl: float | None = None,
) -> None:
    """Carry out one SetServiceEx and say so.

    Raises:
        WSAError: the change was not made.
    """
    settings.subject = registration.service_instance_name
    client.set_service(
        registration,
        operation,
        control_flags=SERVICE_MULTIPLE if multiple else 0,
        provider_id=provider_guid(client, provider),
        visibility="machine" if machine else "user",
        lifetime=lifetime,
        ttl=ttl,
    )
    done = _DONE[operation]
    what = f'"{registration.service_instance_name}"'
    if registration.addresses:
        if operation is not ServiceOperation.REGISTER:
            done = "withdrew"
        number = counted(len(registration.addresses), "address")
        what = (
            f"{what} with {number}"
            if operation is ServiceOperation.REGISTER
            else f"{number} of {what}"
        )
    where = namespace_name(registration.namespace or 0)
    settings.output.done(
        f"{done} {what} in {where}",
        {
            "operation": operation.name.lower(),
            "multiple": multiple,
            "visibility": "machine" if machine else "user",
            "registration": registration,
        },
    )
