"""Ranks a table's columns for a source field, by its name and by what its values look like, with a score and reasons in words.

A score is meant as the chance that the column is the right one, 0 to 1; below ACCEPTED nothing is proposed, since a wrong column is worse
than a new one. What is proposed here moves nothing: a person confirms it.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from rapidfuzz import fuzz, process

from mapping.fieldprofiles import FieldProfile
from mapping.likeness.evidence import Evidence, evidence_of
from mapping.likeness.thesaurus import thesaurus, vocabulary
from mapping.likeness.words import Words, parted, words_of
from mapping.transforms import ColumnLike

ACCEPTED = 0.6
SHOWN = 8
LEAST = 5  # candidates are listed even where hardly anything fits, as long as the table has columns
OWN_WORD = 0.2  # weight of the table's own name in a field: `leadStatus` of a lead
FIRST = 0.1  # weight of a 1: what is first is what is meant anyway
FIRSTS = ("1", "primary")
WITHOUT_PATH = 0.85  # a field's last name alone, where what stands before the dots doesn't help: `person.name.firstName`
LEAST_WEIGHT = 0.35
NEARLY = 84  # likeness in percent from which two spellings are taken for one word
UNTYPED_DOUBT = 0.9  # a field named like one kind of column against a column of another
OPPOSITE = 0.35
SELDOM = 0.93
LOGICAL = 0.96  # logical names are older than what people call the column: `company` of a contact is a phone number
SYSTEM = 0.3
CLOSE_BY = 0.9  # share of the best column's likeness from which the next is a rival
# What share of the names with such a likeness were right in the tuning set of tests/mapping, rounded and made to rise.
CALIBRATION = ((0.0, 0.0), (0.4, 0.08), (0.6, 0.25), (0.7, 0.4), (0.8, 0.6), (0.9, 0.8), (1.0, 0.95))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that may take a field: its score from 0 to 1, and why, in sentences."""

    column: str
    score: float
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As it is kept with a proposal and printed."""
        return {"column": self.column, "score": round(self.score, 3), "reasons": list(self.reasons)}


class Phrase(NamedTuple):
    """One way to call a column: its words as they are compared, as written, and where it comes from."""

    column: str
    words: Words
    written: str
    origin: str  # display name, logical name or synonym


class Fit(NamedTuple):
    """How well a phrase fits a field: likeness 0 to 1, and the words of the field that it leaves out."""

    likeness: float
    phrase: Phrase
    missed: Words


@lru_cache(maxsize=50)  # the built-in columns of a table are the same everywhere
def _called(table: str, named: tuple[tuple[str, str], ...]) -> tuple[frozenset[str], Sequence[Phrase]]:
    """The words that are known in a table, and each way to call one of its columns. named: logical and display names."""
    known = vocabulary() | {word for _, displayed in named for word in parted(displayed)}
    return known, tuple(phrase for name, displayed in named for phrase in _phrases(table, name, displayed, known))


def _phrases(table: str, name: str, displayed: str, known: frozenset[str]) -> Iterator[Phrase]:
    written = {(displayed, "display name"): None, (name, "logical name"): None}
    for synonym in thesaurus().called(table, name):
        written.setdefault((synonym, "synonym"))
    seen: set[Words] = set()
    for text, origin in written:
        words = thesaurus().meaning(words_of(text, known))
        if words and words not in seen:
            seen.add(words)
            yield Phrase(name, words, text, origin)


class Likeness:
    """The columns of one table, made ready once to be ranked for many fields."""

    def __init__(self, table: str, columns: Mapping[str, ColumnLike]) -> None:
        """Take the columns' names apart. columns: logical name -> column, of the destination or built in."""
        self.table, self.columns = table, columns
        self.words = thesaurus()
        self.own = self.words.own_words(table)
        self.known, self.phrases = _called(table, tuple((column.name, _displayed(column)) for column in columns.values()))

    @cached_property
    def _shown_late(self) -> dict[str, tuple[bool, bool]]:
        """Column -> whether the service keeps it itself, and whether it rarely gets a value."""
        return {column: (self.words.is_system(self.table, column), self.words.is_seldom(column)) for column in self.columns}

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, phrase in enumerate(self.phrases):
            for word in set(phrase.words):
                found.setdefault(word, []).append(number)
        return found

    @cached_property
    def _weights(self) -> dict[str, float]:
        """A word that many columns share says little: 1 for a word of one column, down to LEAST_WEIGHT."""
        columns: Counter[str] = Counter()
        for phrase_words in self._words_of_columns.values():
            columns.update(phrase_words)
        most = math.log(len(self.columns) + 1)
        return {word: max(1 - 0.8 * math.log(count) / most, LEAST_WEIGHT) if most else 1.0 for word, count in columns.items()}

    @cached_property
    def _words_of_columns(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for phrase in self.phrases:
            if phrase.origin != "synonym":
                found.setdefault(phrase.column, set()).update(phrase.words)
        return found

    def rank(self, name: str, profile: FieldProfile | None = None, limit: int = SHOWN) -> list[Candidate]:
        """Candidates for a field, best first, at least LEAST of them where the table has as many columns.

        profile: what the field holds, where it is known. Columns that the service keeps itself come last.
        """
        words = self.words.meaning(words_of(name, self.known))
        fits = self._fits(words)
        if "." in name:
            self._read_without_path(name, fits)
        evidence = evidence_of(profile) if profile else None
        judged = [self._judged(name, words, fit, evidence) for fit in fits.values()]
        judged += [Candidate(column, 0.0, ("Its name is not alike.",)) for column in self.columns if column not in fits]
        spelled = "".join(parted(name))
        ranked = heapq.nsmallest(limit, judged, key=lambda one: (-one.score, *self._rank_of(one.column, spelled)))
        kept = [one for place, one in enumerate(ranked) if place < LEAST or one.score > 0]
        return self._with_doubt(kept)

    def _read_without_path(self, name: str, fits: dict[str, Fit]) -> None:
        """Better fits of the last name of a nested field take their columns' places."""
        alone = self._fits(self.words.meaning(words_of(name.rpartition(".")[2], self.known)))
        for column, fit in alone.items():
            likeness = fit.likeness * WITHOUT_PATH
            if column not in fits or likeness > fits[column].likeness:
                fits[column] = fit._replace(likeness=likeness)

    def _rank_of(self, column: str, spelled: str) -> tuple[bool, bool, float, str]:
        """Among equal scores: what a form shows first, then what is spelled like the field."""
        return *self._shown_late[column], -fuzz.ratio(spelled, column), column

    def _fits(self, words: Words) -> dict[str, Fit]:
        """Column -> its best phrase for the field's words; only columns that share a word with it."""
        meant = self._spelled_alike(words)
        total = sum(self._weight(word) for word in words)
        numbers = {number for spellings in meant.values() for word in spellings for number in self._by_word[word]}
        best: dict[str, Fit] = {}
        for number in sorted(numbers):
            phrase = self.phrases[number]
            fit = self._fit(words, meant, total, phrase)
            if phrase.column not in best or fit.likeness > best[phrase.column].likeness:
                best[phrase.column] = fit
        return best

    def _spelled_alike(self, words: Words) -> dict[str, dict[str, float]]:
        """Each word of a field -> the words of phrases that are the same or spelled nearly so, with their likeness."""
        found: dict[str, dict[str, float]] = {}
        for word in words:
            alike = {word: 1.0} if word in self._by_word else {}
            if not alike and len(word) > 3:
                near = process.extract(word, self._by_word.keys(), scorer=fuzz.ratio, score_cutoff=NEARLY, limit=3)
                alike = {other: score / 100 * 0.95 for other, score, _ in near}
                alike |= {other: 0.85 for other in self._by_word if len(word) > 3 and other.startswith(word)}
            found[word] = alike
        return found

    def _fit(self, words: Words, meant: Mapping[str, Mapping[str, float]], total: float, phrase: Phrase) -> Fit:
        """Likeness of a field's and a phrase's words: the harmonic mean of how much of each the other covers."""
        covered_field, covered_phrase, missed, used = 0.0, 0.0, [], set()
        for word in words:
            other, likeness = max(
                ((o, s) for o, s in meant[word].items() if o in phrase.words and o not in used), default=("", 0.0), key=_second
            )
            if likeness:
                used.add(other)
                covered_field += likeness * self._weight(word)
                covered_phrase += likeness * self._weight(other)
            else:
                missed.append(word)
        whole = sum(self._weight(word) for word in set(phrase.words))
        if not covered_field or not whole:
            return Fit(0.0, phrase, tuple(missed))
        share, back = covered_field / total, covered_phrase / whole
        likeness = 2 * share * back / (share + back)
        if any((one, other) in self.words.opposites for one in missed for other in phrase.words if other not in used):
            likeness *= OPPOSITE
        return Fit(min(likeness, 1.0) * (LOGICAL if phrase.origin == "logical name" else 1), phrase, tuple(missed))

    def _weight(self, word: str) -> float:
        if word in FIRSTS:
            return FIRST
        if word in self.own:
            return OWN_WORD
        return 1.0 if word.isdigit() else self._weights.get(word, 1.0)

    def _judged(self, name: str, words: Words, fit: Fit, evidence: Evidence | None) -> Candidate:
        """A fit with what speaks against it and what the values say, as a candidate."""
        column = self.columns[fit.phrase.column]
        is_system, is_seldom = self._shown_late[column.name]
        reasons = [_told(name, words, fit)]
        likeness = fit.likeness
        if is_seldom:
            likeness *= SELDOM
        if evidence:
            factor, said = evidence.judge(column)
            likeness, reasons = min(likeness * factor, 1.0), reasons + said
        elif self._of_another_kind(words, column):
            likeness *= UNTYPED_DOUBT
            reasons.append(f"The name sounds like another kind than {column.kind}.")
        if is_system:
            likeness *= SYSTEM
            reasons.append("The service keeps this column itself.")
        return Candidate(column.name, calibrated(likeness), tuple(reasons))

    def _of_another_kind(self, words: Words, column: ColumnLike) -> bool:
        named = {kind for kind, cues in self.words.kinds.items() if cues & set(words[-1:])}
        return bool(named) and not any(column.kind in KINDS_OF[kind] for kind in named)

    def _with_doubt(self, ranked: list[Candidate]) -> list[Candidate]:
        """The best one loses certainty where the next is nearly as good."""
        if len(ranked) < 2 or not ranked[0].score:
            return ranked
        best, rival = ranked[:2]
        near = (rival.score / best.score - CLOSE_BY) / (1 - CLOSE_BY)
        if near <= 0:
            return ranked
        doubt = f"{rival.column} fits nearly as well."
        return [Candidate(best.column, max(best.score * (1 - 0.25 * near), rival.score * 0.999), (*best.reasons, doubt)), *ranked[1:]]


KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "DateTime": ("DateTime",),
    "Boolean": ("Boolean",),
    "Number": ("Integer", "BigInt", "Decimal", "Double", "Money", "String"),
}


def calibrated(likeness: float) -> float:
    """A likeness as the chance that the column is right, along CALIBRATION."""
    for (low, at_low), (high, at_high) in zip(CALIBRATION, CALIBRATION[1:], strict=False):
        if likeness <= high:
            return at_low + (at_high - at_low) * (likeness - low) / (high - low)
    return CALIBRATION[-1][1]


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _displayed(column: ColumnLike) -> str:
    return getattr(column, "display_name", "") or column.name


def _told(name: str, words: Words, fit: Fit) -> str:
    """Why a name fits, in words: how it was read, what the column is called, and what of it stays unexplained."""
    phrase, read = fit.phrase, " ".join(words)
    said = {"display name": f"the column's display name is '{phrase.written}'", "logical name": f"the column is named {phrase.written}"}
    called = said.get(phrase.origin, f"other systems call this column '{phrase.written}'")
    start = f"'{name}'" if read == " ".join(parted(name)) else f"'{name}' reads as '{read}'"
    missed = f" Not explained: {', '.join(fit.missed)}." if fit.missed else ""
    return f"{start}: {called}.{missed}"
