"""The two clients are one interface: names, arguments, results and every docstring.

The blocking client is the one to go by (docs/clients.md); where the asynchronous one
must say something else, the words are in `OTHER_WORDS`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import Any

import pytest

from nspd.client import aio, aio_lookup, sync, sync_lookup

PAIRS = [
    (sync.Client, aio.AsyncClient),
    (sync_lookup.Lookup, aio_lookup.Lookup),
    (sync_lookup.Events, aio_lookup.Events),
]
RENAMED = {"close": "aclose"}
NOT_WAITING = {
    "Client": {"lookup", "monitor", "socket"},
    "Lookup": {"handle"},
    "Events": {"close", "dropped"},
}
SPECIAL = {
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
    "__del__": "__del__",
}
OTHER_WORDS = {
    "``with``": "``async with``",
    "`Client": "`AsyncClient",
    "after `close`": "after `aclose`",
    "thread": "task",
    "threads": "tasks",
    "An interrupted wait": "A cancelled wait",
}
"""What stands in the docstrings of the blocking client, and what in the other's."""


def public(kind: type[Any]) -> dict[str, Any]:
    """The public methods and properties of a class."""
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def members(blocking: type[Any], asynchronous: type[Any]) -> dict[str, tuple[Any, Any]]:
    """Each public method and property of the one as a function, with that of the other."""
    names = {name: name for name in public(blocking)}
    if blocking is sync.Client:
        names |= RENAMED | {"__init__": "__init__"}
    pairs = (
        (name, vars(blocking)[name], vars(asynchronous)[other]) for name, other in names.items()
    )
    return {name: (function_of(one), function_of(other)) for name, one, other in pairs}


def function_of(member: Any) -> Any:
    """The function itself, or that which gives a property's value."""
    return member.fget if isinstance(member, property) else member


def in_other_words(text: str) -> str:
    """A docstring of the blocking client as the other is to have it, without line breaks."""
    for words, others in OTHER_WORDS.items():
        text = re.sub(rf"(?<!\w){re.escape(words)}(?!\w)", others, text)
    return one_line(text)


def one_line(text: str) -> str:
    """The words of a docstring, however its lines are broken."""
    return " ".join(text.split())


def attributes(kind: type[Any]) -> dict[str, tuple[str, str]]:
    """The public attributes that ``__init__`` makes: the statement, and the docstring below it."""
    function = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__))).body[0]
    assert isinstance(function, ast.FunctionDef)
    found = {}
    for statement, following in pairwise([*function.body, ast.Pass()]):
        target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
        if isinstance(target, ast.Attribute) and not target.attr.startswith("_"):
            found[target.attr] = (ast.unparse(statement), ast.unparse(following))
    return found


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_have_the_same_names(blocking: type[Any], asynchronous: type[Any]) -> None:
    """What one client offers, the other offers by the same name; closing waits as `aclose`."""
    renamed = RENAMED if blocking is sync.Client else {}
    names = {renamed.get(name, name) for name in public(blocking)}
    assert names == set(public(asynchronous))


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_take_the_same_arguments(blocking: type[Any], asynchronous: type[Any]) -> None:
    """Names, defaults and annotations of every parameter are equal, and so are the results."""
    for name, (method, other) in members(blocking, asynchronous).items():
        assert inspect.signature(method) == inspect.signature(other), name


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_what_may_wait_is_async_and_nothing_else(
    blocking: type[Any], asynchronous: type[Any]
) -> None:
    """`async` marks the methods that may wait for the daemon."""
    plain = {
        name
        for name, value in public(asynchronous).items()
        if not inspect.iscoroutinefunction(value)
    }
    assert plain == NOT_WAITING[blocking.__name__]


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_say_the_same_of_every_method(blocking: type[Any], asynchronous: type[Any]) -> None:
    """There is a docstring to each, and the two differ in nothing but `OTHER_WORDS`."""
    for name, (method, other) in members(blocking, asynchronous).items():
        assert in_other_words(method.__doc__) == one_line(other.__doc__), name


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_say_the_same_of_the_class(blocking: type[Any], asynchronous: type[Any]) -> None:
    """What is said of the blocking class holds of the other, which may have more to say."""
    told = [one_line(paragraph) for paragraph in str(asynchronous.__doc__).split("\n\n")]
    wanted = [in_other_words(paragraph) for paragraph in str(blocking.__doc__).split("\n\n")]
    assert [paragraph for paragraph in told if paragraph in wanted] == wanted
    assert len(told) == len(wanted) or blocking is sync.Client


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_have_the_same_attributes(blocking: type[Any], asynchronous: type[Any]) -> None:
    """Of the same types and values, and with the same docstrings."""
    assert attributes(blocking) == attributes(asynchronous)
    if blocking is sync_lookup.Lookup:
        assert attributes(blocking).keys() == {"synced", "verdicts"}


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_are_entered_iterated_and_forgotten_alike(
    blocking: type[Any], asynchronous: type[Any]
) -> None:
    """Each special method has its counterpart, with the same arguments and results."""
    for name, counterpart in SPECIAL.items():
        if name not in vars(blocking) or (name == "__del__" and blocking is sync.Client):
            continue  # an asynchronous client is always left, for it is entered by `async with`
        one, other = vars(blocking)[name], vars(asynchronous)[counterpart]
        assert inspect.signature(one) == inspect.signature(other), name


def test_both_keep_as_many_events() -> None:
    """What their docstrings call `MAX_EVENTS` is one number."""
    assert sync_lookup.MAX_EVENTS == aio_lookup.MAX_EVENTS
