"""Bytes to choices: how every target makes its input from what a fuzzer offers.

What lives here: ``Choices``, which gives an answer to any question for any bytes, and
``stretched``, which lets a few bytes stand for thousands. What must not: knowledge of one
target.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

#: Stands, in front of a count and a byte, for that byte many times over: what a limit is
#: for must be reachable by inputs of a few hundred bytes. It occurs in no UTF-8.
MANY = 0xFF

#: How many bytes one count stands for; 255 of them make 8 KiB.
_EACH = 32

#: How many counts are written out: with more of them, every input would be a long one.
_MARKS = 2

#: How often a text may be repeated; 5,000 digits are more than ``int`` converts.
_TIMES = (1, 1, 1, 1, 1, 1, 2, 100, 1100, 5000)

#: Characters that a text may get longer by.
_LONGEST = 8192


class Choices:
    """Answers from a string of bytes, taken from its front; zeros when it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there is anything left to choose with."""
        return self._at < len(self._data)

    def number(self, below: int) -> int:
        """Give a number from 0 to ``below - 1``."""
        taken = self.taken(1 if below <= 256 else 4)
        return int.from_bytes(taken, "little") % below

    def yes(self) -> bool:
        """Give a decision."""
        return self.number(2) == 1

    def one_of(self, options: Sequence[T]) -> T:
        """Give one of the options."""
        return options[self.number(len(options))]

    def taken(self, count: int) -> bytes:
        """Give the next bytes, fewer at the end."""
        start, self._at = self._at, self._at + count
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """Give all that is left."""
        return self.taken(len(self._data))

    def some(self, most: int = 255) -> bytes:
        """Give some bytes, as many as the first of them says."""
        return self.taken(self.number(most + 1))

    def text(self, most: int = 255) -> str:
        """Give a text of any characters, halves of surrogate pairs among them."""
        raw, kind = self.some(most), self.number(32)
        if kind == 0:
            text = raw[: len(raw) // 2 * 2].decode("utf-16-le", "surrogatepass")
        elif kind == 1:
            text = raw.decode("latin-1")
        else:
            text = raw.decode("utf-8", "surrogateescape" if kind == 2 else "replace")
        times = self.one_of(_TIMES) if kind > 24 else 1
        return text * min(times, _LONGEST // max(1, len(text)) + 1)

    def pieces(self, whole: bytes, most: int = 8) -> list[bytes]:
        """Cut bytes into pieces at places of the fuzzer's choice."""
        size = len(whole) + 1
        places = self.taken(most)
        ends = sorted(at % size if size <= 256 else at * size >> 8 for at in places)
        return [
            whole[a:b] for a, b in zip([0, *ends], [*ends, len(whole)], strict=True)
        ]


def stretched(data: bytes) -> bytes:
    """Write out what stands for many bytes."""
    whole, *parts = data.split(bytes([MANY]), _MARKS)
    for part in parts:
        whole += part[1:2] * (part[0] * _EACH) + part[2:] if len(part) > 1 else part
    return whole


def many(count: int, byte: bytes) -> bytes:
    """Write, in a seed, that a byte comes at least ``count`` times."""
    return bytes([MANY, -(-count // _EACH)]) + byte
