"""What must add up before the first row is sent: each landed record once, and money by object and currency.

Landed records are counted in the datasets and their money is read in the raw ones, before anything is decided of them or, of people, as
their rows are built; against both stands what staging wrote: dispositions, and the values in the rows that the load sends. Numbers are
exact. Memory holds a few groups of records, and a call looks at as many ranges as fit a task.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from heapq import merge
from itertools import groupby, repeat
from math import prod
from types import TracebackType
from typing import Any

import orjson
import pyarrow as pa

from connectors import store
from loads import bindings, staged
from loads.staging.context import StagingContext
from loads.staging.decisions import Money
from loads.staging.ranges import RANGE
from loads.sums import AMOUNTS, DISPOSITIONS, PARTS
from loads.verification import BIND
from mapping.transforms.numbers import EXACT, NOISE

# money: the name of what a record is worth. factors: the numbers whose product that is, as text; null where it says none.
WORTHS_KIND = "worths"
WORTHS = pa.schema([("position", pa.int64()), ("money", pa.string()), ("currency", pa.string()), ("factors", pa.list_(pa.string()))])
CURRENCY = f"transactioncurrencyid{BIND}"
OF_ROWS = ("position", "role", "action", "origin", "values", "left", "lossy")
WORTH, SAID = "", staged.DISPOSITIONS_KIND  # beside the tables, by which rows stand
ISO, OTHER = 3, "other"  # letters of a currency's code; what no code is
AT_ONCE = 5  # ranges of records that a call looks at
SHOWN_DECIMALS = Decimal("1e-20")
NAMED = 5  # of the records that can't be explained
Factors = Sequence[Decimal | None]


class Worths:
    """Writes what the records of an object are worth as they are landed, a file per range; a context manager.

    Nothing where the object has no money.
    """

    def __init__(self, context: StagingContext, object_name: str, moneys: Sequence[Money]) -> None:
        """Nothing is written before the first record."""
        self._context, self._object_name, self._moneys = context, object_name, moneys
        self._file: store.ParquetFile | None = None
        self._number = -1

    def __enter__(self) -> "Worths":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file:
            self._file.__exit__(kind, error, trace)

    def add(self, position: int, record: Mapping[str, Any] | None) -> None:
        """One record; None for a line that is none."""
        for money in self._moneys:
            code, factors = money.read(record or {})
            texts = [None if one is None else str(one) for one in factors]
            self._of(position // RANGE).add(position, money.name, self._named(code), texts)

    def _named(self, code: str) -> str:
        """The currency that a record is summed under: what is no code can be anything, and is one line together."""
        is_code = code in self._context.currencies or (code.isascii() and code.isalpha() and len(code) == ISO)
        return code if is_code else OTHER if code else self._context.base_currency

    def _of(self, number: int) -> store.ParquetFile:
        """The file of a range; records come in the order of their places."""
        if self._file is None or number != self._number:
            if self._file:
                self._file.__exit__(None, None, None)
            self._file = store.ParquetFile(staged.part(self._context.run, self._object_name, WORTHS_KIND, number), WORTHS).__enter__()
            self._number = number
        return self._file


@dataclass(slots=True)
class Sum:
    """The money of an object in one currency. changed: what rows are worth more than their records, for reasons that are told.

    without: records that name no amount. differing: how many records can't be explained, and `unexplained` what they come to; positions: of
    the first few.
    """

    landed: Decimal = Decimal(0)
    changed: Decimal = Decimal(0)
    unexplained: Decimal = Decimal(0)
    parts: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(PARTS, Decimal(0)))
    without: int = 0
    differing: int = 0
    positions: list[int] = field(default_factory=list)

    def differ(self, amount: Decimal, position: int) -> None:
        """Take a record that can't be explained."""
        self.unexplained += amount
        self.differing += 1
        if len(self.positions) < NAMED:
            self.positions.append(position)

    def content(self) -> dict[str, Any]:
        """As a run keeps it: numbers as text, so that none loses digits."""
        told = dict(zip(AMOUNTS, (self.landed, self.changed, *self.parts.values(), self.unexplained), strict=True))
        counts = {"without": self.without, "differing": self.differing, "positions": self.positions}
        return {name: str(number) for name, number in told.items()} | counts

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Sum":
        """The sum that a run kept so far."""
        landed, changed, *parts, unexplained = (Decimal(content[name]) for name in AMOUNTS)
        counts = content["without"], content["differing"], list(content["positions"])
        return cls(landed, changed, unexplained, dict(zip(PARTS, parts, strict=True)), *counts)


@dataclass(frozen=True, slots=True)
class Row:
    """A staged row that holds money. currency: '' where its record's counts. kept: it is left with what is there.

    lossy: it says itself that it holds less, as one that was there before in a currency of fewer decimals.
    """

    currency: str
    factors: Factors
    kept: bool
    lossy: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """A landed record beside what staging made of it. disposition: '' where it has none. unmapped: the maps give its table no column."""

    position: int
    currency: str
    factors: Factors
    disposition: str
    reasons: bytes
    rows: Sequence[Row]
    unmapped: bool = False


def take_next(context: StagingContext, moneys: Mapping[str, Sequence[Money]]) -> dict[str, Any]:
    """The run's sums once another part of them is taken, see `loads.models.Run.sums`; anew where they were whole. moneys: by object.

    {"records": [per object], "money": [per object, money and currency], "left": [[object, range] whose money isn't summed yet]}.
    """
    sums = context.run.sums
    if not sums.get("left"):
        left = [[name, number] for name in moneys for number in _ranges(context, name)]
        told = [_records(context, name) for name in context.run.staged if name in context.run.datasets]
        return {"records": told, "money": [], "left": left}
    found = {(one["object"], one["name"], one["currency"]): Sum.of(one) for one in sums["money"]}
    with localcontext(EXACT):
        for name, number in sums["left"][:AT_ONCE]:
            _add_range(context, name, moneys[name], number, found)
            context.beat()
    left = sums["left"][AT_ONCE:]
    return {**sums, "money": [_told(*key, one, whole=not left) for key, one in sorted(found.items())], "left": left}


def _told(object_name: str, name: str, currency: str, one: Sum, *, whole: bool) -> dict[str, Any]:
    content = one.content()
    if whole:
        content |= {amount: _shown(Decimal(content[amount])) for amount in AMOUNTS}
    return {"object": object_name, "name": name, "currency": currency, **content}


def _ranges(context: StagingContext, object_name: str) -> range:
    """The ranges of an object whose money is summed."""
    return range(len(staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)))


def _records(context: StagingContext, object_name: str) -> dict[str, Any]:
    """Records as they were landed, and by disposition. doubled: dispositions of a place in the dataset that has one already."""
    counts = dict.fromkeys(DISPOSITIONS, 0)
    paths = [str(path) for path in staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)]
    with store.reader() as con:
        counts |= dict(con.execute("SELECT disposition, count(*) FROM read_parquet(?) GROUP BY disposition", [paths]).fetchall())
        [(doubled,)] = con.execute("SELECT count(*) - count(DISTINCT position) FROM read_parquet(?)", [paths]).fetchall()
    return {"object": object_name, "landed": context.dataset(object_name).rows, **counts, "doubled": doubled}


def _add_range(
    context: StagingContext, object_name: str, moneys: Sequence[Money], number: int, found: dict[tuple[str, str, str], Sum]
) -> None:
    """The money of a range of records into the sums by object, money and currency."""
    sums: dict[str, dict[str, Sum]] = {money.name: {} for money in moneys}
    for (of, name, currency), known in found.items():
        if of == object_name:
            sums[name][currency] = known
    for money, one in _compared(context, object_name, moneys, number):
        add(sums[money.name], money, one)
    found |= {(object_name, name, currency): one for name, of in sums.items() for currency, one in of.items()}


def add(sums: dict[str, Sum], money: Money, one: Compared) -> None:
    """One record with its rows into the sums of its currency, and of any other one that its rows are in."""
    own, worth = sums.setdefault(one.currency, Sum()), _worth(one.factors)
    own.landed += worth
    own.without += None in one.factors
    if one.disposition == "planned" and any(row.kept for row in one.rows):
        own.parts["kept"] += worth
    elif one.disposition == "planned" and one.unmapped:
        own.changed -= worth
    elif one.disposition == "planned":
        _add_planned(sums, money, one)
    elif one.disposition in PARTS and not one.rows:
        own.parts[one.disposition] += worth
    else:  # nobody says what became of it, or what is left out has rows
        own.differ(worth - sum((_worth(row.factors) for row in one.rows), Decimal(0)), one.position)


def _add_planned(sums: dict[str, Sum], money: Money, one: Compared) -> None:
    """A record whose rows are sent. One that is worth something else in them must say why."""
    amounts = {one.currency: Decimal(0)}
    for row in one.rows:
        code = row.currency or one.currency
        amounts[code] = amounts.get(code, Decimal(0)) + _worth(row.factors)
    alike = any(row.currency in ("", one.currency) and (row.lossy or _alike(row.factors, one.factors)) for row in one.rows)
    for code, amount in amounts.items():
        into, meant = sums.setdefault(code, Sum()), _worth(one.factors) if code == one.currency else Decimal(0)
        into.parts["staged"] += amount
        if amount != meant and ((code == one.currency and alike) or _explained(one.reasons, money)):
            into.changed += amount - meant
        elif amount != meant:
            into.differ(meant - amount, one.position)


def _worth(factors: Factors) -> Decimal:
    """The product; zero where a number is missing."""
    numbers = [one for one in factors if one is not None]
    return prod(numbers, start=Decimal(1)) if len(numbers) == len(factors) else Decimal(0)


def _alike(some: Factors, others: Factors) -> bool:
    """Whether numbers are the same but for the noise of binary arithmetic, which columns don't keep."""
    return all(
        one is not None and other is not None and abs(one - other) <= NOISE * max(Decimal(1), abs(other))
        for one, other in zip(some, others, strict=True)
    )


def _explained(reasons: bytes, money: Money) -> bool:
    """Whether a record says why its row is worth something else."""
    return any((one["severity"], one["field"]) in money.told for one in orjson.loads(reasons))


def _compared(context: StagingContext, object_name: str, moneys: Sequence[Money], number: int) -> Iterator[tuple[Money, Compared]]:
    """Each record of a range, by its place, with each of its moneys: files in one order, read beside each other."""
    codes = bindings.currencies_of(context.run.environment)
    tables = {table: OF_ROWS for money in moneys for table, columns in money.tables.items() if columns}
    asked = {WORTH: (WORTHS_KIND, WORTHS.names), SAID: (SAID, ("position", "disposition", "main_table", "reasons"))}
    asked |= {table: (table, columns) for table, columns in tables.items()}
    files = [
        zip(repeat(kind), staged.read_columns([path], columns), strict=False)
        for kind, (name, columns) in asked.items()
        if (path := staged.part(context.run, object_name, name, number)).exists()
    ]
    for position, group in groupby(merge(*files, key=_position), key=_position):
        found: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in asked}
        for kind, row in group:
            found[kind].append(row)
        worths = {worth["money"]: worth for worth in found[WORTH]}
        [told] = found[SAID][:1] or [{}]
        for money in moneys:
            yield money, _of_money(money, position, worths.get(money.name, {}), told, found, codes, context.base_currency)


def _of_money(
    money: Money,
    position: int,
    worth: Mapping[str, Any],
    told: Mapping[str, Any],
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    codes: Mapping[str, str],
    base_currency: str,
) -> Compared:
    """One of a record's moneys. worth, told: what was read of the raw record, and its disposition. found: its rows, by table."""
    main = told.get("main_table", "")
    counting = {main: money.tables[main]} if main in money.tables else money.tables
    return Compared(
        position,
        worth.get("currency") or base_currency,
        _numbers(worth.get("factors") or [None] * money.factors),
        told.get("disposition", ""),
        told.get("reasons", b"[]"),
        [_row(row, columns, codes) for table, columns in counting.items() if columns for row in found[table]],
        unmapped=not any(counting.values()),
    )


def _position(found: tuple[str, Mapping[str, Any]]) -> int:
    return int(found[1]["position"])


def _row(row: Mapping[str, Any], columns: Sequence[str], codes: Mapping[str, str]) -> Row:
    """codes: row id of a currency -> its code. A price has its currency as its role.

    A number that isn't sent is left as it is there: of a row that a person edited, and of one that was there before us.
    """
    values, left = orjson.loads(row["values"]), orjson.loads(row["left"] or b"{}")
    factors = [None if values.get(name) is None else Decimal(str(values[name])) for name in columns]
    bind = str(values.get(CURRENCY, "")).rpartition("(")[2].rstrip(")").lower()
    code = codes.get(bind, bind) if bind else row["role"] if row["role"] in codes.values() else ""
    found = row["action"] == "update" and row["origin"] == "matched"
    kept = row["action"] == "conflict" or any(name in left for name in columns) or (found and None in factors)
    return Row(code, factors, kept, any(name in row["lossy"] for name in columns))


def _numbers(texts: Sequence[str | None]) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in texts]


def _shown(number: Decimal) -> str:
    """A number without zeros at its end, and without what nobody counts in."""
    text = f"{number.quantize(SHOWN_DECIMALS, context=EXACT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
