"""Value maps: which option of a column a source's word becomes. What likeness proposes is a proposal; a person confirms it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from mapping.likeness.thesaurus import thesaurus, vocabulary
from mapping.likeness.words import words_of
from mapping.transforms import choice_key

ALIKE = 88  # percent from which two spellings of a label are one


@dataclass(frozen=True, slots=True)
class ValueLine:
    """A source value, in how many records it is, and the option that the map gives it; None where it has none."""

    value: str
    records: int
    option: int | None = None


def lines(top: Iterable[tuple[str, int]], values: Mapping[str, int]) -> list[ValueLine]:
    """A line for each of the commonest values, the commonest first, then for what only the map knows."""
    known = {choice_key(word): option for word, option in values.items()}
    seen = [ValueLine(str(value), count, known.get(choice_key(value))) for value, count in top]
    keys = {choice_key(line.value) for line in seen}
    return seen + [ValueLine(word, 0, option) for word, option in values.items() if choice_key(word) not in keys]


def propose_values(values: Iterable[str], options: Mapping[int, str]) -> dict[str, int]:
    """Source value -> option, where one label is the same word, means the same, or is spelled nearly so; doubtful ones are left open."""
    found: dict[str, int] = {}
    for value in values:
        option = _option_like(str(value), options)
        if option is not None and choice_key(value):
            found[str(value)] = option
    return found


def _option_like(value: str, options: Mapping[int, str]) -> int | None:
    tests = (
        lambda label: choice_key(label) == choice_key(value),
        lambda label: _meaning(label) == _meaning(value),
        lambda label: len(value) > 3 and fuzz.ratio(choice_key(label), choice_key(value)) >= ALIKE,
    )
    for test in tests:
        fitting = [option for option, label in options.items() if test(label)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _meaning(text: str) -> Sequence[str]:
    return sorted(thesaurus().meaning(words_of(text, vocabulary()))) or [text]
