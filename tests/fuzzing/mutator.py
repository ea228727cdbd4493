"""Damaged input, in the manner of radamsa: what is valid, changed here and there by a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_NUMBER = re.compile(rb"-?\d+")
_TEXT = re.compile(rb'"[^"\n]*"')

NUMBERS = (
    b"0",
    b"-1",
    b"1.0",
    b"1e400",
    b"-0",
    b"01",
    b"NaN",
    b"2147483648",
    b"9007199254740993",
    b"18446744073709551616",
    b"1" + b"0" * 400,
)
PIECES = (
    b"\n",
    b"\x00",
    b'"',
    b"\\",
    b"{",
    b"[",
    b"]}",
    b",",
    b"null",
    b"true",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    b"\r\n",
    b"[" * 70,
    b'{"a":' * 70,
    b"%00&=&&",
    b'"id":null,',
    b'"params":{"lookup":1},',
)

Mutation = Callable[[random.Random, bytearray], None]


def _place(chance: random.Random, data: bytearray) -> tuple[int, int]:
    """Where something is changed, and how much of it."""
    at = chance.randrange(len(data) + 1)
    return at, min(len(data), at + int(2 ** chance.uniform(0, 7)))


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _noise(chance: random.Random, data: bytearray) -> None:
    at, end = _place(chance, data)
    data[at:end] = chance.randbytes(end - at)


def _drop(chance: random.Random, data: bytearray) -> None:
    at, end = _place(chance, data)
    del data[at:end]


def _double(chance: random.Random, data: bytearray) -> None:
    at, end = _place(chance, data)
    data[at:at] = data[at:end] * chance.choice([1, 1, 2, 50])


def _move(chance: random.Random, data: bytearray) -> None:
    at, end = _place(chance, data)
    piece = data[at:end]
    del data[at:end]
    to = chance.randrange(len(data) + 1)
    data[to:to] = piece


def _insert(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(PIECES)


def _replace(
    chance: random.Random, data: bytearray, pattern: re.Pattern[bytes], by: Sequence[bytes]
) -> None:
    found = list(pattern.finditer(data))
    if found:
        match = chance.choice(found)
        data[match.start() : match.end()] = chance.choice(by)


def _number(chance: random.Random, data: bytearray) -> None:
    _replace(chance, data, _NUMBER, NUMBERS)


def _text(chance: random.Random, data: bytearray) -> None:
    texts = [match.group() for match in _TEXT.finditer(data)]
    _replace(chance, data, _TEXT, [*texts, *NUMBERS, b'""', b"null", b"[]", b"{}"])


def _lines(chance: random.Random, data: bytearray) -> None:
    lines = bytes(data).split(b"\n")
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines[at], lines[to] = lines[to], lines[at]
        case 1:
            lines.insert(to, lines[at])
        case _:
            del lines[at]
    data[:] = b"\n".join(lines)


def _batch(chance: random.Random, data: bytearray) -> None:
    """Several lines become one batch."""
    lines = bytes(data).split(b"\n")
    at = chance.randrange(len(lines))
    end = at + chance.randint(1, 4)
    lines[at:end] = [b"[" + b",".join(lines[at:end]) + b"]"]
    data[:] = b"\n".join(lines)


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _noise,
    _drop,
    _double,
    _move,
    _insert,
    _insert,
    _number,
    _number,
    _text,
    _lines,
    _batch,
)


def damaged(chance: random.Random, data: bytes, most: int = 10) -> bytes:
    """The bytes with up to ``most`` changes; few changes are the likelier ones."""
    changed = bytearray(data)
    for _ in range(int(most ** chance.random())):
        chance.choice(MUTATIONS)(chance, changed)
    return bytes(changed)


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """The bytes as they might come through a socket."""
    cut = []
    while data:
        length = chance.choice([1, 7, 64, 512, 65536])
        cut.append(data[:length])
        data = data[length:]
        if len(cut) > 50:
            cut.append(data)
            break
    return cut
