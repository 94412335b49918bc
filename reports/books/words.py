"""Words that several books share."""

from collections.abc import Iterable, Mapping
from typing import Any

from reports.book import Column, Kind, Status, Tone

VERDICTS = {
    "equal": ("Equal", Tone.GOOD),
    "transformed": ("As planned", Tone.GOOD),
    "lossy": ("As planned, less", Tone.WARN),
    "wrong": ("Wrong", Tone.BAD),
}


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def summed(whole: int, name: str, parts: Mapping[str, int]) -> str:
    """A balance written out: 9 extracted = 6 loaded + 1 merged + …."""
    return f"{whole:,} {name} = " + " + ".join(f"{number:,} {part}" for part, number in parts.items())


def sums(first: str, whole: str, parts: Iterable[str]) -> list[Column]:
    """Columns of a balance: what is counted, the whole, its parts, and whether they add up."""
    numbers = [Column(name.capitalize(), 9 + 1.2 * len(name), Kind.NUMBER) for name in (whole, *parts)]
    return [Column(first, 34), *numbers, Column("Balance", 23)]


def listed(words: Iterable[Any]) -> str:
    """Things one after the other, or a dash."""
    return ", ".join(str(word) for word in words) or "–"


def balance(holds: bool) -> Status:
    """Whether a sum holds."""
    return Status("Balances", Tone.GOOD) if holds else Status("Doesn't", Tone.BAD)


def verdict(value: str) -> Status:
    """What came of comparing a value that was read back."""
    return Status(*VERDICTS.get(value, (value, Tone.PLAIN)))
