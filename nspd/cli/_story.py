"""The story of an explained lookup, in sentences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nspd.cli._text import counted, duration
from nspd.model.errors import error_name

Event = Mapping[str, Any]
Facts = Mapping[str, Any]

_ASKED = {
    "provider_id": "it was named",
    "namespace": "it serves this namespace",
    "all": "all namespaces are asked",
    "domains": 'it claims names under "{domain}"',
}
_NOT_ASKED = {
    "inactive": "it is switched off",
    "other_provider": "another provider was named",
    "other_namespace": "another namespace is asked",
    "not_in_all": "only its own namespace asks it",
    "claimed": 'names under "{domain}" are for those who claim them',
    "outside_domains": "it takes names under its own domains only",
    "no_level": "it is not for this name",
}


def choice_rows(story: Sequence[Event]) -> Iterator[tuple[str, str, str]]:
    """For each provider of the catalog: who it is, whether it is asked, and why."""
    for event in story:
        if event["event"] in ("chosen", "not_chosen"):
            asked = event["event"] == "chosen"
            facts = event["facts"]
            reason = (_ASKED if asked else _NOT_ASKED).get(facts["rule"], facts["rule"])
            why = reason.format(domain=facts.get("domain", ""))
            if facts.get("turn") is not None:
                why += f", number {facts['turn']} in turn"
            yield event["identifier"], "yes" if asked else "no", why


def steps(story: Sequence[Event]) -> Iterator[tuple[str, str, str]]:
    """What happened: when, at which provider, and a sentence. The choice of providers is left out.

    What another step or the verdicts say anyway is left out, too.
    """
    at_hand = {event["provider_id"] for event in story if event["event"] == "at_hand"}
    over = Counter(_exchange(event) for event in story if event["event"] == "attempt")
    for event in story:
        kind, facts = event["event"], event["facts"]
        if kind in ("begun", "chosen", "not_chosen", "asked", "finished"):
            continue
        if kind == "sent" and over[_exchange(event)]:
            over[_exchange(event)] -= 1
            continue
        if (
            kind == "ended"
            and event["provider_id"] in at_hand
            and facts["outcome"] in ("answered", "empty")
        ):
            continue
        yield _moment(event["at"]), event["identifier"] or "", sentence(kind, facts)


def _exchange(event: Event) -> tuple[object, ...]:
    facts = event["facts"]
    what = (facts.get(each) for each in ("server", "transport", "name", "type"))
    return (event["provider_id"], *what)


def _moment(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if abs(seconds) < 1 else f"{seconds:.3f} s"


def sentence(kind: str, facts: Facts) -> str:
    """One event in words; one of a kind that is not known here as it stands."""
    words = _SENTENCES.get(kind, _plainly(kind))
    try:
        return words(facts)
    except (KeyError, TypeError, ValueError):
        return _plainly(kind)(facts)  # a provider may note what it likes


def _plainly(kind: str) -> Callable[[Facts], str]:
    def words(facts: Facts) -> str:
        told = ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
        return f"{kind.replace('_', ' ')}: {told}" if told else kind.replace("_", " ")

    return words


def _at_hand(facts: Facts) -> str:
    number = facts["records"]
    if number is None:
        return "has the answer at hand, to be read name by name"
    return f"had the answer at hand: {counted(number, 'record') if number else 'nothing'}"


def _shared(facts: Facts) -> str:
    others = counted(facts["others"], "other lookup")
    text = f"joined work under way for {duration(facts['since'])}, shared with {others}"
    return text if facts["told"] else f"{text}; its steps are not told here"


def _what(facts: Facts) -> str:
    """Name and type, as far as they are told; complete names without their final dot."""
    name = str(facts.get("name") or "")
    return " ".join(part for part in (name.rstrip(".") or name, facts.get("type")) if part)


def _cache(facts: Facts) -> str:
    what = _what(facts)
    left = f", for {duration(facts['ttl'])} more" if facts.get("ttl") is not None else ""
    told = {
        "hit": f"{what} is in the cache{left}",
        "negative": f"the cache knows that there is no {what}{left}",
        "miss": f"{what} is not in the cache",
        "stale": f"{what} is in the cache, but its time is over",
        "bypassed": f"{what}: the cache is not used",
        "failure": f"{what} failed a moment ago, which is still remembered",
    }
    return told[facts["state"]]


def _sent(facts: Facts) -> str:
    over = f" over {facts['transport']}" if facts.get("transport") else ""
    about = _what(facts)
    return f"{facts['server']}{over}{f', {about}' if about else ''}"


def _attempt(facts: Facts) -> str:
    asked = f"{_sent(facts)}: {facts['outcome']}"
    if facts.get("elapsed") is not None:
        asked += f" after {duration(facts['elapsed'])}"
    if facts.get("dropped"):
        asked += f" ({facts['dropped']} packets dropped that were no answer to this)"
    return asked


def _stale(facts: Facts) -> str:
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    return f"used an answer for {_what(facts)} whose time is over{reason}"


def _file(facts: Facts) -> str:
    problem = f"; {facts['problem']}" if facts.get("problem") else ""
    return f"looked into {facts['path']}, {counted(facts['lines'], 'line')}{problem}"


def _service(facts: Facts) -> str:
    targets = facts.get("targets")
    found = f", {counted(targets, 'host')}" if targets else ""
    return f"{facts['service']} ({_what(facts)}): {facts['outcome']}{found}"


def _ended(facts: Facts) -> str:
    outcome = facts["outcome"]
    if outcome == "skipped":
        return "not asked: there was an answer, or no time left, before its turn"
    took = f" after {duration(facts['elapsed'])}"
    told = {
        "answered": f"done: {counted(facts['records'], 'record')}",
        "empty": "done: nothing found",
        "timed_out": "timed out",
        "failed": "failed",
        "cancelled": "cancelled",
    }[outcome] + took
    if facts.get("setting"):
        told += f', by the limit "{facts["setting"]}"'
    if facts.get("error") is not None and outcome == "failed":
        told += f": {error_name(facts['error'])} ({facts['error']})"
    if facts.get("detail"):
        told += f": {facts['detail']}"
    if facts.get("shared_with"):
        told += f"; shared with {counted(facts['shared_with'], 'other lookup')}"
    return told


_SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "at_hand": _at_hand,
    "started": lambda facts: "has to look",
    "shared": _shared,
    "cache": _cache,
    "sent": lambda facts: f"{_sent(facts)}: asked, and had not answered by the end",
    "attempt": _attempt,
    "joined": lambda facts: f"joined the same question, under way already: {_what(facts)}",
    "search": lambda facts: f"tries {facts['name']}",
    "special": lambda facts: f"{_what(facts)} is settled by the standards, no server is asked",
    "late": lambda facts: f"goes on without {_what(facts)} after {duration(facts['after'])}",
    "alias": lambda facts: f"{facts['from']} is an alias of {facts['to']}",
    "stale": _stale,
    "file": _file,
    "registered": lambda facts: (
        f"{counted(facts['records'], 'record')} registered for {facts['name']}"
    ),
    "service": _service,
    "first_record": lambda facts: "first record",
    "ended": _ended,
}
