"""Losses and records that didn't load on paper: how many of each kind, then the first lines of each; the workbook holds them all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports.book import Book, Cell, Column, Figure, Part, Stacked, Status, Table, Tone, number

MOST = 1_000  # lines of each list on paper
LOADED = "loaded"
TONES = {"loss": Tone.WARN, "note": Tone.PLAIN, "hold": Tone.WARN, "reject": Tone.BAD}


def book(summary: Sequence[Sequence[Any]], lines: Callable[[], Iterable[Mapping[str, Any]]]) -> Book:
    """The report of a run. summary: (object, disposition, severity, code, words, field, lines), the most frequent first."""
    told = "Every shortened or left-out value, and every record that didn't load, with all its reasons."
    return Book("Losses and records not loaded", told, _parts(summary, lines))


def _parts(summary: Sequence[Sequence[Any]], lines: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[Part]:
    counts = {severity: sum(row[-1] for row in summary if row[2] == severity and row[1] == LOADED) for severity in ("loss", "note")}
    left = sum(row[-1] for row in summary if row[1] != LOADED)
    figures = [
        Figure(counts["loss"], "losses of loaded records"),
        Figure(counts["note"], "notes on loaded records"),
        Figure(left, "reasons of records that didn't load"),
    ]
    columns = [
        Column("What it means", 66),
        Column("Severity", 19),
        Column("Object and field", 40),
        Column("Outcome", 22),
        number("Lines", 19),
    ]
    yield Part("By reason", figures=figures, table=Table(columns, map(_counted, summary), "Nothing was lost, and every record loaded."))
    shown = (line for line in lines() if line["disposition"] == LOADED)
    yield Part(
        "Losses and notes",
        text=["Records that are loaded, with less than the source held or with something to be said."],
        table=_table(shown),
    )
    shown = (line for line in lines() if line["disposition"] != LOADED)
    yield Part("Records not loaded", text=["Skipped, merged, held and rejected records with each of their reasons."], table=_table(shown))


def _counted(row: Sequence[Any]) -> Sequence[Cell]:
    name, disposition, severity, code, words, field, count = row
    return [Stacked(words or code, code), _severity(severity), Stacked(name, field), disposition.capitalize(), count]


def _table(lines: Iterable[Mapping[str, Any]]) -> Table:
    columns = [Column("Record", 40), Column("Outcome", 22), Column("Field", 30), Column("What it means", 74)]
    return Table(columns, map(_line, lines), most=MOST)


def _line(line: Mapping[str, Any]) -> Sequence[Cell]:
    into = f"into {line['into']}" if line["into"] else line["table"] or ""
    outcome = Status(str(line["disposition"]).capitalize(), TONES.get(line["severity"], Tone.PLAIN))
    return [
        Stacked(line["source_id"], f"{line['object']}, {into}".rstrip(", ")),
        outcome,
        line["field"],
        Stacked(line["words"] or line["code"], line["detail"]),
    ]


def _severity(severity: str) -> Status:
    return Status(severity.capitalize() or "Note", TONES.get(severity, Tone.PLAIN))
