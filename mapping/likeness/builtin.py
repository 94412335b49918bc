"""The columns of Dataverse's own tables as Microsoft documents them, for proposals where no organisation is at hand.

Source: Microsoft's Common Data Model (github.com/microsoft/CDM, CC BY 4.0), completed from the reference of the Sales application.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from connectors.dataverse.columns import Column
from workbench.engagements.errors import BadInput

FOLDER = Path(__file__).parent
ACTIVITIES = ("task", "phonecall", "email", "appointment", "campaignresponse", "opportunityclose")
# Tables that people own; the others belong to the organisation or follow their parent.
OWNED = ("account", "contact", "lead", "opportunity", "campaign", "list", "salesorder", "connection", "annotation", *ACTIVITIES)
REQUIRED = {"systemrequired": "SystemRequired", "required": "ApplicationRequired", "recommended": "Recommended"}
DAYS = ("birthdate", "anniversary", "estimatedclosedate", "actualclosedate")


def tables() -> list[str]:
    """The tables whose columns are known here."""
    return sorted(_all())


def columns_of(table: str) -> Mapping[str, Column]:
    """A table's columns by logical name. Raises BadInput for a table that isn't known here."""
    found = _all().get(table)
    if found is None:
        raise BadInput(f"The columns of {table!r} aren't known here.", remedy=f"Take one of {', '.join(tables())}.")
    return found


@lru_cache
def _all() -> dict[str, dict[str, Column]]:
    found: dict[str, dict[str, Column]] = {}
    for column in _read("dataverse_columns.tsv"):
        found.setdefault(column.table, {})[column.name] = column
    for column in list(_read("further_columns.tsv")):
        for table in {"*": OWNED, "+": ACTIVITIES}.get(column.table, (column.table,)):
            found[table].setdefault(column.name, _moved(column, table))
    return found


def _moved(column: Column, table: str) -> Column:
    return Column(table, column.name, column.kind, targets=column.targets, options=column.options, display_name=column.display_name)


def _read(file: str) -> Iterator[Column]:
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "table\t")):
            yield _column(line.split("\t"))


def _column(cells: list[str]) -> Column:
    table, name, kind, length, low, high, required, targets, display, options = (cells + [""] * 10)[:10]
    return Column(
        table=table,
        name=name,
        kind=kind,
        max_length=int(length) if length else None,
        min=float(low) if low else None,
        max=float(high) if high else None,
        required=REQUIRED.get(required, "None"),
        targets=tuple(filter(None, targets.split(","))),
        options=_labels(options),
        format="DateOnly" if name in DAYS else "",
        display_name=display.strip(),
    )


def _labels(text: str) -> dict[int, str]:
    """`value=label[@state];...` as value -> label."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {int(value): label.partition("@")[0] for value, _, label in pairs if value.lstrip("-").isdigit()}
