"""The judge is proven by liars: each breaks one promise, and is found under its number."""

from __future__ import annotations

import pytest

from tests.race.liar.dialogue import Dialogue
from tests.race.liar.lies import LIES, Lie
from tests.race.liar.model import Model

EVERY = pytest.mark.parametrize("lie", LIES.values(), ids=LIES)


def judged(model: Model, lie: Lie) -> Dialogue:
    """The dialogue of a lie with a model, to its end."""
    dialogue = Dialogue(model, **lie.judge)
    lie.dialogue(dialogue)
    dialogue.over()
    return dialogue


@EVERY
def test_lie(lie: Lie) -> None:
    """Each lie is found, under the promise that it breaks and no other."""
    assert judged(lie.model(), lie).promises == {lie.promise}


@EVERY
def test_truth(lie: Lie) -> None:
    """The same dialogue with the honest model breaks nothing."""
    dialogue = judged(Model(), lie)
    assert dialogue.violations == []
    assert dialogue.judge.judged > 0


def test_others_may_be_counted() -> None:
    """Where the daemon has other clients, its census is not judged, and that is said."""
    lie = LIES["LeaksLookups"]
    dialogue = Dialogue(lie.model(), alone=False)
    lie.dialogue(dialogue)
    assert dialogue.violations == []
    assert dialogue.judge.not_judged["a census that counts others, too"] == 2


def test_every_promise_is_lied_about() -> None:
    """Every promise that can be seen on the wire has a lie."""
    promises = {lie.promise for lie in LIES.values()}
    assert promises == {f"C{number}" for number in range(1, 16)} - {"C9"} | {"isolation", "order"}
