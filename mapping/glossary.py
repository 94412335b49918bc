"""Words of offers and of other products, beside what Dynamics 365 Sales calls the thing."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "glossary.toml"


@dataclass(frozen=True, slots=True)
class Word:
    """said: the word. called: tables, columns or messages of the destination, {prefix} for the publisher's. note: the difference."""

    said: str
    called: str
    note: str = ""


@cache
def _written() -> tuple[Word, ...]:
    return tuple(Word(**entry) for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["words"])


def words(prefix: str) -> Sequence[Word]:
    """All words in alphabetical order, as an engagement with this publisher prefix has them."""
    found = (Word(word.said, word.called.replace("{prefix}", prefix), word.note) for word in _written())
    return sorted(found, key=lambda word: word.said.casefold())
