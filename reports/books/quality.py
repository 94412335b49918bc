"""The data-quality report on paper: what would fail or lose something, what was decided, with examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from loads.sums import AMOUNTS, DISPOSITIONS
from mapping.quality import rules
from reports.book import Book, Cell, Column, Figure, Note, Part, Stacked, Status, Table, Tone, number
from reports.books.words import amount, counted
from reports.printable import moment

ADDED_UP = "Each landed record has one outcome, counted in what was landed and again in what stands ready to be sent."
OF_MONEY = (
    "Landed and changed together are what is staged, kept, merged, skipped, rejected and held. Changed: rounded, or made of other fields, "
    "as the groups above tell. Kept: what rows at the destination hold that are left as they are."
)
TONES = {"loss": Tone.WARN, "hold": Tone.WARN, "reject": Tone.BAD}
CHOICES = {name: choice.label for name, choice in rules.CHOICES.items()}


def book(told: Mapping[str, Any]) -> Book:
    """The report of a run. told: see `reports.quality.content`."""
    summary = "Which values break a rule of the destination, in how many records, and what becomes of them."
    return Book("Data quality", summary, chain(_parts(told["groups"]), _sums(told)), [("Measured", moment(told["measured_at"]))])


def _sums(told: Mapping[str, Any]) -> Iterator[Part]:
    """What records and money come to, as they were landed and as they stand ready to be sent."""
    sums, off = told["sums"], told["unexplained"]
    notes = [Note(said, Tone.BAD) for said in off] or [Note("Nothing is unexplained.", Tone.GOOD)]
    columns = [Column("Object", 40), *(number(name.capitalize(), 18) for name in ("landed", *DISPOSITIONS))]
    rows = ([one["object"], one["landed"], *(one[name] for name in DISPOSITIONS)] for one in sums.get("records", ()))
    yield Part("Records and money before loading", notes=notes, text=[ADDED_UP], table=Table(columns, rows, "Nothing is staged."))
    columns = [Column("Money of", 34), *(number(name.capitalize(), 17) for name in AMOUNTS)]
    money = (
        [Stacked(f"{one['object']}, {one['currency']}", one["name"]), *(amount(one[name]) for name in AMOUNTS)]
        for one in sums.get("money", ())
    )
    yield Part("Money by object and currency", level=2, text=[OF_MONEY], table=Table(columns, money, "No object has money."))


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
            Figure(sum(one["overdue"] for one in groups), "overdue"),
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
    if not one["asks"]:
        return "Follows a signed rule or another record"
    duty = f"{one['owner']}, until {one['due_on']}" if one["owner"] else ""
    return Status("Overdue", Tone.BAD, duty) if one["overdue"] else Status("Open", Tone.WARN, duty)


def _examples(groups: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in groups:
        for sample in one["samples"]:
            means = Stacked(one["words"], one["code"]) if one["words"] else one["code"]
            yield [Stacked(one["object"], one["field"]), means, sample["source_id"], sample["detail"]]
