"""Puts a mutant in the place of what it changes, in this process."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.util
import inspect
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType

from bench.mutations import Mutant


def is_replaceable(mutant: Mutant, original: str) -> bool:
    """Whether the mutant is one function's code that can be exchanged where it stands."""
    if mutant.function is None:
        return False
    before, after = _codes(original, mutant.function), _codes(mutant.source, mutant.function)
    if len(before) != 1 or len(after) != 1:
        return False
    return before[0].co_freevars == after[0].co_freevars


@functools.lru_cache(maxsize=64)
def _codes(source: str, qualname: str) -> list[CodeType]:
    found: list[CodeType] = []

    def look(code: CodeType) -> None:
        if code.co_qualname == qualname:
            found.append(code)
        for each in code.co_consts:
            if isinstance(each, CodeType):
                look(each)

    look(compile(source, "<mutant>", "exec"))
    return found


def replace(mutant: Mutant) -> None:
    """Exchange the code of the one function that the mutant changes, in this process."""
    assert mutant.function is not None
    found: object = importlib.import_module(f"nspd.core.{mutant.module}")
    for name in mutant.function.split("."):
        found = vars(found)[name]
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, staticmethod | classmethod):
        found = found.__func__
    function = inspect.unwrap(found) if callable(found) else found
    assert isinstance(function, FunctionType)
    (function.__code__,) = _codes(mutant.source, mutant.function)


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has one module imported from the source of a mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"nspd.core.{mutant.module}"
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, f"<{self._mutant.id}>", "exec"), module.__dict__)
