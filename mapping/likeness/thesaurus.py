"""The words that CRM systems use for one thing, read from synonyms.toml: what a word means, and what a column is called elsewhere."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapping.likeness.words import Words, parted, plural_free

FILE = Path(__file__).with_name("synonyms.toml")


@dataclass(frozen=True, slots=True)
class Thesaurus:
    """meanings: words as written elsewhere -> the words that stand for them here, the longest first where one begins another."""

    noise: frozenset[str]
    meanings: Mapping[Words, Words]
    longest: int
    opposites: frozenset[tuple[str, str]]
    kinds: Mapping[str, frozenset[str]]
    content: Mapping[str, Any]

    def meaning(self, words: Iterable[str]) -> Words:
        """Words in the form in which both sides are compared: noise gone, what is called otherwise elsewhere by its one name.

        Twice, since one meaning may be part of another: `win %` is a win percent, and that is a probability.
        """
        found = self._once(self._once(tuple(words)))
        return tuple(word for word in found if word not in self.noise) or found

    def _once(self, words: Words) -> Words:
        found, place = list[str](), 0
        while place < len(words):
            for size in range(min(self.longest, len(words) - place), 0, -1):
                meant = self.meanings.get(words[place : place + size])
                if meant is not None:
                    found += meant
                    break
            else:
                size = 1
                found.append(plural_free(words[place]))
            place += size
        return tuple(found)

    def own_words(self, table: str) -> frozenset[str]:
        """The table's own name as fields write it."""
        return frozenset(word for phrase in self.content["objects"].get(table, ()) for word in self.meaning(parted(phrase)))

    def called(self, table: str, column: str) -> list[str]:
        """What a standard column is called elsewhere."""
        listed = self.content["columns"]
        return [*listed.get(table, {}).get(column, ()), *listed["*"].get(column, ()), *self._in_address(column)]

    def _in_address(self, column: str) -> list[str]:
        for beginning, qualifiers in self.content["addresses"].items():
            parts = self.content["address_parts"].get(column.removeprefix(beginning)) if column.startswith(beginning) else None
            if parts:
                return [f"{qualifier} {part}".strip() for qualifier in qualifiers for part in parts]
        return []

    def is_system(self, table: str, column: str) -> bool:
        """A column that the service keeps itself."""
        rule = self.content["system"]
        named = column in rule["columns"] or f"{column}@{table}" in rule["columns"] or column == f"{table}id"
        return named or column.endswith(tuple(rule["endings"])) or column.startswith(tuple(rule["beginnings"]))

    def is_seldom(self, column: str) -> bool:
        """A column that rarely gets a value."""
        rule = self.content["seldom"]
        return column in rule["columns"] or column.endswith(tuple(rule["endings"])) or column.startswith(tuple(rule["beginnings"]))


@lru_cache
def thesaurus() -> Thesaurus:
    """The words of synonyms.toml."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    meanings: dict[Words, Words] = {}
    for meant, written in content["same"].items():
        for phrase in (meant, *written):
            meanings.setdefault(parted(phrase), parted(meant))
    return Thesaurus(
        noise=frozenset(content["noise"]),
        meanings=meanings,
        longest=max(len(words) for words in meanings),
        opposites=frozenset(pair for first, second in content["opposites"] for pair in ((first, second), (second, first))),
        kinds={kind: frozenset(words) for kind, words in content["kinds"].items()},
        content=content,
    )


@lru_cache
def vocabulary() -> frozenset[str]:
    """Every word of the synonym list, in its own and in others' form."""
    known = thesaurus()
    listed = [word for words in known.meanings for word in words] + [word for words in known.meanings.values() for word in words]
    columns = [phrase for names in known.content["columns"].values() for phrases in names.values() for phrase in phrases]
    return frozenset(listed) | {word for phrase in columns for word in parted(phrase)} | known.noise
