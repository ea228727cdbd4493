"""How a lookup that is to be explained tells its story.

An explained lookup is a lookup like any other; its parts are of a class that
also notes what happens to them. The story has three sources, put together when
it is over: what the router decided, what each provider noted when it was asked,
and what its work noted while it ran. That work may be shared. Who joins it
learns that there are others, how many, and for how long it has been running;
what it noted is shown to him only if it was begun for the same user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from nspd.core.choice import Choice, decide
from nspd.core.outcome import Failure
from nspd.core.part import Part
from nspd.core.story import MOST_BYTES, Event, Fact, Story
from nspd.model.errors import ServiceNotFound, WSAError
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.lookup import Lookup
    from nspd.core.provider import Answer, Query
    from nspd.core.router import Router
    from nspd.core.run import Run


class Told(Struct, frozen=True, gc=False, kw_only=True):
    """One event of a whole lookup."""

    at: float
    """Seconds since the lookup began; below 0 for shared work that ran before."""
    event: str
    provider_id: str | None
    """The provider that it is about; None: the lookup as a whole."""
    identifier: str | None
    facts: dict[str, Fact]


class Explanation:
    """The story of one lookup: handed to `Router.begin`, read when the lookup is over."""

    def __init__(
        self,
        router: Router,
        restrictions: QuerySet,
        provider_id: str | None,
        policy: str,
        timeout: float | None,
    ) -> None:
        """Begin the story of a lookup with these arguments; the rest as for `Router.begin`."""
        self._router = router
        self._restrictions = restrictions
        self._provider_id = provider_id
        self._story = Story(router.clock.now)
        self._parts: list[ExplainedPart] = []
        self._admitted = False
        self._choices: list[Choice] = []
        self._story.note("begun", policy=policy, timeout=timeout)

    # What the router does with it

    def admitted(self, query: Query) -> Query:
        """The lookup passed its checks: the query to ask, which carries the story."""
        self._admitted = True
        self._decide()
        return msgspec.structs.replace(query, story=self._story)

    def part(self, lookup: Lookup, entry: Entry) -> Part:
        """A part of the lookup that notes what happens to it."""
        part = ExplainedPart(lookup, entry)
        self._parts.append(part)
        return part

    # What its caller does with it

    def covers(self, error: WSAError) -> bool:
        """Whether Begin's error belongs to the lookup's story.

        That nobody could be asked and that everybody refused does; arguments
        that are wrong and limits that are reached are errors of the call.
        """
        if not self._admitted and isinstance(error, ServiceNotFound):
            self._decide()
            return True
        return self._admitted

    def _decide(self) -> None:
        # Only now: what is asked for is known to be of a size that can be worked on.
        wanted = self._restrictions
        self._choices = decide(
            list(self._router.catalog),
            self._provider_id or wanted.provider_id,
            wanted.namespace or 0,
            wanted.service_instance_name,
        )

    def charge(self, lookup: Lookup) -> None:
        """Charge the lookup's user for what the story may come to hold."""
        lookup.hold(MOST_BYTES * (1 + 2 * len(self._parts)))

    def finished(self, code: int | None, records: int) -> float:
        """The lookup is over: with records, or with an error. Returns the seconds that it took."""
        for part in self._parts:
            part.cut()
        facts: dict[str, Fact] = {"records": records}
        if code is not None:
            facts["error"] = code
        self._story.note("finished", **facts)
        return self._story.elapsed

    def verdicts(self) -> list[Verdict]:
        """What became of each provider, where the lookup ended in its Begin."""
        return [part.verdict() for part in self._parts]

    def told(self) -> tuple[list[Told], int]:
        """The events in the order of time, and how many found no room."""
        begun, *others = self._story.events
        events = [(begun, _told(begun, None))]
        for choice in self._choices:
            kind = "chosen" if choice.asked else "not_chosen"
            event = Event(begun.at, kind, _why(choice), begun.order)
            events.append((event, _told(event, choice.entry)))
        events += [(event, _told(event, None)) for event in others]
        left_out = self._story.left_out
        for part in self._parts:
            for story in part.stories:
                shift = story.started - self._story.started
                events += [(event, _told(event, part.entry, shift)) for event in story.events]
                left_out += story.left_out
        events.sort(key=_order)
        return [told for _, told in events], left_out


def _order(event: tuple[Event, Told]) -> int:
    return event[0].order


def _why(choice: Choice) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"rule": choice.rule}
    if choice.domain is not None:
        facts["domain"] = choice.domain
    if choice.turn is not None:
        facts["turn"] = choice.turn
    return facts


def _told(event: Event, entry: Entry | None, shift: float = 0.0) -> Told:
    return Told(
        at=event.at + shift,
        event=event.event,
        provider_id=None if entry is None else entry.provider_id,
        identifier=None if entry is None else entry.identifier,
        facts=event.facts,
    )


class ExplainedPart(Part):
    """A part that notes what happens to it."""

    __slots__ = ("_of_the_run", "_reason", "_run", "_seen", "_story")

    def __init__(self, lookup: Lookup, entry: Entry) -> None:
        super().__init__(lookup, entry)
        self._story = Story(lookup.router.clock.now)
        self._of_the_run: Story | None = None
        self._run: Run | None = None  # kept after the end, unlike `run`
        self._seen = False
        self._reason: str | None = None

    @property
    def stories(self) -> tuple[Story, ...]:
        """What was noted here, and by the work that this part reads."""
        return (self._story,) if self._of_the_run is None else (self._story, self._of_the_run)

    def told(self, query: Query) -> Query:
        """The query to ask the provider: it notes into this part's story."""
        self._story.note("asked")
        return msgspec.structs.replace(query, story=self._story)

    def answer(self, answer: Answer) -> None:
        records = answer.records
        number = len(records) if isinstance(records, tuple) else None
        self._story.note("at_hand", records=number)
        super().answer(answer)

    def read(self, run: Run) -> None:
        self._run = run
        now = self.lookup.router.clock.now()
        if not run.readers:  # new: one that its last reader has left cannot be joined
            self._of_the_run = Story(self.lookup.router.clock.now)
            run.query = msgspec.structs.replace(run.query, story=self._of_the_run)
            self._story.note("started")
        else:
            if run.owner is self.lookup.session.user:
                self._of_the_run = run.query.story
            self._story.note(
                "shared",
                others=len(run.readers),
                since=now - run.started,
                records=run.total,
                told=self._of_the_run is not None,
            )
        super().read(run)

    def take(self) -> QuerySet | None:
        record = super().take()
        if record is not None and self.run is not None and not self._seen:
            self._seen = True
            self._story.note("first_record")
        return record

    def fail(self, failure: Failure) -> None:
        self._reason = failure.detail
        super().fail(failure)

    def finish(
        self, outcome: Outcome, error: int | None = None, setting: str | None = None
    ) -> None:
        if self.outcome is None:
            super().finish(outcome, error, setting)
            self._tell_end(self.verdict())

    def cut(self) -> None:
        """The lookup is over, and stopped this part if it was under way (its limit of records)."""
        if self.outcome is None:
            self._tell_end(self.verdict())

    def _tell_end(self, verdict: Verdict) -> None:
        facts: dict[str, Fact] = {"outcome": verdict.outcome, "records": verdict.records}
        if verdict.outcome != "skipped":
            facts["elapsed"] = verdict.elapsed
        if verdict.error is not None:
            facts["error"] = verdict.error
            if self._reason is not None:
                facts["detail"] = self._reason
        if verdict.setting is not None:
            facts["setting"] = verdict.setting
        if self._run is not None and self._run.key is not None:
            facts["shared_with"] = self._run.joined - 1
        self._story.note("ended", **facts)
