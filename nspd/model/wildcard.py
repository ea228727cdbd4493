"""Names as they are compared, and patterns of names with ``*`` and ``?``.

``*`` stands for any run of characters, an empty one too, and ``?`` for exactly
one character. Nothing else is special and nothing can be escaped: a name that
holds one of the two can be asked for by a pattern alone.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable


def folded(name: str) -> str:
    """The form in which names are compared: casefold, without Unicode normalisation."""
    return name.casefold()


def is_wildcard(text: str) -> bool:
    """Whether the text is a pattern rather than a name."""
    return "*" in text or "?" in text


def matcher(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a whole name, already `folded`, matches the pattern.

    The pattern is folded here, so ``?`` is one character of the folded name. A
    test takes at most time proportional to the length of the name times that
    of the pattern: a hostile pattern cannot make it explode.
    """
    pattern = folded(pattern)
    if not is_wildcard(pattern):
        return pattern.__eq__
    if not pattern.strip("*"):
        return _anything
    # fnmatch never tries a second place for the text between two stars once it
    # has found the first, which is what bounds the time. Its sets are no part
    # of our patterns: "[[]" is its way to write a plain bracket.
    match = re.compile(fnmatch.translate(pattern.replace("[", "[[]"))).match
    return lambda name: match(name) is not None


def _anything(_name: str) -> bool:
    return True
