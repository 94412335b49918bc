"""The schema plan on paper: environments, tables with their new columns, choices, and where each source field goes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports.book import Book, Cell, Code, Column, Figure, Kind, Part, Stacked, Status, Table, Tone, number
from reports.books.words import counted, listed
from reports.printable import moment

TONES = {"conflict": Tone.BAD, "created": Tone.GOOD, "was there": Tone.GOOD, "is there": Tone.GOOD, "to be created": Tone.PLAIN}


def book(told: Mapping[str, Any]) -> Book:
    """The plan of an engagement. told: see `reports.schema.content`."""
    summary = "Tables, columns and choices in Dynamics 365 with the offer's names beside the true ones, and where each source field goes."
    facts = [("Publisher prefix", told["prefix"]), ("Version of the maps", told["maps"]["version"])]
    return Book("Schema plan", summary, _parts(told), facts)


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    confirmed = [one for one in told["fields"] if one["state"] == "confirmed"]
    left = [one for one in told["fields"] if one["state"] == "left"]
    yield _plan(told, len(confirmed), len(left))
    yield _tables(told["tables"])
    yield Part("New columns", text=["Table by table; below each column its name in the offer, where that is another one."])
    kinds = [one["environment"] for one in told["environments"]]
    for table in told["tables"]:
        yield _columns(table, kinds)
    choices = [Column("Column", 70, Kind.CODE), number("Value", 22), Column("Label", 78)]
    yield Part("Choices", table=Table(choices, _choices(told["tables"]), "No column is a choice."))
    columns = [Column("Source field", 42), Column("Column", 58), Column("Transform", 24), Column("Reason", 46)]
    yield Part("Where each field goes", table=Table(columns, map(_field, confirmed), "No field is confirmed yet."))
    rows = ([Stacked(one["source"], one["object"]), one["reason"]] for one in left)
    yield Part("Left behind", table=Table([Column("Source field", 55), Column("Why", 115)], rows, "No field is left behind."))


def _plan(told: Mapping[str, Any], confirmed: int, left: int) -> Part:
    facts: list[tuple[str, Cell]] = [("SHA-256 of the maps", Code(told["maps"]["sha256"]))]
    for one in told["environments"]:
        done = Status(f"Provisioned {moment(one['provisioned_at'])}", Tone.GOOD) if one["provisioned_at"] else Status("Not provisioned yet")
        facts += [(f"Solution in {one['environment']}", one["solution"]), (f"State of {one['environment']}", done)]
    new = sum(len(one["columns"]) for one in told["tables"])
    figures = [
        Figure(len(told["tables"]), "tables"),
        Figure(new, "new columns"),
        Figure(confirmed, "fields move"),
        Figure(left, "fields left behind"),
    ]
    return Part("The plan", figures=figures, facts=facts)


def _tables(tables: Sequence[Mapping[str, Any]]) -> Part:
    columns = [
        Column("Table", 55, Kind.CODE),
        Column("Made by the plan", 30),
        Column("From the objects", 60),
        number("New columns", 25),
    ]
    rows = ([one["table"], one["new"], listed(one["objects"]), len(one["columns"])] for one in tables)
    return Part("Tables", table=Table(columns, rows))


def _columns(table: Mapping[str, Any], kinds: Sequence[str]) -> Part:
    columns = [
        Column("Column", 56),
        Column("Kind", 28),
        Column("What it holds", 86 - 24 * len(kinds) + 10),
        *(Column(kind.capitalize(), 24) for kind in kinds),
    ]
    rows = (
        [Stacked(one["name"], _offered(one)), _kind(one), one.get("description") or one.get("display_name"), *_states(one, kinds)]
        for one in table["columns"]
    )
    return Part(table["table"], level=2, table=Table(columns, rows, "No new column."))


def _states(column: Mapping[str, Any], kinds: Iterable[str]) -> Iterator[Status]:
    for kind in kinds:
        state = column["environments"][kind]
        yield Status(state.capitalize(), TONES.get(state, Tone.WARN))


def _offered(one: Mapping[str, Any]) -> str:
    alias = one.get("alias")
    return "" if alias in (None, "", one.get("name") or one.get("column")) else f"in the offer: {alias}"


def _kind(column: Mapping[str, Any]) -> Stacked:
    length = counted(column["max_length"], "character") if column.get("max_length") else ""
    points = f"to {column['target']}" if column.get("target") else ""
    return Stacked(column["kind"], ", ".join(filter(None, (length, column.get("format"), points))))


def _choices(tables: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for table in tables:
        for column in table["columns"]:
            for value, label in column.get("options", ()):
                yield [f"{table['table']}.{column['name']}", str(value), label]


def _field(one: Mapping[str, Any]) -> Sequence[Cell]:
    column = f"{one['table']}.{one['column']}"
    return [Stacked(one["source"], one["object"]), Stacked(column, _offered(one)), one["transform"], one["reason"]]
