"""How far a question can be answered from what is known: pure rules, no queries.

A `Solver` is asked again whenever more is known. Each time it gives all records
that are certain by now, from the first one on, and what it still needs to know.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import dns.name
from msgspec import Struct, field

from nspd.model.errors import WSAError
from nspd.model.queryset import QuerySet
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.memory import Found, Key
from nspd.providers.dns.questions import (
    PTR,
    SRV,
    A,
    Addresses,
    AddressQuestion,
    Question,
    RecordsQuestion,
    ReverseQuestion,
    ServiceQuestion,
)
from nspd.providers.dns.records import RecordMaker
from nspd.providers.dns.weights import in_order

MAX_TARGETS = 32
"""Targets of a service whose addresses are looked up: the first in order."""

Find = Callable[[Key], Found | None]
"""What is known of a question; None: nothing yet."""


class Step(Struct):
    """How far it goes."""

    records: list[QuerySet] = field(default_factory=list)
    """In order; those of the step before, and maybe more."""
    missing: list[Key] = field(default_factory=list)
    """What must be found out; nothing: it is over."""
    late: list[Key] = field(default_factory=list)
    """Those of them that hold up something that is known already."""
    known: bool = False
    """The name exists; said only when it is over, and nothing has failed."""
    error: WSAError | None = None
    """What failed, or why an answer past its time had to do."""


class Solver:
    """One question and how its records are to look."""

    def __init__(
        self,
        question: Question,
        maker: RecordMaker,
        *,
        random: Random,
        aliases: bool = False,
    ) -> None:
        """Make a solver.

        Args:
            question: what is asked.
            maker: makes the records.
            random: draws the order of targets.
            aliases: whether a record for each alias is wanted (LUP_RETURN_ALIASES).
        """
        self._question = question
        self._maker = maker
        self._random = random
        self._aliases = aliases
        self._targets: list[Any] | None = None

    def step(self, find: Find) -> Step:
        """How far what is known goes."""
        question = self._question
        if isinstance(question, AddressQuestion):
            return self._addresses(question, find)
        if isinstance(question, ServiceQuestion):
            return self._service(question, find)
        if isinstance(question, ReverseQuestion):
            return self._reverse(question, find)
        return self._records(question, find)

    def _addresses(self, question: AddressQuestion, find: Find) -> Step:
        search = _Search()
        for name in question.candidates:
            host = self._host(name, question.addresses, find)
            if host.missing:
                return Step(missing=host.missing, late=host.late)
            record = self._maker.host(host.answers, question.addresses)
            if record is not None:
                aliases = self._maker.aliases(host.answers) if self._aliases else ()
                return Step([record, *aliases], known=True, error=host.error or search.error)
            if host.failed:
                return Step(error=host.error)
            search.nothing(exists=host.exists, error=host.error)
        return search.over()

    def _host(self, name: dns.name.Name, wanted: Addresses, find: Find) -> _Host:
        host = _Host()
        # Without a type that would do, what is left to find out is whether the name exists.
        for rdtype in wanted.types or (A,):
            key = Key(name, rdtype)
            found = find(key)
            if found is None:
                host.missing.append(key)
                continue
            if found.answer is not None:
                host.answers.append(found.answer)
            else:
                host.failed = True
            host.error = host.error or found.error
        kinds = {answer.kind for answer in host.answers}
        if not wanted.types:
            host.answers = []
        if "answer" in kinds:
            host.late = host.missing
        elif "nxdomain" in kinds:
            host.missing = []  # there is no such name, of whatever type (RFC 2308, section 5)
        host.exists = bool(kinds - {"nxdomain"})
        return host

    def _service(self, question: ServiceQuestion, find: Find) -> Step:
        search = _Search()
        for owner in question.candidates:
            found = find(Key(owner, SRV))
            if found is None:
                return Step(missing=[Key(owner, SRV)])
            answer = found.answer
            if answer is None:
                return Step(error=found.error)
            if answer.kind == "answer":
                return self._targets_of(question, answer, found.error or search.error, find)
            search.nothing(exists=answer.kind == "nodata", error=found.error)
        return search.over()

    def _targets_of(
        self, question: ServiceQuestion, answer: Answer, error: WSAError | None, find: Find
    ) -> Step:
        if self._targets is None:
            services = (each for each in answer.rrset or () if each.target != dns.name.root)
            self._targets = in_order(services, self._random)[:MAX_TARGETS]
        step = Step(error=error)
        for srv in self._targets if question.addresses.types else ():
            host = self._host(srv.target, question.addresses, find)
            record = self._maker.host(
                host.answers,
                question.addresses,
                port=srv.port,
                socket_type=question.socket_type,
                protocol=question.protocol,
                srv=srv,
            )
            step.error = step.error or host.error
            if host.missing:
                step.missing += host.missing
            elif record is not None and step.missing:
                step.late = list(step.missing)  # they hold this record up
            elif record is not None:
                step.records.append(record)
            step.late += host.late
        step.known = not step.error
        return step

    def _reverse(self, question: ReverseQuestion, find: Find) -> Step:
        key = Key(question.name, PTR)
        found = find(key)
        if found is None:
            return Step(missing=[key])
        if found.answer is None:
            return Step(error=found.error)
        if found.answer.kind != "answer":
            known = found.answer.kind == "nodata" and found.error is None
            return Step(known=known, error=found.error)
        records = self._maker.names(found.answer, question.address)
        return Step(list(records), known=True, error=found.error)

    def _records(self, question: RecordsQuestion, find: Find) -> Step:
        search = _Search()
        for name in question.candidates:
            key = Key(name, question.rdtype)
            found = find(key)
            if found is None:
                return Step(missing=[key])
            answer = found.answer
            if answer is None:
                return Step(error=found.error)
            if answer.kind == "answer":
                records = list(self._maker.texts(answer))
                if self._aliases:
                    records += self._maker.aliases([answer])
                return Step(records, known=True, error=found.error or search.error)
            search.nothing(exists=answer.kind == "nodata", error=found.error)
        return search.over()


class _Search(Struct):
    """The names that were tried in vain.

    That there was nothing some time ago is no answer if the servers cannot be
    asked; but it lets the search go on, to a name that may have had something.
    """

    exists: bool = False
    error: WSAError | None = None

    def nothing(self, *, exists: bool, error: WSAError | None) -> None:
        """A name has nothing, as far as is known; with the error if that is old."""
        self.exists = self.exists or exists
        self.error = self.error or error

    def over(self) -> Step:
        """No name had anything."""
        return Step(known=self.exists and self.error is None, error=self.error)


class _Host(Struct):
    """What is known of a host's addresses."""

    answers: list[Answer] = field(default_factory=list)
    missing: list[Key] = field(default_factory=list)
    late: list[Key] = field(default_factory=list)
    error: WSAError | None = None
    failed: bool = False
    exists: bool = False
