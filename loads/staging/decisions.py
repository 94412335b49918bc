"""What staging decides of a record, what its rows are built to, and what a kind of objects adds; the shapes that staging's parts share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import duckdb

from connectors.models import Dataset
from connectors.store import reader
from loads.staging.context import StagingContext
from loads.staging.rows import Draft
from mapping.issues import Issue

MAIN = ""  # stands for the main table of an object, whichever the customer chose


class Row(NamedTuple):
    """A row that a record gets: its id, where it comes from, and whether it is at the destination."""

    table: str
    role: str
    row_id: str
    origin: str
    present: bool
    applied_hash: str


class Parent(NamedTuple):
    """The row that a lookup leads to; table and row_id are None where there is none. found: whether the source has such a record."""

    column: str
    found: bool
    source_id: str | None
    table: str | None
    row_id: str | None
    owner: str | None
    company_row: str | None


class Decision(NamedTuple):
    """What staging decided of one record, before its rows are built. fitting: rows that were there and fit it, "table:id"."""

    position: int
    source_id: str
    disposition: str
    into_id: str
    codes: list[str]
    created: str
    owner: str
    rows: list[Row]
    parents: list[Parent]
    fitting: list[str]

    def parent(self, column: str) -> Parent | None:
        """What a lookup leads to."""
        return next((parent for parent in self.parents if parent.column == column and parent.row_id), None)


@dataclass(slots=True)
class Late:
    """Something to do with a row once it is there. values: what the phase's kind needs. parents: what must be there beside the row."""

    kind: str
    table: str
    row_id: str
    values: Mapping[str, Any]
    parents: Sequence[str] = ()
    role: str = ""


@dataclass(slots=True)
class Built:
    """What became of one record: drafts by table, what is done late, and every issue of it."""

    drafts: list[tuple[str, Draft]]
    late: list[Late]
    issues: list[Issue]


class Builder(Protocol):
    """Builds the rows of one object's records."""

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """Never raises on what a source said."""


@dataclass(frozen=True, slots=True)
class Money:
    """What an object's records are worth, and the rows that hold it; see `loads.staging.sums`.

    name: as reports call it, unique within the object. tables: table -> columns, of which a row is worth the product; of a record whose
    main table is among them that one alone counts, and where the maps give it no column, the record's worth stays behind. read: of a raw
    record the currency's code and as many numbers as there are columns, None for what can't be read as one. told: (severity, field or
    column) of the reasons that say why a row is worth something else than its record.
    """

    name: str
    tables: Mapping[str, Sequence[str]]
    read: Callable[[Mapping[str, Any]], tuple[str, Sequence[Decimal | None]]]
    told: frozenset[tuple[str, str]]

    @property
    def factors(self) -> int:
        """How many numbers a worth is the product of."""
        return max(map(len, self.tables.values()))


@dataclass(frozen=True, slots=True)
class Kind:
    """How the objects of a kind differ.

    builder: makes the row builder. late: (table, Phase.Kind) of what is done with rows once they are there, MAIN for the main table.
    tables: in load order, where they aren't simply the object's. dataset: the records, where they aren't simply the landed ones. judge:
    adds to table `codes` (position, code, disposition) what keeps records from loading beside their parents, and may merge records in
    `merges` (position, into_id). targets: SQL of (position, "table", role), the rows that each record gets; None for one row in the main
    table. match: the text that rows that are there are found by. shared: rows that all records share, whose source ids begin with @.
    gone: keeps what no record stands for any more, where that is more than rows. money: what the records are worth; None where the
    object's tables hold nothing of it.
    """

    builder: Callable[[StagingContext, str], Builder]
    late: Sequence[tuple[str, str]] = ()
    tables: Sequence[str] | None = None
    dataset: Callable[[StagingContext, str], Dataset] | None = None
    judge: Callable[[duckdb.DuckDBPyConnection, StagingContext, str], None] | None = None
    targets: Callable[[StagingContext, str], str] | None = None
    match: Callable[[StagingContext, str], Callable[[Mapping[str, Any]], str]] | None = None
    shared: Callable[[StagingContext, str], Iterator[tuple[str, Draft]]] | None = None
    gone: Callable[[duckdb.DuckDBPyConnection, StagingContext, str], None] | None = None
    money: Callable[[StagingContext, str], Money | None] | None = None

    def moneys(self, context: StagingContext, object_name: str) -> list[Money]:
        """What the records of an object are worth; nothing where it has no money."""
        money = self.money(context, object_name) if self.money else None
        return [money] if money else []


def read_decisions(context: StagingContext, object_name: str, start: int = 0, stop: int | None = None) -> Iterator[Decision]:
    """The decisions of records at positions `start` to `stop` (not included), in order."""
    within = """SELECT position, source_id, disposition, into_id, codes, created, owner, fitting, rows, parents FROM read_parquet(?)
                WHERE position >= ? AND position < ? ORDER BY position"""
    with reader() as con:
        cursor = con.execute(within, [str(context.decisions(object_name)), start, 2**62 if stop is None else stop])
        while batch := cursor.fetchmany(2_000):
            for *plain, fitting, rows, parents in batch:
                of_rows, of_parents = [Row(*row.values()) for row in rows], [Parent(*parent.values()) for parent in parents]
                yield Decision._make([*plain, of_rows, of_parents, fitting])
