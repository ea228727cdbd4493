"""Whether a registered object is what a query's restrictions ask for.

The name is compared by `nspd.model.wildcard`, the context by `context_key`;
`matches` does the rest.
"""

from __future__ import annotations

from nspd.model.queryset import AfProtocol, CsAddr, QuerySet, Version
from nspd.model.setservice import family_of

AF_UNSPEC = 0

ROOT = "\\"
"""The context that holds all others; without containment it is the default one."""


def context_key(context: str | None) -> str:
    """The form in which contexts are compared.

    Absent, empty and ``\\`` are the same, the default context, for a namespace
    without containment has its root there. Any other text is a context of its
    own, equal to no other spelling.
    """
    return "" if context is None or context == ROOT else context


def matches(entry: QuerySet, restrictions: QuerySet) -> bool:
    """Whether an object meets the version, protocols and query string asked for.

    * A version asked for must be the object's own ("equal") or at most that
      ("not_less"); an object without a version has none that would do.
    * Of the pairs of family and protocol asked for, one must fit one of the
      object's addresses. An object matches as a whole: its other addresses are
      not taken out.
    * A query string asked for must equal the one registered. Absent and empty
      ask for nothing.

    Args:
        entry: the object, with usual protocols in place of 0 where there is one.
        restrictions: the query; its other members are not looked at.
    """
    if restrictions.version is not None and not _suits(entry.version, restrictions.version):
        return False
    if restrictions.query_string and entry.query_string != restrictions.query_string:
        return False
    return not restrictions.protocols or any(
        _accepts(pair, entry.addresses or ()) for pair in restrictions.protocols
    )


def _suits(version: Version | None, wanted: Version) -> bool:
    if version is None:
        return False
    if wanted.how == "not_less":
        return version.version >= wanted.version
    return version.version == wanted.version


def _accepts(pair: AfProtocol, addresses: tuple[CsAddr, ...]) -> bool:
    any_family = pair.family == AF_UNSPEC
    if any_family and not pair.protocol:
        return True
    return any(
        (any_family or pair.family == family_of(address))
        and (not pair.protocol or address.protocol in (0, pair.protocol))
        for address in addresses
    )
