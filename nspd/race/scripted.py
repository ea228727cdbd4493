"""A scenario whose steps are data: what to send together, when to wait, which ends are legal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from msgspec import Meta, Struct

from nspd.model import errors
from nspd.race.connection import Connection, Reply, Request
from nspd.race.messages import CANCEL, END, NEXT, outcome
from nspd.race.racer import Racer
from nspd.race.scenario import Race, Scenario, Unexpected, check_ended, outcome_of_call

Action = Literal["next", "end", "cancel", "token"]
_Seconds = Annotated[float, Meta(ge=0, le=60)]

_WORDS = {
    errors.WSA_E_NO_MORE: "no more",
    errors.WSANO_DATA: "no data",
    errors.WSASERVICE_NOT_FOUND: "not found",
    errors.WSASYSCALLFAILURE: "failed",
}


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One step: exactly one of ``send``, ``pause`` and ``wait``."""

    send: tuple[Action, ...] = ()
    """Requests in one write."""
    pause: tuple[_Seconds, _Seconds] | None = None
    """Wait for a time drawn from here, in seconds."""
    wait: bool = False
    """Wait for the answers to all that has been sent."""
    second: bool = False
    """Send by the second connection; for tokens alone."""
    timeout: _Seconds | None = None
    """Of the NextEx calls of this step, in seconds."""

    def __post_init__(self) -> None:
        if bool(self.send) + (self.pause is not None) + self.wait != 1:
            raise ValueError("a step has one of send, pause and wait")
        if self.second and set(self.send) != {"token"}:
            raise ValueError("only tokens go by the second connection")
        if self.timeout is not None and "next" not in self.send:
            raise ValueError("timeout is for a step that sends next")
        if self.pause is not None and self.pause[0] > self.pause[1]:
            raise ValueError("pause has the shortest time first")


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """What a scenario file says of one scenario."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    query: Annotated[str, Meta(max_length=1_024)]
    """The ``query_string`` (docs/test-namespace.md); in it ``{gate}`` is a gate of the
    client's own and ``{unique}`` a word that no other lookup has."""
    outcomes: Annotated[tuple[str, ...], Meta(min_length=1)]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    summary: str = ""
    weight: Annotated[float, Meta(ge=0)] = 1.0
    """In ``mixed``."""

    def __post_init__(self) -> None:
        if not any("next" in step.send for step in self.steps):
            raise ValueError("some step must send next, or there is no outcome")
        if any("token" in step.send for step in self.steps) and "{gate}" not in self.query:
            raise ValueError("a token is for a gate: the query must have {gate}")
        parse_qsl(self.query, keep_blank_values=True, strict_parsing=bool(self.query))


class Scripted(Scenario):
    """A scenario from a file.

    Its outcome is what the NextEx calls got, in the order in which they were
    sent, each named once: ``record, cancelled``. It is a race if a call was open
    when the last End or cancel request was sent.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        # Declared for classes: each built-in scenario is one, these are objects.
        for name, value in {
            "name": script.name,
            "summary": script.summary,
            "outcomes": script.outcomes,
            "weight": script.weight,
            "gates": any("token" in step.send for step in script.steps),
        }.items():
            setattr(self, name, value)

    async def race(self, racer: Racer) -> Race:
        gate = racer.gate()
        words = {"gate": gate, "unique": f"{racer.random.getrandbits(48):x}"}
        behaviour = {
            key: value.format_map(words)
            for key, value in parse_qsl(self._script.query, keep_blank_values=True)
        }
        lookup = _Lookup(racer, await racer.begin(**behaviour), gate)
        for step in self._script.steps:
            if step.send:
                await lookup.send(step)
            elif step.pause is not None:
                await racer.loop.sleep(racer.random.uniform(*step.pause))
            else:
                await lookup.all_answered()
        await lookup.finish()
        return Race(", ".join(dict.fromkeys(lookup.outcomes)), lookup.contested)


class _Lookup:
    """One lookup under way."""

    def __init__(self, racer: Racer, handle: int, gate: str) -> None:
        self._racer = racer
        self._handle = handle
        self._gate = gate
        self._open: list[tuple[Action, Connection, int]] = []
        self._calls: list[int] = []
        self._replies: dict[int, Reply] = {}
        self._ended = False
        self.contested = True

    @property
    def outcomes(self) -> list[str]:
        """What the NextEx calls got, in the order in which they were sent."""
        replies = [self._replies[call] for call in self._calls]
        return [_WORDS.get(reply.code or 0) or outcome_of_call(reply) for reply in replies]

    async def send(self, step: Step) -> None:
        """Send what a step says."""
        if step.second:
            second = await self._racer.second()
            sent = second.send(*[self._token()] * len(step.send))
            self._open += [("token", second, id) for id in sent]
            return
        wire = self._racer.wire
        if not {"end", "cancel"}.isdisjoint(step.send):
            self.contested = "next" in step.send or any(
                not wire.answered(id) for action, _, id in self._open if action == "next"
            )
        requests = []
        for id, action in enumerate(step.send, wire.last_id + 1):
            # A cancel request may be for a call in the same write.
            requests.append(self._request(action, step.timeout))
            self._open.append((action, wire, id))
            if action == "next":
                self._calls.append(id)
        wire.send(*requests)
        self._ended |= "end" in step.send

    def _request(self, action: Action, timeout: float | None) -> Request:
        match action:
            case "next":
                params: dict[str, Any] = {"lookup": self._handle}
                return NEXT, params if timeout is None else {**params, "timeout": timeout}
            case "end":
                return END, {"lookup": self._handle}
            case "cancel":
                return CANCEL, {"id": self._calls[-1] if self._calls else 0}
            case "token":
                return self._token()

    def _token(self) -> Request:
        return "nspd.TestGate", {"gate": self._gate, "tokens": 1}

    async def all_answered(self) -> None:
        """Wait for every answer."""
        for action, wire, id in self._open:
            reply = await wire.reply(id)
            if action == "next":
                self._replies[id] = reply
            elif action == "token":
                _check("TestGate", reply)
        self._open = []

    async def finish(self) -> None:
        """Wait for every answer, and end the lookup if no step has."""
        await self.all_answered()
        if not self._ended:
            check_ended(await self._racer.wire.call(END, lookup=self._handle))


def _check(method: str, reply: Reply) -> None:
    if reply.code is not None:
        raise Unexpected(f"{method} got {outcome(reply.code)}")


def scripted(scripts: Sequence[Script]) -> dict[str, Scenario]:
    """The scenarios of a file, by name."""
    return {script.name: Scripted(script) for script in scripts}
