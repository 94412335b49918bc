"""The data-quality report on paper: what would fail or lose something, what was decided, with examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mapping.quality import rules
from reports.book import Book, Cell, Column, Figure, Note, Part, Stacked, Status, Table, Tone, number
from reports.books.words import counted
from reports.printable import moment

TONES = {"loss": Tone.WARN, "hold": Tone.WARN, "reject": Tone.BAD}
CHOICES = {name: choice.label for name, choice in rules.CHOICES.items()}


def book(told: Mapping[str, Any]) -> Book:
    """The report of a run. told: see `reports.quality.content`."""
    summary = "Which values break a rule of the destination, in how many records, and what becomes of them."
    return Book("Data quality", summary, _parts(told["groups"]), [("Measured", moment(told["measured_at"]))])


def _parts(groups: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    waiting = sum(one["asks"] and one["decision"] is None for one in groups)
    note = (
        Note(f"{counted(waiting, 'group')} wait for a decision.", Tone.WARN)
        if waiting
        else Note("Nothing waits for a decision.", Tone.GOOD)
    )
    yield Part(
        "Result",
        notes=[note],
        figures=[
            Figure(len(groups), "groups: one reason in one field of one object"),
            Figure(sum(one["decision"] is not None for one in groups), "decided"),
            Figure(waiting, "open"),
        ],
    )
    columns = [
        Column("Object and field", 40),
        Column("What it means", 58),
        Column("Effect", 19),
        number("Records", 17),
        Column("What becomes of it", 36),
    ]
    yield Part(
        "Groups",
        text=["The open ones first, then by the number of records."],
        table=Table(columns, map(_row, groups), "No value breaks a rule."),
    )
    columns = [Column("Object and field", 38), Column("What it means", 58), Column("Source id", 42), Column("Detail", 32)]
    yield Part("Examples", text=["Up to five records of each group."], table=Table(columns, _examples(groups)))


def _row(one: Mapping[str, Any]) -> Sequence[Cell]:
    effect = Status(one["severity"].capitalize(), TONES.get(one["severity"], Tone.PLAIN))
    return [
        Stacked(one["object"], one["field"]),
        Stacked(one["words"] or one["code"], f"{one['rule']}: {one['code']}"),
        effect,
        one["records"],
        _outcome(one),
    ]


def _outcome(one: Mapping[str, Any]) -> Cell:
    if one["decision"]:
        value = f": {one['value']}" if one["value"] else ""
        return Stacked(
            f"{CHOICES.get(one['decision'], one['decision'])}{value}", ". ".join(filter(None, (one["decided_by"], one["comment"])))
        )
    return Status("Open", Tone.WARN) if one["asks"] else "Follows a signed rule or another record"


def _examples(groups: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in groups:
        for sample in one["samples"]:
            means = Stacked(one["words"], one["code"]) if one["words"] else one["code"]
            yield [Stacked(one["object"], one["field"]), means, sample["source_id"], sample["detail"]]
