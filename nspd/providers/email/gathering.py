"""Asking the DNS for the mail services of a domain: everything at once, nothing held back.

All questions of a domain go out together, and so do those for the addresses of
the hosts that the answers name. What has come is passed on in order; what is
silent holds the rest back for a short grace and no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

import anyio
import anyio.abc
import dns.name
import dns.rdatatype
from msgspec import Struct

from nspd.core.provider import Results
from nspd.core.story import Story
from nspd.model.errors import TimedOut, WSAError
from nspd.model.queryset import QuerySet
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.gathering import Gathering as Asking
from nspd.providers.dns.memory import Memory
from nspd.providers.dns.questions import Addresses
from nspd.providers.dns.weights import in_order
from nspd.providers.email.ordered import Ordered, Place
from nspd.providers.email.services import Question, Target, implicit_target, targets_of

MOST_TARGETS = 20
"""Hosts of one service whose addresses are asked for; those that come after them are left out."""


class Resolver(Protocol):
    """Who answers questions to the DNS; see `nspd.providers.dns.resolver.Resolver`."""

    async def resolve(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        flush: bool = False,
        secure: bool = False,
        story: Story | None = None,
        among: set[Asking] | None = None,
    ) -> Answer:
        """What the DNS says of a name and type.

        Raises:
            WSAError: it says nothing, or nothing that may be used.
        """
        ...

    @property
    def memory(self) -> Memory:
        """What it remembers."""
        ...

    def flush(self) -> None:
        """Forget everything."""


class Asked(Struct, frozen=True, kw_only=True):
    """What one lookup wants to know of one domain."""

    questions: tuple[Question, ...]
    """In the order in which their records are wanted."""
    delivery: Question
    """The question for delivery: it tells whether there is such a domain, too.

    If it is not among the `questions`, it is asked only where they leave that open.
    """
    addresses: Addresses | None
    """How the addresses of hosts are wanted; None: not at all."""
    flush: bool = False
    """Past the cache (LUP_FLUSHCACHE)."""
    secure: bool = False
    """Only what was validated by DNSSEC (LUP_SECURE)."""
    foreign: Callable[[str], bool] | None = None
    """Whether a host's name belongs to other providers; such hosts are left out."""
    story: Story | None = None
    """Where to note what happens, if it is to be explained."""


Describe = Callable[[Target, Sequence[Answer], Addresses | None], QuerySet | None]
"""Makes the record of a host from the answers with its addresses; None: it has none."""


class Gathering:
    """One lookup's questions to the DNS. Made for one `run`, and of no use after it."""

    def __init__(
        self,
        asked: Asked,
        resolver: Resolver,
        describe: Describe,
        random: Random,
        *,
        grace: float,
    ) -> None:
        """Ask nothing yet.

        Args:
            asked: what to ask.
            resolver: whom to ask.
            describe: makes the records.
            random: draws among targets of one rank.
            grace: seconds for which what has come waits for what has not.
        """
        self._asked = asked
        self._resolver = resolver
        self._describe = describe
        self._random = random
        self._grace = grace
        self._ordered: Ordered[QuerySet] = Ordered(grace)
        self._failures: dict[Place, WSAError] = {}
        self._asking: set[Asking] = set()
        self._known = False
        self._is_hung_up = False
        self._tasks: anyio.abc.TaskGroup

    async def run(self, results: Results) -> None:
        """Send the records of all services, and say whether there is such a domain.

        Raises:
            WSAError: a question was not answered; the records of the others were sent.
        """
        asked = self._asked
        results.on_cancel(self._hang_up)
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            for number, question in enumerate(asked.questions):
                self._ordered.expect((number,))
                tasks.start_soon(self._ask, question, (number,))
            while (record := await self._ordered.take()) is not None:
                await results.send(record)
        if self._failures:
            # That the domain is known must not hide that it was not all to be found out.
            raise self._failures[min(self._failures)]
        if not self._known and asked.delivery not in asked.questions:
            answer = await self._resolve(asked.delivery.name, asked.delivery.rdtype)
            self._known = answer.kind != "nxdomain"
        if self._known:
            results.known()

    def _hang_up(self) -> None:
        """Close all sockets, and open none: nobody wants the answers any more."""
        self._is_hung_up = True
        for asking in tuple(self._asking):
            asking.close()

    async def _ask(self, question: Question, place: Place) -> None:
        """Ask one question, and on for the addresses of the hosts that its answer names."""
        try:
            answer = await self._resolve(question.name, question.rdtype)
        except WSAError as error:
            self._note(question, error.name)
            self._failures[place] = error
            self._ordered.give_up(place)
            return
        self._known = self._known or answer.kind != "nxdomain"
        targets = self._targets(question, answer)
        offered = answer.kind != "answer" or targets
        self._note(question, answer.kind if offered else "not offered", len(targets))
        for number, target in enumerate(targets):
            self._ordered.expect((*place, number))
            self._tasks.start_soon(self._reach, target, (*place, number))
        self._ordered.give_up(place)

    def _targets(self, question: Question, answer: Answer) -> Sequence[Target]:
        if answer.rrset is not None:
            found = in_order(targets_of(question, answer.rrset), self._random)
            foreign = self._asked.foreign
            return [target for target in found if foreign is None or not foreign(target.name)][
                :MOST_TARGETS
            ]
        if question == self._asked.delivery and answer.kind == "nodata":
            return (implicit_target(question),)
        return ()

    async def _reach(self, target: Target, place: Place) -> None:
        """Ask for the addresses of a host; its record is there when all have come.

        Once it has one address, a silent other half gets no more than the grace.
        """
        wanted = self._asked.addresses
        types = wanted.types if wanted is not None else ()
        answers: dict[int, Answer] = {}
        patience = anyio.CancelScope()

        async def ask(rdtype: int) -> None:
            try:
                answers[rdtype] = await self._resolve(target.host, rdtype)
            except WSAError as error:
                self._failures.setdefault(place, error)
            else:
                if answers[rdtype].kind == "answer" and len(answers) < len(types):
                    patience.deadline = anyio.current_time() + self._grace

        with patience:
            async with anyio.create_task_group() as tasks:
                for rdtype in types:
                    tasks.start_soon(ask, rdtype)
        if patience.cancelled_caught:
            error = TimedOut(f"not all addresses of {target.host} came in time", setting="grace")
            self._failures.setdefault(place, error)
        found = [answers[rdtype] for rdtype in types if rdtype in answers]
        record = self._describe(target, found, wanted)
        if record is None:
            self._ordered.give_up(place)
        else:
            self._ordered.put(place, record)

    async def _resolve(self, name: dns.name.Name, rdtype: int) -> Answer:
        if self._is_hung_up:
            await anyio.sleep_forever()  # the cancellation is under way
        asked = self._asked
        return await self._resolver.resolve(
            name,
            rdtype,
            flush=asked.flush,
            secure=asked.secure,
            story=asked.story,
            among=self._asking,
        )

    def _note(self, question: Question, outcome: str, targets: int = 0) -> None:
        story = self._asked.story
        if story is not None:
            story.note(
                "service",
                service=question.asked_as,
                name=str(question.name),
                type=dns.rdatatype.to_text(question.rdtype),
                outcome=outcome,
                targets=targets,
            )
