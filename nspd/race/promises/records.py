"""C6 and C7: whole records, in order, none lost and none twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nspd.model import errors
from nspd.model.flags import FIELD_BITS, LookupFlags
from nspd.model.namespaces import Namespace
from nspd.race.entries import Call, NextCall
from nspd.race.findings import Finding
from nspd.race.lookups import Lookup
from nspd.race.messages import member, outcome, shortened
from nspd.race.testrecords import Plan, number_of, of_another_lookup, plan_of, torn

_ALWAYS_THERE = frozenset({"namespace", "provider_id", "context", "output_flags"})
_TEST = int(Namespace.TEST)
_RETURN_ALIASES = int(LookupFlags.RETURN_ALIASES)
_THROUGH = frozenset({"answered", "empty", "skipped"})


def c6_has_all(call: Call, record: Any) -> Finding | None:
    """C6: the members that come with every record, whatever the flags."""
    if type(record) is not dict:
        return "C6", f"{call} got no record: {shortened(record)}"
    if record.keys() >= _ALWAYS_THERE:
        return None
    return "C6", f"{call} got a record without {', '.join(sorted(_ALWAYS_THERE - record.keys()))}"


def c6_whole(
    call: Call, record: dict[str, Any], plan: Plan, number: int, flags: int, watch: bool
) -> Finding | None:
    """C6 in the test namespace, where records are known; C7 if it is another lookup's record."""
    wrong = torn(record, plan, number, flags)
    if not wrong and record["output_flags"] != 0 and not watch:
        wrong = "output_flags"
    if not wrong:
        return None
    if wrong in ("service_instance_name", "comment") and of_another_lookup(record):
        name = shortened(record.get("service_instance_name"))
        return "C7", f"{call} got {name}, a record of another lookup"
    return "C6", f"{call} got record {number} with a wrong or missing {wrong}"


def c6_namespace(call: NextCall, record: dict[str, Any]) -> Finding | None:
    """C6: a lookup in the test namespace alone gets records of that namespace."""
    if not _only_test(call.lookup.params):
        return None
    return "C6", f"{call} got a record of namespace {shortened(record['namespace'])}"


def c7_in_order(call: NextCall, number: int, expected: int, dropped: int) -> Finding | None:
    """C7: the next record of its provider, and no other.

    Args:
        call: the call that got it.
        number: that of the record.
        expected: the number that is to come.
        dropped: records that FLUSHPREVIOUS may have dropped before it.
    """
    if number < expected:
        return "C7", f"{call} got record {number} again, or out of turn: {expected} was next"
    if number > expected + dropped:
        return "C7", f"{call} got record {number}: {expected} was left out"
    return None


def c7_given(call: Call, number: int, plan: Plan) -> Finding | None:
    """C7: a record that the provider never gave."""
    if plan.total is not None and not 1 <= number <= plan.total:
        return "C7", f"{call} got record {number} of {plan.total}"
    return None


def c7_not_after_the_end(call: NextCall) -> Finding | None:
    """C7: the end is the end, told again and again."""
    final = call.lookup.final
    if final and call.answer == 0:
        return "C7", f"{call} got a record after the end had been told by {outcome(final)}"
    if final and call.answer not in (final, errors.WSAENOBUFS):
        return "C7", f"{call} got {outcome(call.answer)} after {outcome(final)}"
    return None


def c7_all_came(call: Call, lookup: Lookup, code: int, verdicts: Sequence[Any]) -> Finding | None:
    """C7: at the end the client has every record that the verdicts, or the script, tell of."""
    outcomes = [member(verdict, "outcome") for verdict in verdicts]
    # A provider that was switched off took its unread records along.
    if code != errors.WSA_E_NO_MORE or "cancelled" in outcomes:
        return None
    received = lookup.records + lookup.dropped
    if lookup.test_records or _aliases_wanted(lookup.params):
        counts = [member(verdict, "records") for verdict in verdicts]
        given = sum(count for count in counts if type(count) is int)
        if received < given:
            return "C7", f"{call}: {given} records were given, {lookup.records} came"
    if lookup.test_records == lookup.records > 0 and outcomes == ["answered"]:
        total = lookup.plan.total
        if total is not None and received < total:
            return "C7", f"{call}: {total} records were asked for, {lookup.records} came"
    return None


def c2_not_over(call: NextCall, code: int, verdicts: Sequence[Any]) -> Finding | None:
    """C2: work that hangs for ever does not end, so what it is told of it is not true."""
    lookup = call.lookup
    if not lookup.test_records and not _only_test(lookup.params):
        return None
    outcomes = {member(verdict, "outcome") for verdict in verdicts}
    if lookup.plan.never_ends and outcomes and outcomes <= _THROUGH:
        broken = "C2" if lookup.ended_by is not None else "C7"
        return broken, f"{call} got {outcome(code)} though the provider hangs"
    return None


def through(verdicts: Sequence[Any]) -> bool:
    """Whether by these verdicts no provider has any work left."""
    outcomes = {member(verdict, "outcome") for verdict in verdicts}
    return bool(outcomes) and outcomes <= _THROUGH


def _aliases_wanted(params: Mapping[str, Any]) -> bool:
    # Without this flag shared work may give records that this lookup has not asked for.
    flags = params.get("control_flags", FIELD_BITS)
    return type(flags) is int and bool(flags & _RETURN_ALIASES)


def _only_test(params: Mapping[str, Any]) -> bool:
    return bool(member(params.get("restrictions"), "namespace") == _TEST)


def c7_whole_lookup(call: Call, params: Mapping[str, Any], result: Any) -> Iterator[Finding]:
    """C6 and C7 for an nspd.Lookup in the test namespace: its records from the first on."""
    found = member(result, "results")
    verdicts = member(result, "verdicts")
    if not isinstance(found, list) or not isinstance(verdicts, list):
        yield "shape", f"{call} got no list of results"
        return
    if not _only_test(params) or len(verdicts) != 1:
        return
    plan = plan_of(params)
    for place, record in enumerate(found, 1):
        wrong = c6_has_all(call, record)
        number = number_of(record) if wrong is None else None
        if number is not None:
            wrong = c6_whole(call, record, plan, number, 0, False)
            if wrong is None and number != place:
                wrong = "C7", f"{call} got record {number} where {place} was next"
        if wrong is not None:
            yield wrong
            return
    given, limit = len(found), params.get("limit")
    if plan.total is not None and member(verdicts[0], "outcome") == "answered":
        wanted = plan.total if limit is None else min(plan.total, limit)
        if given < wanted and not (type(limit) is int and given == limit):
            yield "C7", f"{call}: {wanted} records were asked for, {given} came"
