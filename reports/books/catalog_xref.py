"""The catalog cross-reference on paper: how many items became products, then each item with its product, prices and what became of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from loads.models import Crosswalk
from reports.book import Book, Cell, Code, Column, Figure, Part, Stacked, Status, Table, Tone
from reports.printable import money

TONES = {"loaded": Tone.GOOD, "merged": Tone.GOOD, "held": Tone.WARN, "rejected": Tone.BAD}
SHOWN = 3  # figures


def book(basis: Iterable[tuple[str, Cell]], notes: Sequence[str], lines: Callable[[], Iterable[Mapping[str, Any]]]) -> Book:
    """The cross-reference of an engagement. basis: what it is made from. lines: see `reports.catalog_xref.lines`, anew at each call."""
    summary = "Which product in Dynamics 365 each catalog item became, under which number, in each environment, at which prices."
    return Book("Catalog cross-reference", summary, _parts(list(basis), notes, lines))


def _parts(basis: Sequence[tuple[str, Cell]], notes: Sequence[str], lines: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[Part]:
    counts = Counter(line["disposition"] for line in lines())
    figures = [Figure(counts.total(), "catalog items"), *(Figure(count, name) for name, count in counts.most_common(SHOWN))]
    yield Part("Summary", text=notes, figures=figures, facts=basis)
    columns = [
        Column("Item", 32),
        Column("Product number", 31),
        Column("Prices", 26),
        Column("Product in Dynamics 365", 55),
        Column("Outcome", 26),
    ]
    yield Part("Products", table=Table(columns, map(_line, lines()), "No catalog item was landed.", longest=500))


def _line(line: Mapping[str, Any]) -> Sequence[Cell]:
    source = " ".join(filter(None, (line["source_price"], line["source_currency"]))) or "no price"
    prices = "\n".join(_price(code, one) for code, one in line["prices"].items())
    outcome = line["disposition"]
    return [
        Stacked(line["name"] or line["item"], f"{line['catalog']}: {line['item']}"),
        Code(line["product_number"]),
        Stacked(prices, f"at the source: {source}"),
        "\n".join(_products(line["rows"])),
        Status(outcome[:1].upper() + outcome[1:], TONES.get(outcome, Tone.PLAIN), "\n".join(line["reasons"])),
    ]


def _products(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The row of each environment, those that share an id together."""
    for key, state in dict.fromkeys((one["id"], one["state"]) for one in rows.values()):
        kinds = " and ".join(kind for kind, one in rows.items() if (one["id"], one["state"]) == (key, state))
        yield f"{key}\n{kinds}" + ("" if state == Crosswalk.State.PRESENT else f" ({Crosswalk.State(state).label.lower()})")


def _price(code: str, one: Mapping[str, Any]) -> str:
    return f"{code} missing" if one["missing"] else f"{code} {money(one['amount'])}"
