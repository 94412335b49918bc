"""What is known of the values of one field of a dataset; `mapping.profiles` counts it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FieldProfile:
    """One field of a dataset.

    rows: records of the dataset that are objects. filled: those with a value that is neither null nor blank text. distinct: different
    filled values; exact. top: up to ten (value, count), the commonest first, long values cut at 200 characters. types: JSON type -> count,
    null included. max_length: in UTF-16 code units, of texts and of the JSON of structures. min, max: of numbers. decimals: the most that
    a number has.
    """

    name: str
    declared_type: str = ""
    rows: int = 0
    filled: int = 0
    distinct: int = 0
    top: tuple[tuple[str, int], ...] = ()
    types: Mapping[str, int] = field(default_factory=dict)
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    decimals: int = 0

    @property
    def fill(self) -> float:
        """Share of the records that hold a value, 0 to 1."""
        return self.filled / self.rows if self.rows else 0.0


class Profiled(Protocol):
    """What says whether a field is used: a profile, or a field of the source as it is kept."""

    @property
    def name(self) -> str:
        """Dots lead into structures."""

    @property
    def filled(self) -> int:
        """Records with a value."""

    @property
    def types(self) -> Mapping[str, int]:
        """JSON type -> records."""


def why_unused(one: Profiled, parents: Collection[str]) -> str:
    """Why there is nothing to move of a field, whatever it means; empty where there is. parents: the fields that others are nested in."""
    if one.filled == 0:
        return "No record holds a value; the source can't delete fields, so unused ones stay behind."
    if one.name in parents and set(one.types) <= {"object", "null"}:
        return "Its own fields are mapped one by one."
    return ""
