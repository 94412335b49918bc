"""What was written against what is read back, value by value, by the column's type; and the tally of it.

What is read, and when, stands in `loads.reading_back`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from connectors.dataverse.client import Client
from connectors.dataverse.files import BLOCK, SIZE, TABLES, name_of
from connectors.dataverse.metadata import Column, Table
from connectors.files import size_of
from connectors.store import batched
from loads.destination import EDITED_ON, EDITOR
from loads.models import Chunk, Phase
from loads.staged import StagedRow
from loads.weights import size, weighed

BIND = "@odata.bind"
# A create-only column that the service moves: the moment given ends up in createdon.
MOVED = {"overriddencreatedon": "createdon"}
# Of each value, in this order: as the source holds it, as the plan makes it, shortened or left out with a remark, not what was sent, or not
# what was sent since somebody else changed the row after us.
EQUAL, TRANSFORMED, LOSSY, WRONG, EDITED = VERDICTS = ("equal", "transformed", "lossy", "wrong", "edited")
PLACES = {verdict: place for place, verdict in enumerate(VERDICTS)}
MONEY = "Money"
MEASURED = ("Integer", "BigInt", "Decimal", "Double", MONEY)
CURRENCY = "_transactioncurrencyid_value"  # in which a row's money is
READ_ROWS = 500  # at once; their ids make an address of some 21,000 characters
READ_BYTES = 4 * BLOCK  # of files, at once

Compared = tuple[StagedRow, Mapping[str, Any], Mapping[str, Any] | None]


class Comparison(ABC):
    """What must be found of rows and what is found, compared by the columns' types. stamp: the run's own values, which its rows hold."""

    stamp: Mapping[str, Any] = {}

    def __init__(self, columns: Mapping[str, Column]) -> None:
        """columns: by the names that `compared` uses, or the names within its read forms."""
        self.columns = columns

    @abstractmethod
    def by(self, client: Client) -> "Comparison":
        """The same, read by another application user."""

    def parts(self, rows: Sequence[StagedRow]) -> Iterator[list[StagedRow]]:
        """The rows as they are read together."""
        return batched(rows, READ_ROWS)

    @abstractmethod
    def compared(self, rows: Sequence[StagedRow]) -> Iterator[Compared]:
        """Each row with what must be found of it and what was read; None where there is nothing."""

    def column(self, key: str) -> Column | None:
        """The column that a read form names."""
        return self.columns.get(column_name(key))

    def wrong(self, meant: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[str]:
        """The keys whose values aren't what was meant; all of them where there is nothing."""
        if found is None:
            return list(meant)
        odd = [key for key, wanted in meant.items() if (read := found.get(key)) != wanted or type(read) is not type(wanted)]
        return [key for key in odd if not same(self.column(key), meant[key], found.get(key))]


def changed_by_others(found: Mapping[str, Any], ours: Collection[str]) -> bool:
    """Whether somebody else changed last what was read. ours: our application users. False where the service doesn't say who did."""
    editors = (str(value).lower() for key, value in found.items() if key.endswith(EDITOR))
    return any(editor not in ours for editor in editors)


class ReadBack(Comparison):
    """What rows of one table must hold and what they do hold. stamp: the run's own values, sent with every row."""

    def __init__(self, client: Client, table: Table, stamp: Mapping[str, Any]) -> None:
        """Know the table's lookups and types."""
        super().__init__(table.columns)
        self.client, self.table, self.stamp = client, table, stamp
        self._content = TABLES[table.name].content if table.name in TABLES else ""
        self._names: dict[str, str] = {}
        has_currency = column_name(CURRENCY) in table.columns
        self._money = frozenset(column.name for column in table.columns.values() if has_currency and column.kind == MONEY)
        self._lookups = {navigation: column.name for column in table.columns.values() for navigation in column.navigation.values()}

    def by(self, client: Client) -> "ReadBack":
        """The same rows, read by another application user."""
        return ReadBack(client, self.table, self.stamp)

    def parts(self, rows: Sequence[StagedRow]) -> Iterator[list[StagedRow]]:
        """The rows as they are read together: few, where they have files."""
        return weighed(rows, partial(size, self.table.name), READ_ROWS, READ_BYTES)

    def meant(self, row: StagedRow) -> dict[str, Any]:
        """Read form of a row's body: column (or `_column_value`) -> what should be found there; of a file its size."""
        found: dict[str, Any] = {}
        for key, value in chain(row.values.items(), self.stamp.items()):
            name = self._names.get(key)
            if name is None:
                name = self._names[key] = self._read_form(key)
            found[name] = value if name[0] != "_" or value is None else value.rpartition("(")[2].rstrip(")").lower()
        if name := found.pop(self._content, None):
            found[SIZE] = size_of(name)
        return found

    def _read_form(self, key: str) -> str:
        return f"_{self._lookups[key.removesuffix(BIND)]}_value" if key.endswith(BIND) else MOVED.get(key, key)

    def compared(self, rows: Sequence[StagedRow]) -> Iterator[Compared]:
        """Each row with what it must hold and what was read, beside money its currency; None where there is no such row."""
        wanted = {row.row_id: self.meant(row) for row in rows}
        keys = {key for values in wanted.values() for key in values}
        who = {key for key in (EDITOR, EDITED_ON) if column_name(key) in self.table.columns}
        select = sorted(keys | who | ({CURRENCY} if keys & self._money else set()))
        read = self.client.retrieve(self.table.entity_set, self.table.primary_id, list(wanted), select) if rows else ()
        found = {row[self.table.primary_id].lower(): row for row in read}
        return (self._with_content((row, wanted[row.row_id], found.get(row.row_id))) for row in rows)

    def _with_content(self, compared: Compared) -> Compared:
        """The same with the name of the file that was meant and of the one that is there, which says its SHA-256."""
        row, meant, found = compared
        if SIZE not in meant or found is None:
            return compared
        there = name_of(self.client, self.table, row.row_id)
        return row, {**meant, self._content: row.values[self._content]}, {**found, self._content: there}

    def differing(self, rows: Sequence[StagedRow]) -> Iterator[tuple[StagedRow, set[str]]]:
        """Each row with the columns that hold something else than was meant; all of them where the row is missing."""
        for row, meant, found in self.compared(rows):
            yield row, set(self.wrong(meant, found))


@lru_cache(maxsize=10_000)
def column_name(key: str) -> str:
    """The column of a read form: `_ownerid_value` is `ownerid`."""
    return key.removeprefix("_").removesuffix("_value") if key.startswith("_") and key.endswith("_value") else key


def same(column: Column | None, wanted: Any, found: Any) -> bool:
    """Whether a value read back is the value that was sent, by the column's type."""
    if wanted == found and type(wanted) is type(found):
        return True
    if wanted is None or found is None:
        return wanted in (None, "") and found in (None, "")
    compare = COMPARE.get(column.kind if column else "", _plain)
    return compare(column, wanted, found)


def _plain(column: Column | None, wanted: Any, found: Any) -> bool:
    return type(wanted) is type(found) and wanted == found


def _number(column: Column | None, wanted: Any, found: Any) -> bool:
    digits = column.precision if column and column.precision is not None else 10
    return abs(Decimal(str(wanted)) - Decimal(str(found))) <= Decimal(10) ** -digits / 2


def _text(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).replace("\r\n", "\n") == str(found).replace("\r\n", "\n")


def _moment(column: Column | None, wanted: Any, found: Any) -> bool:
    if str(wanted) == str(found):
        return True
    try:
        return _utc(str(wanted)) == _utc(str(found))
    except ValueError:
        return False


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _choices(column: Column | None, wanted: Any, found: Any) -> bool:
    """Several choices, "1,9": in which order the service gives them back isn't known (*assumed*: in any)."""
    return set(str(wanted).split(",")) == set(str(found).split(","))


def _id(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).lower() == str(found).lower()


COMPARE: Mapping[str, Callable[[Column | None, Any, Any], bool]] = {
    "Decimal": _number,
    "Double": _number,
    "Money": _number,
    "String": _text,
    "Memo": _text,
    "DateTime": _moment,
    "MultiChoice": _choices,
    "Lookup": _id,
    "Customer": _id,
    "Owner": _id,
    "Uniqueidentifier": _id,
}


@dataclass(slots=True)
class Tally:
    """What was read back of some rows. columns: column -> values by verdict, in the order of VERDICTS.

    ranges: column of numbers -> row id of the currency, '' of what is no money -> min, max, sum.
    filled: column -> rows that hold something in it; the others are empty. lookups: values that lead to the row that was meant, and others.
    edited_rows: that hold something else than was sent, by somebody else's hand. unmarked: of those the ones that lost the run's mark.
    """

    rows: int = 0
    wrong_rows: int = 0
    edited_rows: int = 0
    unmarked: int = 0
    columns: dict[str, list[int]] = field(default_factory=dict)
    ranges: dict[str, dict[str, list[Decimal]]] = field(default_factory=dict)
    filled: Counter[str] = field(default_factory=Counter)
    lookups: list[int] = field(default_factory=lambda: [0, 0])

    def take_rows(self, count: int, verdicts: Mapping[str, str]) -> None:
        """Count so many rows that are alike. verdicts: read form of each column -> what became of the value."""
        self.rows += count
        self.wrong_rows += count if WRONG in verdicts.values() else 0
        self.edited_rows += count if EDITED in verdicts.values() else 0
        for key, verdict in verdicts.items():
            self.columns.setdefault(column_name(key), [0] * len(VERDICTS))[PLACES[verdict]] += count
            if key != column_name(key):
                self.lookups[verdict in (WRONG, EDITED)] += count

    def fill(self, key: str, count: int) -> None:
        """Count values that were found. key: the read form of their column."""
        if count:
            self.filled[column_name(key)] += count

    def measure(self, name: str, numbers: Sequence[int | float], currency: str = "") -> None:
        """Take numbers that were read, one at least, into the column's range and sum: as the answer writes them."""
        exact = numbers if all(type(number) is int for number in numbers) else [Decimal(str(number)) for number in numbers]
        self._extend(name, currency, *(Decimal(number) for number in (min(exact), max(exact), sum(exact))))

    def _extend(self, name: str, currency: str, low: Decimal, high: Decimal, added: Decimal) -> None:
        of_column = self.ranges.setdefault(name, {})
        least, most, total = of_column.get(currency, (low, high, Decimal(0)))
        of_column[currency] = [min(least, low), max(most, high), total + added]

    @property
    def has_money(self) -> bool:
        """Whether a number is of a currency."""
        return any(set(of) - {""} for of in self.ranges.values())

    def content(self, decimals: Mapping[str, int] | None = None) -> dict[str, Any]:
        """As a chunk and a phase keep it; numbers as text, so that none loses digits. decimals: of currencies by row id, see `as_text`."""
        known = decimals or {}
        ranges = {
            name: {code: [as_text(number, known.get(code.lower())) for number in numbers] for code, numbers in of.items()}
            for name, of in self.ranges.items()
        }
        rows = {"rows": self.rows, "wrong_rows": self.wrong_rows, "edited_rows": self.edited_rows, "unmarked": self.unmarked}
        return {**rows, "columns": self.columns, "ranges": ranges, "filled": dict(self.filled), "lookups": self.lookups}

    def take(self, content: Mapping[str, Any]) -> None:
        """Add what another tally kept; older ones lack some of it."""
        self.rows += content["rows"]
        self.wrong_rows += content["wrong_rows"]
        self.edited_rows += content.get("edited_rows", 0)
        self.unmarked += content.get("unmarked", 0)
        for name, counts in content["columns"].items():
            self.columns[name] = [a + b for a, b in zip(self.columns.get(name, [0] * len(VERDICTS)), by_verdict(counts), strict=True)]
        self.filled.update(content.get("filled", {}))
        self.lookups = [a + b for a, b in zip(self.lookups, content.get("lookups", (0, 0)), strict=True)]
        for name, kept in content["ranges"].items():
            for currency, numbers in by_currency(kept).items():
                self._extend(name, currency, *map(Decimal, numbers))

    def values(self) -> dict[str, int]:
        """Values by verdict, over all columns."""
        return {verdict: sum(counts[place] for counts in self.columns.values()) for place, verdict in enumerate(VERDICTS)}


def as_text(number: Decimal, decimals: int | None) -> str:
    """A number in full; an amount with the decimals that its currency has, and with more where it holds more."""
    if decimals is None:
        return str(number)
    held = len(f"{number:f}".partition(".")[2].rstrip("0"))
    return f"{number:.{max(decimals, held)}f}"


def by_currency(kept: Mapping[str, Sequence[str]] | Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Ranges of a column by currency; older tallies took all currencies together."""
    return kept if isinstance(kept, Mapping) else {"": kept}


def by_verdict(counts: Sequence[int]) -> list[int]:
    """A column's counts as a tally kept them, one for each of VERDICTS: older ones have none for the last."""
    return [*counts, *[0] * (len(VERDICTS) - len(counts))]


def total(phases: Collection[Phase]) -> Tally:
    """What was read back of phases whose chunks are all checked."""
    tally = Tally()
    for content in Chunk.objects.filter(phase__in=phases).exclude(verified={}).values_list("verified", flat=True).iterator(chunk_size=500):
        tally.take(content)
    return tally
