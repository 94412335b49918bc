"""What a platform's package tells of its landed objects: figures and tables for people to read, and findings.

A platform's inventory is a module with two functions that get a `Landed`: `summaries` and `findings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from connectors.base import Finding

Cell = str | int | float | None
SHOWN = 200  # rows of a table; the rest is counted


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a summary. more: rows that aren't shown. shares: columns (by place) whose numbers are shares of 0 to 1."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0
    shares: tuple[int, ...] = ()
    note: str = ""
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Summary:
    """One object as discovery saw it. figures: label -> value, the most telling first."""

    object: str
    title: str
    figures: Mapping[str, Cell]
    tables: tuple[Table, ...] = ()
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the database keeps it; figures as pairs, since JSON objects there lose their order."""
        return {**asdict(self), "figures": [list(pair) for pair in self.figures.items()]}


class Landed(Protocol):
    """The landed objects of an engagement that a summary is made from."""

    @property
    def names(self) -> Mapping[str, str]:
        """What the engagement calls the fields that settings name."""

    def has(self, object_name: str) -> bool:
        """Whether the object was landed."""

    def records(self, object_name: str) -> Iterator[dict[str, Any]]:
        """Its records that are one JSON object each, in order; none where it wasn't landed."""

    def taken_at(self, object_name: str) -> datetime | None:
        """When its landing began; None where it wasn't landed."""

    def people_with(self, field: str) -> Mapping[str, int]:
        """Value -> people whose list field holds it, such as the ids of lists they are on."""


class Inventory(Protocol):
    """A platform's module."""

    def summaries(self, landed: Landed) -> Iterator[Summary]:
        """One summary per object that the platform has something to tell of."""

    def findings(self, landed: Landed) -> Iterator[Finding]:
        """What a person should know of the objects before the plan is made."""


def table(title: str, head: tuple[str, ...], rows: Sequence[tuple[Cell, ...]], **more: Any) -> Table:
    """A table of at most SHOWN rows."""
    return Table(title, head, tuple(rows[:SHOWN]), more=max(0, len(rows) - SHOWN), **more)
