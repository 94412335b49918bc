"""The sample diff on paper: row by row, what the source held, what was meant and what was found side by side."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from reports.book import Book, Cell, Column, Figure, Note, Part, Table, Tone
from reports.books.words import VERDICTS, counted, verdict

ROWS = "Rows"  # of passes the one that makes them; the others do something with them
LONGEST = 600  # characters of a value
EQUAL_SHOWN = 5  # rows of a table that arrived as they should; all others are shown whatever their number
COLUMNS = (Column("Column", 38), Column("At the source", 36), Column("Mapped", 36), Column("Read back", 36), Column("Verdict", 24))
WITH_BEFORE = (*COLUMNS[:3], Column("Read back before", 36), *COLUMNS[3:])


def book(told: Mapping[str, Any]) -> Book:
    """The diff of a run. told: see `reports.diff.content`."""
    summary = (
        "Rows of a sample, read back from Dynamics 365 and compared value by value: what the source held, what was meant, what was found."
    )
    return Book("Sample diff", summary, _parts(told))


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    counts = told["counts"]
    yield Part(
        "Result",
        notes=[_said(counts), *_again(told)],
        figures=[Figure(counts[name], VERDICTS[name][0].lower()) for name in ("equal", "lossy", "edited", "wrong")],
        text=[
            "As planned, less: the row holds less than the source did, by a rule of the signed plan (a text shortened, a value that "
            "doesn't fit). Changed by others: somebody changed the row in Dynamics 365 after it was written and before it was read "
            "back. Wrong: another value was found than was sent, and nobody else changed it.",
            f"Of rows that are equal the first {EQUAL_SHOWN} of each table are shown; the workbook holds all of them.",
        ],
    )
    counts = {_place(one): one for one in told["tables"]}
    for place, rows in groupby(told["rows"], key=_place):
        yield from _of_table(place, counts[place], list(rows), again="again" in told)


def _place(one: Mapping[str, Any]) -> str:
    kind = one["pass"]
    return f"{one['object']} to {one['table']}{'' if kind == ROWS else ': ' + kind.lower()}"


def _again(told: Mapping[str, Any]) -> Iterator[Note]:
    if again := told.get("again"):
        said = f"The records of the sample of run {again['run']}, loaded again after the plan was changed"
        yield Note(f"{said}: {counted(again['equal'], 'row')} as before, the others below with what they held then.", Tone.GOOD)


def _said(counts: Mapping[str, int]) -> Note:
    if not counts["rows"]:
        return Note("No row was read back.", Tone.WARN)
    if counts["wrong"]:
        return Note(f"{counted(counts['wrong'], 'row')} of {counts['rows']:,} came back with a wrong value.", Tone.BAD)
    return Note(f"{counted(counts['rows'], 'row')} read back, none with a wrong value.", Tone.GOOD)


def _of_table(title: str, counts: Mapping[str, int], rows: Sequence[Mapping[str, Any]], *, again: bool) -> Iterator[Part]:
    names = ("source", "meant", "before", "found") if again else ("source", "meant", "found")
    equal = [row for row in rows if row["verdict"] == "equal"]
    told = ", ".join(f"{counts.get(name, 0):,} {words[0].lower()}" for name, words in VERDICTS.items())
    whole = sum(counts.get(name, 0) for name in VERDICTS)
    more = f" {counted(whole - len(rows), 'further row')} of these: see the workbook, which holds all of them." if whole > len(rows) else ""
    yield Part(title, text=[f"{counted(whole, 'row')}: {told}.{more}"])
    for row in [*(row for row in rows if row["verdict"] != "equal"), *equal[:EQUAL_SHOWN]]:
        table = Table(WITH_BEFORE if again else COLUMNS, (_field(one, names) for one in row["fields"]), longest=LONGEST)
        yield Part(row["source_id"], level=3, text=[f"Row {row['row_id']}"], table=table)


def _field(one: Mapping[str, Any], names: Sequence[str]) -> Sequence[Cell]:
    values = [_value(one.get(name)) for name in names]
    return [one.get("column"), *values, verdict(one.get("verdict", ""))]


def _value(value: Any) -> Cell:
    """A value as the systems hold it: numbers and yes or no as they are written there."""
    if value is None:
        return None
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
