"""One change at a time in a module's source: what a mutation run tries.

Changed are comparisons, boolean and arithmetic operators, numbers and truth
values, and conditions; left out are calls made for their effect, assignments to
attributes, what is raised and what is returned. Not changed are assertions,
annotations, declarations and text; nor the constants that a module begins with,
which say how long or how many is enough; and what is returned does not become
None where it is None or False already, for both are false.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

_Steps = tuple[tuple[str, int | None], ...]
"""The way to a node: fields, with a place in those that are lists."""
_Change = tuple[_Steps, str, Callable[[Any], ast.AST]]
"""Where, what is done there, and what makes the new node of a copy of the old one."""

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Mod: ast.Mult,
}

_PASSED_OVER = (ast.Assert, ast.Import, ast.ImportFrom)
_NO_CODE = {"annotation", "returns", "decorator_list", "bases"}


class Mutant(NamedTuple):
    """One change."""

    module: str
    number: int
    line: int
    change: str
    source: str
    """The whole module with the change in it."""
    function: str | None = None
    """The qualified name of the outermost function in whose body the change is, if in any."""

    @property
    def id(self) -> str:
        """What names it as long as the module is the same."""
        return f"{self.module}:{self.number}"


def count(source: str) -> int:
    """How many mutants a module has."""
    return sum(1 for _ in _walk(ast.parse(source), ()))


def mutants(module: str, source: str, numbers: Collection[int] | None = None) -> Iterator[Mutant]:
    """The mutants of a module with these numbers, or all of them."""
    tree = ast.parse(source)
    for number, (steps, what, make) in enumerate(_walk(tree, ())):
        if numbers is not None and number not in numbers:
            continue
        mutated = copy.deepcopy(tree)
        node = _at(mutated, steps)
        line = getattr(node, "lineno", 0)
        before = ast.unparse(node).splitlines()[0][:70]
        _put(mutated, steps, make(node))
        text = ast.unparse(ast.fix_missing_locations(mutated))
        yield Mutant(
            module, number, line, f"{before}  ->  {what}", text, _function_around(tree, steps)
        )


def _function_around(tree: ast.AST, steps: _Steps) -> str | None:
    names: list[str] = []
    node: Any = tree
    for name, index in steps:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(node.name)
            if not isinstance(node, ast.ClassDef):
                return ".".join(names) if name == "body" else None
        node = getattr(node, name)
        if index is not None:
            node = node[index]
    return None


def _at(tree: ast.AST, steps: _Steps) -> ast.AST:
    node: Any = tree
    for name, index in steps:
        node = getattr(node, name)
        if index is not None:
            node = node[index]
    found: ast.AST = node
    return found


def _put(tree: ast.AST, steps: _Steps, node: ast.AST) -> None:
    holder = _at(tree, steps[:-1])
    name, index = steps[-1]
    if index is None:
        setattr(holder, name, node)
    else:
        getattr(holder, name)[index] = node


def _walk(node: ast.AST, steps: _Steps) -> Iterator[_Change]:
    if isinstance(node, _PASSED_OVER):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
        return
    if isinstance(node, ast.Assign) and len(steps) == 1:
        return
    if isinstance(node, ast.stmt):
        yield from _of_statement(node, steps)
    elif isinstance(node, ast.expr):
        yield from _of_expression(node, steps)
    for name, value in ast.iter_fields(node):
        if name in _NO_CODE:
            continue
        if isinstance(value, ast.AST):
            yield from _walk(value, (*steps, (name, None)))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _walk(each, (*steps, (name, index)))


def _of_statement(node: ast.stmt, steps: _Steps) -> Iterator[_Change]:
    if isinstance(node, ast.If | ast.While) and _plain(node.test):
        yield (*steps, ("test", None)), "negated", _negated
    if isinstance(node, ast.AugAssign) and type(node.op) in _SWAPS:
        yield steps, f"operator {_SWAPS[type(node.op)].__name__}", _swapped
    if _has_effect(node):
        yield steps, "left out", lambda old: ast.Pass()
    elif isinstance(node, ast.Return) and not _is_false(node.value):
        yield steps, "return None", lambda old: ast.Return(ast.Constant(None))


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)


def _has_effect(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant | ast.Yield)
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute)
    if isinstance(node, ast.Return):
        return node.value is None
    return isinstance(node, ast.Raise | ast.AugAssign | ast.Delete | ast.Break | ast.Continue)


def _of_expression(node: ast.expr, steps: _Steps) -> Iterator[_Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield steps, f"operator {_SWAPS[type(node.ops[0])].__name__}", _compared
    elif isinstance(node, ast.BoolOp):
        yield steps, f"operator {_SWAPS[type(node.op)].__name__}", _swapped
        yield steps, "without the last", _without_the_last
    elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
        yield steps, f"operator {_SWAPS[type(node.op)].__name__}", _swapped
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield steps, "without not", lambda old: old.operand
    elif isinstance(node, ast.IfExp) and _plain(node.test):
        yield (*steps, ("test", None)), "negated", _negated
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield steps, "negated", lambda old: ast.Constant(not old.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield steps, "plus 1", lambda old: ast.Constant(old.value + 1)


def _plain(test: ast.expr) -> bool:
    """Whether negating a condition is another change than those of its operator."""
    return not isinstance(test, ast.Compare | ast.UnaryOp | ast.Constant)


def _negated(old: ast.expr) -> ast.AST:
    return ast.UnaryOp(ast.Not(), old)


def _swapped(old: Any) -> ast.AST:
    old.op = _SWAPS[type(old.op)]()
    node: ast.AST = old
    return node


def _compared(old: Any) -> ast.AST:
    old.ops = [_SWAPS[type(old.ops[0])]()]
    node: ast.AST = old
    return node


def _without_the_last(old: ast.BoolOp) -> ast.AST:
    *values, _ = old.values
    return values[0] if len(values) == 1 else ast.BoolOp(old.op, values)
