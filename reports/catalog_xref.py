"""The catalog cross-reference: which product each catalog item became, in each environment, at which prices, and what became of the item.

It is read from what the newest run staged and from the crosswalk, a batch of items at a time; before any run from what was landed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any

import orjson

from connectors import landing, store
from connectors.landing import Landed
from connectors.models import Dataset
from connectors.storable import storable
from loads import staged
from loads.models import Crosswalk, LedgerEntry, Phase, Run
from loads.reasons import explained
from loads.staging.products import MOST, currency_code, product_number
from mapping import plan
from mapping.computed import Reader, number
from mapping.fieldmaps import reader
from mapping.jsontext import plain_text
from mapping.playbooks import ObjectRule, load_playbook
from reports import delimited, losses
from reports.books.catalog_xref import book
from reports.documents import keep, write_book, write_lines, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet
from workbench.engagements.models import Engagement, Environment

KIND = "catalog_xref"
PRODUCT, PRICE, PRICE_LIST = "product", "productpricelevel", "pricelevel"
BATCH = 2_000  # items that are looked up together
BASE = "base currency"  # stands for it while no run has told which one it is
NOT_LOADED = "not loaded yet"
UNPRICED = ("price.none", "price.unusable")
HOW = (
    "A product's number is its catalog and its item id, since item ids are unique only within a catalog; a long one, or one that differs"
    " from another by case only, ends in a hash.",
    "A product has a price in every currency's list: where the source has none it is 0, and 'missing' says so.",
    "In the CSV, texts that a spreadsheet would calculate begin with an apostrophe; the JSON has them as they are.",
)
LEADING = ("Catalog", "Item id", "Name", "Product number", "Price at the source", "Currency at the source")


def item_rule(engagement: Engagement) -> ObjectRule | None:
    """The source object that becomes products; None where the platform has none."""
    return next((rule for rule in load_playbook(engagement.platform).objects if rule.kind == "product"), None)


@dataclass(frozen=True)
class Basis:
    """What the cross-reference is made from. run: whose dispositions and prices are shown; None before any run staged items."""

    engagement: Engagement
    object_name: str
    run: Run | None
    dataset: Dataset | None

    @classmethod
    def of(cls, engagement: Engagement) -> "Basis":
        """The newest run that staged items, production's before the sandbox's; its dataset, else the newest that was landed."""
        rule = item_rule(engagement)
        name = rule.name if rule else ""
        runs = (
            Run.objects.loads()
            .filter(engagement=engagement)
            .select_related("engagement", "environment")
            .order_by("environment__kind", "-pk")
        )
        run = next((run for run in runs if name in run.staged), None)  # production stands before sandbox
        if run:
            return cls(engagement, name, run, Dataset.objects.filter(pk=run.datasets.get(name)).first())
        purposes = (Dataset.Purpose.LOAD, Dataset.Purpose.DISCOVERY)
        found = (landing.latest(engagement, name, purpose) for purpose in purposes)
        return cls(engagement, name, None, next(filter(None, found), None))

    @cached_property
    def environments(self) -> list[str]:
        """Kinds of the engagement's environments, production first."""
        kinds = Environment.objects.filter(engagement=self.engagement).order_by("kind")
        return list(kinds.values_list("kind", flat=True))

    @cached_property
    def price(self) -> Reader:
        """Reads an item's price."""
        return reader(f"value.{plan.names_of(self.engagement)['price_field']}")

    @cached_property
    def currency(self) -> Reader:
        """Reads an item's currency."""
        return reader(f"value.{plan.names_of(self.engagement)['currency_field']}")

    @cached_property
    def codes(self) -> list[str]:
        """Currencies that have a price list, sorted: the run's own, before any run those that items name."""
        if self.run:
            lists = Crosswalk.objects.filter(environment=self.run.environment, object_name=self.object_name, table=PRICE_LIST)
            return sorted({source_id.removeprefix("@") for source_id in lists.values_list("source_id", flat=True)})
        records = landing.records(self.dataset) if self.dataset else ()
        return sorted({currency_code(self.currency(record)) or BASE for record in records})

    @cached_property
    def is_loaded(self) -> bool:
        """Whether the run's products were sent and counted."""
        phases = Phase.objects.filter(run=self.run, object_name=self.object_name, table=PRODUCT, kind=Phase.Kind.ROWS)
        return self.run is not None and phases.exclude(finished_at=None).exists()


class _InOrder:
    """Rows in the order of their records, handed out record by record; each is read once."""

    def __init__(self, rows: Iterable[Any], position: Callable[[Any], int]) -> None:
        self._rows, self._position = iter(rows), position
        self._next = next(self._rows, None)

    def of(self, position: int) -> list[Any]:
        """The rows of the record at a position; what lies before it is passed over."""
        found = []
        while self._next is not None and self._position(self._next) <= position:
            if self._position(self._next) == position:
                found.append(self._next)
            self._next = next(self._rows, None)
        return found


class _Staged:
    """What a run staged of each item: its disposition, its product and its prices."""

    def __init__(self, basis: Basis) -> None:
        run, name = basis.run, basis.object_name
        told = staged.read_dispositions(run, name) if run else ()
        self.dispositions = _InOrder(told, lambda row: int(row["position"]))
        self.products, self.prices = (_InOrder(_rows(run, name, table), lambda row: int(row.position)) for table in (PRODUCT, PRICE))


def _rows(run: Run | None, name: str, table: str) -> Iterable[staged.StagedRow]:
    return staged.read(staged.parts(run, name, table)) if run else ()


def lines(basis: Basis) -> Iterator[dict[str, Any]]:
    """A line per item, in the source's order. Memory holds one batch, and no item takes a query of its own.

    {"catalog", "item", "source_id", "name", "product_number", "source_price", "source_currency", "prices": {code: {"amount", "missing"}},
    "rows": {environment: {"id", "state"}}, "disposition", "reasons": [words]}.
    """
    if basis.dataset is None:
        return
    beside = _Staged(basis)
    for batch in store.batched(landing.scan(basis.dataset), BATCH):
        ids, against = _products(basis, batch), _refused(basis, batch)
        for landed in batch:
            yield _line(basis, landed, beside, ids.get(landed.source_id, {}), against.get(landed.position))


def _products(basis: Basis, batch: Sequence[Landed]) -> dict[str, dict[str, dict[str, str]]]:
    """Source id -> environment -> its product's row id and state; one query."""
    rows = Crosswalk.objects.filter(
        environment__engagement=basis.engagement,
        object_name=basis.object_name,
        table=PRODUCT,
        role="",
        current=True,
        source_id__in={landed.source_id for landed in batch},
    )
    found: dict[str, dict[str, dict[str, str]]] = {}
    for source_id, kind, row_id, state in rows.values_list("source_id", "environment__kind", "row_id", "state"):
        found.setdefault(source_id, {})[kind] = {"id": str(row_id), "state": state}
    return found


def _refused(basis: Basis, batch: Sequence[Landed]) -> dict[int, LedgerEntry]:
    """Position -> what the load couldn't bring of the item; one query."""
    if basis.run is None:
        return {}
    entries = losses.refused(basis.run, basis.object_name)
    near = entries.filter(position__gte=batch[0].position, position__lte=batch[-1].position)
    return {entry.position: entry for entry in near}


def _line(
    basis: Basis, landed: Landed, beside: _Staged, ids: Mapping[str, Mapping[str, str]], against: LedgerEntry | None
) -> dict[str, Any]:
    record = (landing.parse(landed.raw)[0] if landed.problem is None else None) or {}
    told = next(iter(beside.dispositions.of(landed.position)), None)
    product, prices = beside.products.of(landed.position), beside.prices.of(landed.position)
    reasons = [*(against.reasons if against else ()), *(orjson.loads(told["reasons"]) if told else ())]
    values = product[0].values if product else {}
    return {
        "catalog": _text(record.get("catalogName")),
        "item": _text(record.get("itemId")),
        "source_id": landed.source_id,
        "name": values.get("name") or _text(_value(record).get("name")),
        "product_number": values.get("productnumber") or (storable(product_number(record)) if record else ""),
        "source_price": _text(basis.price(record)),
        "source_currency": _text(basis.currency(record)),
        "prices": _staged_prices(prices, reasons, currency_code(basis.currency(record))) if basis.run else _planned_prices(basis, record),
        "rows": {kind: dict(ids[kind]) for kind in basis.environments if kind in ids},
        "disposition": _disposition(basis, told, against),
        "reasons": list(dict.fromkeys(explained(reason["code"]) for reason in reasons)),
    }


def _disposition(basis: Basis, told: Mapping[str, Any] | None, against: LedgerEntry | None) -> str:
    if told is None:
        return NOT_LOADED
    if told["disposition"] != "planned":
        return str(told["disposition"])
    if against is not None:
        return losses.outcome(against)
    return losses.LOADED if basis.is_loaded else NOT_LOADED


def _staged_prices(rows: Iterable[staged.StagedRow], reasons: Iterable[Mapping[str, str]], own: str) -> dict[str, dict[str, Any]]:
    """The price items as staging made them. It notes which lists have no price; where the item's own is missing, none has one.

    own: the item's currency, '' for the base currency.
    """
    said = [reason for reason in reasons if reason["code"] in UNPRICED and reason["field"] == "price"]
    other = {code for reason in said for code in reason["detail"].split(", ") if reason["code"] == UNPRICED[0] and code}
    none = any(reason["code"] == UNPRICED[1] or not reason["detail"] for reason in said)
    return {
        row.role: {"amount": row.values.get("amount"), "missing": none or row.role in other or own not in ("", row.role)} for row in rows
    }


def _planned_prices(basis: Basis, record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The prices as staging will make them."""
    own, found = currency_code(basis.currency(record)) or BASE, number(basis.price(record))
    usable = found is not None and 0 <= found <= MOST
    told = {code: usable and code == own for code in basis.codes} if record else {}
    return {code: {"amount": round(float(found or 0), 4) if there else 0.0, "missing": not there} for code, there in told.items()}


def _value(record: Mapping[str, Any]) -> Mapping[str, Any]:
    value = record.get("value")
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else storable(plain_text(value))


def write(engagement: Engagement) -> Document:
    """The cross-reference as JSON, an item a line."""
    return write_lines(engagement, KIND, lines(Basis.of(engagement)))


def write_csv(engagement: Engagement) -> Document:
    """The same as CSV."""
    basis = Basis.of(engagement)
    header, rows = _header(basis), (_row(basis, line) for line in lines(basis))
    return keep(engagement, KIND, "csv", lambda path: delimited.write(path, header, rows))


def write_workbook(engagement: Engagement) -> Document:
    """The same as a workbook."""
    return write_sheets(engagement, KIND, sheets(Basis.of(engagement)))


def write_pdf(engagement: Engagement) -> Document:
    """The same on paper: the first items; the workbook has them all."""
    basis = Basis.of(engagement)
    source = write_lines(engagement, KIND, lines(basis))
    return write_book(source, book(list(_made_from(basis)), _notes(basis), partial(lines, basis)))


def sheets(basis: Basis) -> Iterator[Sheet]:
    """What it is made from, then an item a row."""
    yield Sheet("About", ["What", "Value"], _about(basis), [26, 120])
    widths = [18, 24, 40, 34, 18, 16, *[38, 10] * len(basis.environments), *[14, 14] * len(basis.codes), 16, 80]
    yield Sheet("Products", _header(basis), (_row(basis, line) for line in lines(basis)), widths)


def _about(basis: Basis) -> Iterator[Sequence[Cell]]:
    yield ["Engagement", basis.engagement.name]
    yield from map(list, _made_from(basis))
    yield from (["Note", sentence] for sentence in _notes(basis))


def _made_from(basis: Basis) -> Iterator[tuple[str, str]]:
    run, dataset = basis.run, basis.dataset
    yield "Source", basis.engagement.get_platform_display()
    yield "Prices and dispositions of", f"run {run.key} into {run.environment.get_kind_display().lower()}" if run else "no run yet"
    items = f"{dataset.rows:,}, landed {dataset.started_at:%Y-%m-%d %H:%M} UTC, SHA-256 {dataset.sha256}" if dataset else "not landed"
    yield "Items", items


def _notes(basis: Basis) -> list[str]:
    rule = item_rule(basis.engagement)
    return [*HOW, *([rule.note] if rule and rule.note else [])]


def _header(basis: Basis) -> list[str]:
    rows = chain.from_iterable((f"Product row id ({kind})", f"State ({kind})") for kind in basis.environments)
    prices = chain.from_iterable((f"Price {code}", f"Price {code} missing") for code in basis.codes)
    return [*LEADING, *rows, *prices, "Disposition", "Why"]


def _row(basis: Basis, line: Mapping[str, Any]) -> list[Cell]:
    leading = [line[name] for name in ("catalog", "item", "name", "product_number", "source_price", "source_currency")]
    rows = chain.from_iterable((line["rows"].get(kind, {}).get(name) for name in ("id", "state")) for kind in basis.environments)
    prices = chain.from_iterable((line["prices"].get(code, {}).get(name) for name in ("amount", "missing")) for code in basis.codes)
    return [*leading, *rows, *prices, line["disposition"], "\n".join(line["reasons"])]
