"""What a document for paper is made of: a title page, parts with text, figures and tables. One shape for all of them.

A book is built from the same data as the JSON and the workbook; how it looks is said once, in templates/documents/book.typ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Tone(StrEnum):
    """How a state is shown; each has a sign of its own, so that it can be told in grey."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"


class Kind(StrEnum):
    """How a column is set: text to the left, numbers to the right with thousands, names of columns and hashes in a fixed-width face."""

    TEXT = "text"
    NUMBER = "number"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Status:
    """A state in a word or two, and a quieter line below it."""

    words: str
    tone: Tone = Tone.PLAIN
    below: str = ""


@dataclass(frozen=True, slots=True)
class Stacked:
    """A value with a quieter line below it."""

    main: Any
    below: Any = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A hash, a name of a column or a query, in a fixed-width face."""

    text: str


@dataclass(frozen=True, slots=True)
class PageOf:
    """Where the part with this key begins: on paper its page."""

    key: str


Cell = Any  # text, a number, a moment, yes or no, None, Status, Stacked, Code or PageOf


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. width: its share of the table's width, in whatever unit all columns of the table use."""

    title: str
    width: float
    kind: Kind = Kind.TEXT


def number(title: str, width: float) -> Column:
    """A column of numbers."""
    return Column(title, width, Kind.NUMBER)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a header that is repeated on every page.

    empty: what is said where there are no rows. most: rows that are shown; `kept_in` holds all, and is named.
    longest: characters of a value that are shown, with how many more there are.
    """

    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    empty: str = "None."
    most: int = 1_000
    longest: int = 10_000
    kept_in: str = "the workbook"


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure with what it counts."""

    value: Cell
    label: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that stands out."""

    words: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with what stands below it, in this order. level: 1 for a chapter, 2 and 3 below it; the contents list 1 and 2.

    key: by which a PageOf refers to it; letters and digits, each once in a book.
    """

    heading: str
    level: int = 1
    key: str = ""
    text: Sequence[str] = ()
    notes: Sequence[Note] = ()
    figures: Sequence[Figure] = ()
    facts: Sequence[tuple[str, Cell]] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """The title page. digest: SHA-256 of the content as JSON; at: when this version of the content was first written."""

    engagement: str
    version: int
    at: datetime
    digest: str
    facts: Sequence[tuple[str, Cell]] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """A whole document. facts: what the title page says beside engagement, version, date and hash. parts: read once."""

    title: str
    summary: str
    parts: Iterable[Part]
    facts: Sequence[tuple[str, Cell]] = field(default=())
