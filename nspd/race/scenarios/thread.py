"""End of work in threads that nothing can interrupt, with the worker pool full."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    handle_of,
    outcome_of_call,
    work_of,
)

STOPPED = "stopped"
DETACHED = "detached"
NEVER_RAN = "never ran"
"""Where a turn of the daemon's loop takes long, End comes before the work has begun."""

_LOOKUPS = 52
"""More than the test provider has workers."""

_LONG, _SHORT = 0.25, 0.03
"""Seconds in a thread: longer than end_grace, and shorter."""

_WORKERS = 40
"""Of the test provider, if its ``workers`` is left alone."""

_TAKE_LONG = range(3)
_BESIDE = range(3, 15)
"""They get their threads at once."""

_BEHIND = range(_WORKERS, _LOOKUPS)
"""They wait for a thread until those before them are done."""

_ENDED = (*_TAKE_LONG, *_BESIDE, *_BEHIND)

_PAUSES = {
    **dict.fromkeys((*_BESIDE, *_BEHIND), (0.0, 0.1 * _SHORT)),
    _BESIDE[0]: (0.5 * _SHORT, 0.7 * _SHORT),
    _BEHIND[0]: (0.2 * _SHORT, 0.4 * _SHORT),
}
"""Seconds to wait before an End, at least and at most: they are spread over the time at which
the first threads are done, and then the second."""

_MARGIN = 0.5


class Thread(Scenario):
    """A batch fills the pool: some are ended in their thread, some while they wait for one.

    They are ended one by one about the time at which their threads are done.
    """

    name = "thread"
    summary = "End of lookups in blocked threads, and of others that wait for a thread"
    outcomes = (RECORD, STOPPED, DETACHED)
    rare = (NEVER_RAN,)
    weight = 0.04
    batch = _LOOKUPS
    detaches = len(_TAKE_LONG)

    async def race(self, racer: Racer) -> list[Race]:
        # One batch at a time: with several in the pool nobody could tell who is next.
        await racer.site.pool.take(1)
        await racer.site.detached.take(len(_TAKE_LONG))
        try:
            return await self._batch(racer)
        finally:
            racer.site.detached.give_back(len(_TAKE_LONG), _LONG + _MARGIN)
            racer.site.pool.give_back(1)

    async def _batch(self, racer: Racer) -> list[Race]:
        wire = racer.wire
        begins = [
            racer.begin_request(records=1, thread=_LONG if place in _TAKE_LONG else _SHORT)
            for place in range(_LOOKUPS)
        ]
        handles = [handle_of(await wire.reply(id)) for id in wire.send(*begins)]
        calls = wire.send(*[(NEXT, {"lookup": handle}) for handle in handles])
        contested = set()
        ends = []
        for place in _ENDED:
            if place in _PAUSES:
                await racer.loop.sleep(racer.random.uniform(*_PAUSES[place]))
            if not wire.answered(calls[place]):
                contested.add(place)
            ends += wire.send((END, {"lookup": handles[place]}))
        works = {
            place: work_of(await wire.reply(id)) for place, id in zip(_ENDED, ends, strict=True)
        }
        races = []
        for place, call in enumerate(calls):
            outcome = outcome_of_call(await wire.reply(call))
            if outcome == CANCELLED:
                outcome = works.get(place, "cancelled, though nobody asked")
                outcome = NEVER_RAN if outcome == "none" else outcome
            races.append(Race(outcome, place in contested))
        for place in set(range(_LOOKUPS)).difference(_ENDED):
            work_of(await wire.call(END, lookup=handles[place]))
        return races
