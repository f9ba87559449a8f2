"""Shards: the part of the work of one of several processes that do not communicate."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tdsm.util.errors import InputError

__all__ = ["Shard"]

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """A part of many items: those whose number, from 1, is one of ``numbers`` modulo ``of``. Written ``i/n``, or ``i,j,k/n`` for several numbers.

    Example:
        >>> Shard.parse("2/3").pick("abcdefg")
        ['b', 'e']
        >>> str(Shard.parse("1,3/4"))
        '1,3/4'
    """

    numbers: tuple[int, ...]
    of: int

    @classmethod
    def parse(cls, text: str, where: str = "--shard") -> "Shard":
        """Parse ``i/n``. Raises InputError: another form, or a number that is not from 1 to n."""
        left, _, right = text.partition("/")
        parts = [*left.split(","), right]
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            raise InputError(where, f"{text!r:.60} is not of the form i/n", "give 1/4, for example, and 2/4, 3/4 and 4/4 in other processes")
        *numbers, of = map(int, parts)
        if not all(1 <= number <= of for number in numbers):
            raise InputError(where, f"{text!r:.60} has a number that is not from 1 to {of}", "number the shards from 1 to their count")
        return cls(tuple(numbers), of)

    def pick(self, items: Sequence[T]) -> list[T]:
        """The items of this shard, in order."""
        return [item for place, item in enumerate(items) if place % self.of + 1 in self.numbers]

    def holds(self, name: str) -> bool:
        """Whether the item of this name belongs to the shard, by the hash of the name: independent of the machine and of the other items."""
        return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big") % self.of + 1 in self.numbers

    def __str__(self) -> str:
        return f"{','.join(map(str, self.numbers))}/{self.of}"
