"""What the ledger remembers: calls that wait, lookups not yet settled, connections.

An entry lives as long as something about it is still open.
"""

from __future__ import annotations

from nspd.race.messages import MAY_WAIT, Id


class Call:
    """One request that is not yet answered."""

    __slots__ = (
        "cancel_requested",
        "gone",
        "handle",
        "id",
        "in_batch",
        "late",
        "lookup",
        "method",
        "watch",
    )

    def __init__(self, id: Id | None, method: str, *, in_batch: bool) -> None:
        self.id = id
        self.method = method
        self.in_batch = in_batch
        """Its reply waits for the rest of the batch, so its place tells nothing."""
        self.handle: int | None = None
        """The handle that it names, if any."""
        self.lookup: Lookup | None = None
        """The live lookup that it acts on."""
        self.gone = ""
        """Why its handle is known not to exist for it; empty otherwise."""
        self.late = False
        """End was answered before it."""
        self.cancel_requested = False
        self.watch = False
        """A Begin with ``watch``."""

    def __str__(self) -> str:
        name = self.method.removeprefix("NSPv2LookupService")
        target = f" of lookup {self.handle}" if self.handle is not None else ""
        return f"{name} {self.id!r}{target}"

    @property
    def must_be_answered(self) -> bool:
        """Whether it cannot rightly be left waiting."""
        if self.cancel_requested or self.gone or self.method not in MAY_WAIT:
            return True
        return self.lookup is not None and self.lookup.ended


class Lookup:
    """One handle, from the reply to its Begin until End and all its calls are answered."""

    __slots__ = (
        "cancelled",
        "end_answered",
        "ended",
        "excused",
        "handle",
        "in_order",
        "next_record",
        "out_of_order",
        "owner",
        "perhaps_cancelled",
        "records",
        "waiting",
    )

    def __init__(self, handle: int, owner: Connection, *, in_order: bool, excused: bool) -> None:
        self.handle = handle
        self.owner = owner
        self.waiting: dict[Id | None, Call] = {}
        """NextEx calls sent before End, and not answered."""
        self.ended = False
        """An End has been sent."""
        self.end_answered = False
        self.excused = excused
        """It may have ended otherwise (EndLookup, a provider disabled, a guessed handle)."""
        self.cancelled = 0
        """Calls answered 10111 that only End can have cancelled."""
        self.perhaps_cancelled = 0
        """Calls answered 10111 that End or a cancel request has cancelled."""
        self.in_order = in_order
        """Every record must come once and in order (no watch, no FLUSHPREVIOUS)."""
        self.records = 0
        """Records received."""
        self.next_record = 1
        """Number of the first record of the test namespace not yet seen."""
        self.out_of_order: set[int] = set()
        """Numbers seen ahead of it: two replies may overtake each other on the wire."""

    @property
    def settled(self) -> bool:
        """Nothing is to come, so that it can be forgotten."""
        return self.end_answered and not self.waiting

    def count_cancelled(self, call: Call) -> None:
        """Note a 10111; one that came before End was sent is not End's doing."""
        if self.ended and call.cancel_requested:
            self.perhaps_cancelled += 1
        elif self.ended:
            self.cancelled += 1

    def number_seen(self, number: int) -> bool:
        """Note the number of a record; False if it was seen before."""
        if number < self.next_record or number in self.out_of_order:
            return False
        self.out_of_order.add(number)
        while self.next_record in self.out_of_order:
            self.out_of_order.remove(self.next_record)
            self.next_record += 1
        return True


class Connection:
    """One connection: its calls that wait, and what excuses their answers."""

    __slots__ = ("excused", "guesses", "lookups", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[Id | None, Call] = {}
        self.lookups: dict[int, Lookup] = {}
        self.guesses: dict[int, int] = {}
        """Handles that waiting calls name though no Begin had returned them, and how often."""
        self.excused = False
        """Lookups here may end by themselves: drain, Rundown, cancel_on_begin."""

    def add(self, call: Call) -> None:
        """Enter a request that is due a reply."""
        self.waiting[call.id] = call
        if call.handle is not None and call.lookup is None and not call.gone:
            self.guesses[call.handle] = self.guesses.get(call.handle, 0) + 1

    def remove(self, id: Id) -> Call | None:
        """Strike out the request that a reply answers; None if none waits under this id."""
        call = self.waiting.pop(id, None)
        if call is not None and call.handle in self.guesses and call.lookup is None:
            self.guesses[call.handle] -= 1
            if not self.guesses[call.handle]:
                del self.guesses[call.handle]
        return call
