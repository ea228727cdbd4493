"""What a lookup is to ask for: the options of the verbs that look up, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct

from nspd.cli._params import (
    complete_flags,
    complete_namespace,
    flags_param,
    namespace_param,
)
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd.wire.params import Policy

_F = TypeVar("_F", bound=Callable[..., Any])

NAME = click.argument("name", required=False)
"""What `wanted` takes first; it may be left out where the options of `ASKED` ask for something."""

NO_NAME = "(no name)"
"""What is shown in the place of a name that is not there."""

NAMESPACE = click.option(
    "--namespace",
    "-n",
    type=namespace_param,
    metavar="NAME|N",
    shell_complete=complete_namespace,
    help="Ask this namespace only.",
)
_PROVIDER = click.option("--provider", metavar="GUID|NAME", help="Ask this provider only.")
_POLICY = click.option(
    "--policy",
    type=click.Choice(["all", "first"]),
    default="all",
    show_default=True,
    help="Ask all providers at once, or one after the other until one has answered.",
)
_EVERYBODY = click.option(
    "--all",
    "-a",
    "everybody",
    is_flag=True,
    help="Ask all namespaces, and in them the providers without authority as well.",
)
_TYPE = click.option(
    "--type",
    "-t",
    "record_type",
    metavar="TYPE",
    help="What of the name: a DNS record type (MX, TXT, ...), or a service (imaps/tcp).",
)
_QUERY_STRING = click.option(
    "--query-string", metavar="TEXT", help="What the provider is told beside the name."
)
_CONTEXT = click.option("--context", metavar="TEXT", help="Where in the namespace to begin.")
_FLAGS = click.option(
    "--flags",
    type=flags_param,
    metavar="FLAGS",
    shell_complete=complete_flags,
    default="return_all",
    show_default=True,
    help="LUP_* flags: a number, or names such as return_addr,flushcache.",
)
_LIMIT = click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N records."
)
_STRICT = click.option("--strict", is_flag=True, help="Exit 8 if a provider's part may be missing.")
_VERBOSE = click.option(
    "--verbose", "-v", is_flag=True, help="Show what became of each provider asked."
)

_NOTHING_ASKED = (
    "nothing is asked for: give NAME, or one of --namespace, --provider, --type, "
    "--query-string, --context and --flags return_preferred_names"
)

ASKED = (
    *(NAMESPACE, _PROVIDER, _POLICY, _EVERYBODY),
    *(_TYPE, _QUERY_STRING, _CONTEXT, _FLAGS, _LIMIT),
)
"""The options that say what is asked, and whom; `wanted` takes them."""

SHOWN = (_STRICT, _VERBOSE)
"""The options that say what is shown of the answer, and what counts as one."""

WHOM = (_PROVIDER, _POLICY, _LIMIT)
"""The options of verbs that know themselves what to ask for."""


def options(*of: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """A decorator that gives a command these options, in this order."""

    def decorate(command: _F) -> _F:
        for option in reversed(of):
            command = option(command)
        return command

    return decorate


class Wanted(Struct, frozen=True, kw_only=True):
    """What a command line asks the daemon for."""

    restrictions: QuerySet
    provider: str | None = None
    """A GUID or an identifier."""
    policy: Policy = "all"
    control_flags: int = int(LookupFlags.RETURN_ALL)
    limit: int | None = None


def wanted(
    name: str | None,
    *,
    namespace: int | None = None,
    provider: str | None = None,
    policy: Policy = "all",
    everybody: bool = False,
    non_authoritative: bool = False,
    record_type: str | None = None,
    query_string: str | None = None,
    context: str | None = None,
    flags: int = int(LookupFlags.RETURN_ALL),
    limit: int | None = None,
) -> Wanted:
    """What the options of `ASKED` ask for, by the names of their parameters.

    ``non_authoritative`` asks for that part of ``--all`` alone.

    Raises:
        click.UsageError: two of them exclude each other, or there is neither a name
            nor anything else that is asked for.
    """
    preferred = flags & LookupFlags.RETURN_PREFERRED_NAMES
    asked = (namespace, provider, record_type, query_string, context, preferred)
    if name is None and not any(asked):
        raise click.UsageError(_NOTHING_ASKED)
    if record_type is not None and query_string is not None:
        raise click.UsageError("--type and --query-string cannot be combined")
    if everybody and (namespace or provider is not None or policy == "first"):
        raise click.UsageError("--all asks everybody: leave out --namespace, --provider, --policy")
    if everybody or non_authoritative:
        flags |= int(LookupFlags.NON_AUTHORITATIVE)
    return Wanted(
        restrictions=QuerySet(
            service_instance_name=name,
            namespace=namespace,
            query_string=query_string if record_type is None else _query_string(record_type),
            context=context,
        ),
        provider=provider,
        policy=policy,
        control_flags=flags,
        limit=limit,
    )


def _query_string(record_type: str) -> str:
    """A service in lower case, a record type in upper case, as the DNS writes them."""
    return record_type.lower() if "/" in record_type else record_type.upper()
