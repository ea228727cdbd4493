"""What a lookup of the dns namespace notes in its story, if somebody wants it explained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import dns.name

from nspd.core.story import Story
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.idn import name_text
from nspd.providers.dns.memory import Found, Kept, Key
from nspd.providers.dns.questions import Question, ReverseQuestion


class Telling:
    """Notes events of one lookup; of a lookup without a story, nothing."""

    __slots__ = ("_aliases", "_story", "_tried")

    def __init__(self, story: Story | None) -> None:
        self._story = story
        self._aliases: set[dns.name.Name] = set()
        self._tried: set[dns.name.Name] = set()

    def cache(self, key: Key, state: str) -> None:
        """What the cache was found to have: "miss", "stale", or "bypassed" if it was not asked."""
        self._note("cache", key, state=state)

    def at_hand(self, key: Key, found: Found, kept: Kept | None, now: float) -> None:
        """Something was known without asking a server: cached, or settled for good."""
        if kept is None:
            self._note("special", key)
        elif found.answer is None:
            self._note("cache", key, state="failure", ttl=kept.expires - now)
        else:
            state = "hit" if found.answer.kind == "answer" else "negative"
            self._note("cache", key, state=state, ttl=kept.expires - now)
        self.found(found.answer)

    def found(self, answer: Answer | None) -> None:
        """The aliases of an answer, each once."""
        if self._story is None or answer is None:
            return
        for name, target in pairwise(answer.chain):
            if name not in self._aliases:
                self._aliases.add(name)
                self._story.note("alias", **{"from": name_text(name), "to": name_text(target)})

    def stale(self, key: Key, reason: object) -> None:
        """An answer past its time is used."""
        self._note("stale", key, reason=str(reason or ""))

    def late(self, key: Key, grace: float) -> None:
        """What has come waits no longer for this."""
        self._note("late", key, after=grace)

    def search(self, question: Question, missing: Iterable[Key]) -> None:
        """Which of several names is tried now."""
        if self._story is None or isinstance(question, ReverseQuestion):
            return
        if len(question.candidates) > 1:
            for key in missing:
                if key.name in question.candidates and key.name not in self._tried:
                    self._tried.add(key.name)
                    self._story.note("search", name=name_text(key.name))

    def _note(self, event: str, key: Key, **facts: str | float) -> None:
        if self._story is not None:
            self._story.note(event, name=name_text(key.name), type=key.type_text, **facts)
