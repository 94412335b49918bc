"""Takes names apart into words: by case, digits and punctuation, and run-together ones by words that are known."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

Words = tuple[str, ...]
# HTTPCode -> HTTP Code, leadSource -> lead Source, address2 -> address 2; all else that is no letter or digit divides.
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|%|#|[^\W\d_]+")
SHORTEST_RUN = 6  # a shorter word isn't taken apart
SHORTEST_PART = 2
SHORTEST_UNKNOWN = 4
MOST_UNKNOWN = 0.6
_GERMAN = str.maketrans({"ß": "ss", "ẞ": "ss", "æ": "ae", "ø": "o", "œ": "oe"})


def plain(text: str) -> str:
    """Without accents, `ß` as `ss`; upper and lower case stay, since they divide words."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_GERMAN))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@lru_cache(maxsize=10_000)  # an engagement's columns and fields, and those of the next one
def parted(name: str) -> Words:
    """A name's words in lower case: `MailingPostalCode` is mailing, postal, code; `address_2` is address, 2.

    A custom field's ending `__c` goes; capitals in a row are one word, so that `LEAD_SOURCE` isn't taken letter by letter.
    """
    text = re.sub(r"__(c|pc|r)$", "", plain(name).replace("'", " ").replace("’", " "))
    return tuple(part.lower() for part in _PARTS.findall(text))


def plural_free(word: str) -> str:
    """A word without the English plural's ending."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def words_of(name: str, known: frozenset[str]) -> list[str]:
    """A name's words, run-together ones taken apart where known words make up the whole of them: `numberofemployees`."""
    return [part for word in parted(name) for part in _run_apart(word, known)]


def _run_apart(word: str, known: frozenset[str]) -> Iterable[str]:
    if len(word) < SHORTEST_RUN or word in known or plural_free(word) in known or not word.isalpha():
        return (word,)
    return _fewest(word, known) or (word,)


@lru_cache(maxsize=20_000)
def _fewest(word: str, known: frozenset[str]) -> Words | None:
    """The cheapest way to take a word apart: known words, and at most one stretch of letters that isn't known beside longer known ones.

    None where there is no way, or where little of the word would be known.
    """
    best: list[_Way | None] = [_Way()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end - SHORTEST_PART + 1):
            before, part = best[start], word[start:end]
            if before is None:
                continue
            way = before.with_part(part, part in known or plural_free(part) in known)
            if way and (best[end] is None or way.cost < best[end].cost):  # type: ignore[union-attr]  # mypy forgets the list's entry
                best[end] = way
    found = best[-1]
    return found.parts if found and len(found.parts) > 1 and found.unknown <= len(word) * MOST_UNKNOWN else None


class _Way(NamedTuple):
    """A way to take the beginning of a word apart; few parts cost little, short and unknown ones more."""

    parts: Words = ()
    cost: float = 0.0
    unknown: int = 0

    def with_part(self, part: str, known: bool) -> "_Way | None":
        """The way with one part more; None where a second part would be unknown or one is too short for that."""
        if known:
            return _Way((*self.parts, part), self.cost + 1 + 2 / len(part), self.unknown)
        if self.unknown or len(part) < SHORTEST_UNKNOWN:
            return None
        return _Way((*self.parts, part), self.cost + 3 + len(part) / 4, len(part))
