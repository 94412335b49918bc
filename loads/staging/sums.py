"""What must add up before the first row is sent: each landed record once, and money by object and currency.

Landed records are counted in the datasets and their money is read before anything is decided of them; against both stands what staging
wrote: dispositions, and the values in the rows that the load sends. Numbers are exact; memory holds a few groups of records.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import partial
from heapq import merge
from itertools import groupby, repeat
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import pyarrow as pa

from connectors import store
from loads import bindings, staged
from loads.staging.context import StagingContext
from loads.staging.decisions import Kind, Money
from loads.sums import AMOUNTS, DISPOSITIONS, PARTS
from loads.verification import BIND
from mapping.objects import load_order
from mapping.transforms.numbers import EXACT, NOISE

# factors: the numbers whose product a record is worth, as text; null where it says none.
WORTHS = pa.schema([("position", pa.int64()), ("currency", pa.string()), ("factors", pa.list_(pa.string()))])
CURRENCY = f"transactioncurrencyid{BIND}"
OF_ROWS = ("position", "role", "action", "origin", "values", "left")
WORTH, SAID, ROW = range(3)
SHOWN_DECIMALS = Decimal("1e-20")
NAMED = 5  # of the records that can't be explained
Factors = Sequence[Decimal | None]


class Worths:
    """Writes what the records of an object are worth as they are landed; a context manager. Nothing where the kind has no money."""

    def __init__(self, context: StagingContext, object_name: str, kind: Kind) -> None:
        """Open the file, where there is something to write."""
        self._money, self._base = kind.money(context, object_name) if kind.money else None, context
        self._stack = ExitStack()
        self._file = store.ParquetFile(_path(context, object_name), WORTHS) if self._money else None

    def __enter__(self) -> "Worths":
        if self._file:
            self._stack.enter_context(self._file)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, position: int, record: Mapping[str, Any] | None) -> None:
        """One record; None for a line that is none."""
        if self._money and self._file:
            code, factors = self._money.read(record or {})
            self._file.add(position, code or self._base.base_currency, [None if one is None else str(one) for one in factors])


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
        return {name: _shown(number) for name, number in told.items()} | counts


@dataclass(frozen=True, slots=True)
class Row:
    """A staged row that holds money. currency: '' where its record's counts. kept: it is left with what is there."""

    currency: str
    factors: Factors
    kept: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """A landed record beside what staging made of it. disposition: '' where it has none."""

    position: int
    currency: str
    factors: Factors
    disposition: str
    reasons: bytes
    rows: Sequence[Row]


def take(context: StagingContext, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The sums of a staged run: {"records": [per object], "money": [per object and currency]}; see `loads.models.Run.sums`.

    kinds: of objects, by name.
    """
    names = [name for name in context.run.staged if name in context.run.datasets]
    order = load_order(context.objects)
    return {
        "records": [_records(context, name) for name in names],
        "money": [one for name in order if name in kinds for one in _money(context, name, kinds[name])],
    }


def _path(context: StagingContext, object_name: str) -> Path:
    return context.path(f"{object_name}-worths.parquet")


def _records(context: StagingContext, object_name: str) -> dict[str, Any]:
    """Records as they were landed, and by disposition. doubled: dispositions of a place in the dataset that has one already."""
    counts = dict.fromkeys(DISPOSITIONS, 0)
    paths = [str(path) for path in staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)]
    with store.database() as con:
        counts |= dict(con.execute("SELECT disposition, count(*) FROM read_parquet(?) GROUP BY disposition", [paths]).fetchall())
        [(doubled,)] = con.execute("SELECT count(*) - count(DISTINCT position) FROM read_parquet(?)", [paths]).fetchall()
    return {"object": object_name, "landed": context.dataset(object_name).rows, **counts, "doubled": doubled}


def _money(context: StagingContext, object_name: str, kind: Kind) -> Iterator[dict[str, Any]]:
    money = kind.money(context, object_name) if kind.money else None
    if money is None:
        return
    sums: dict[str, Sum] = {}
    with localcontext(EXACT):
        for number, found in enumerate(_compared(context, object_name, money)):
            _add(sums, money, found)
            if not number % 5_000:
                context.beat()
        for code, one in sorted(sums.items()):
            yield {"object": object_name, "name": money.name, "currency": code, **one.content()}


def _add(sums: dict[str, Sum], money: Money, one: Compared) -> None:
    """One record with its rows into the sums of its currency, and of any other one that its rows are in."""
    own, worth = sums.setdefault(one.currency, Sum()), _worth(one.factors)
    own.landed += worth
    own.without += None in one.factors
    if one.disposition == "planned" and any(row.kept for row in one.rows):
        own.parts["kept"] += worth
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
    alike = any(row.currency in ("", one.currency) and _alike(row.factors, one.factors) for row in one.rows)
    for code, amount in amounts.items():
        into, meant = sums.setdefault(code, Sum()), _worth(one.factors) if code == one.currency else Decimal(0)
        into.parts["staged"] += amount
        if amount != meant and ((code == one.currency and alike) or _told(one.reasons, money)):
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


def _told(reasons: bytes, money: Money) -> bool:
    """Whether a record says why its row is worth something else."""
    return any((one["severity"], one["field"]) in money.told for one in orjson.loads(reasons))


def _compared(context: StagingContext, object_name: str, money: Money) -> Iterator[Compared]:
    """Each record, by its place: three files in one order, read beside each other."""
    read = partial(_row, columns=money.columns, codes=bindings.currencies_of(context.run.environment))
    said = staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)
    files = {
        WORTH: store.read_rows(_path(context, object_name)),
        SAID: staged.read_columns(said, ["position", "disposition", "reasons"]),
        ROW: staged.read_columns(staged.parts(context.run, object_name, money.table), OF_ROWS),
    }
    together = merge(*(zip(repeat(kind), rows) for kind, rows in files.items()), key=_position)
    for position, group in groupby(together, key=_position):
        found: dict[int, list[Mapping[str, Any]]] = {kind: [] for kind in files}
        for kind, row in group:
            found[kind].append(row)
        [worth], [told] = found[WORTH][:1] or [{}], found[SAID][:1] or [{}]
        yield Compared(
            position,
            worth.get("currency") or context.base_currency,
            _numbers(worth.get("factors") or [None for _ in money.columns]),
            told.get("disposition", ""),
            told.get("reasons", b"[]"),
            [read(row) for row in found[ROW]],
        )


def _position(found: tuple[int, Mapping[str, Any]]) -> int:
    return int(found[1]["position"])


def _row(row: Mapping[str, Any], *, columns: Sequence[str], codes: Mapping[str, str]) -> Row:
    """codes: row id of a currency -> its code. A price has its currency as its role.

    A number that isn't sent is left as it is there: of a row that a person edited, and of one that was there before us.
    """
    values, left = orjson.loads(row["values"]), orjson.loads(row["left"] or b"{}")
    factors = [None if values.get(name) is None else Decimal(str(values[name])) for name in columns]
    bind = str(values.get(CURRENCY, "")).rpartition("(")[2].rstrip(")").lower()
    code = codes.get(bind, bind) if bind else row["role"] if row["role"] in codes.values() else ""
    found = row["action"] == "update" and row["origin"] == "matched"
    kept = row["action"] == "conflict" or any(name in left for name in columns) or (found and None in factors)
    return Row(code, factors, kept)


def _numbers(texts: Sequence[str | None]) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in texts]


def _shown(number: Decimal) -> str:
    """A number without zeros at its end, and without what nobody counts in."""
    text = f"{number.quantize(SHOWN_DECIMALS, context=EXACT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
