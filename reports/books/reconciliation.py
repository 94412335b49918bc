"""The reconciliation on paper: the balance as a whole and written out phase by phase, exceptions, owners, versions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loads.losses.models import Loss
from loads.models import Phase, Run
from loads.reasons import explained
from loads.reconciliation import RECORDS, ROWS
from loads.staging.phases import RECORD_KINDS
from reports.book import Book, Cell, Column, Figure, Kind, Note, Part, Stacked, Status, Table, Tone, number
from reports.books.words import accepted, amount, balance, counted, listed, percent, summed, sums

SUM_OF_RECORDS = f"Every source record has exactly one outcome: extracted = {' + '.join(RECORDS)}."
SUM_OF_ROWS = (
    f"Every planned row has exactly one outcome: planned = {' + '.join(ROWS)}. Created and updated rows are counted in Dynamics itself."
)
OF_ROWS = Phase.Kind.ROWS.label
OF_RECORDS = tuple(kind.label for kind in RECORD_KINDS)

READ_BACK = (
    ("equal", "values as at the source"),
    ("transformed", "as the plan makes them"),
    ("lossy", "with less, listed as losses"),
    ("edited", "changed by others since"),
    ("wrong", "wrong"),
)


def book(told: Mapping[str, Any]) -> Book:
    """The report of a run. told: see `reports.reconciliation.content`."""
    summary = "Every source record and every row accounted for: what was extracted, what became of it, and what was found in Dynamics 365."
    return Book("Reconciliation", summary, _parts(told), [("State of the run", Run.State(told["state"]).label)])


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    phases = told["phases"]
    yield _result(told)
    yield Part("Records", text=[SUM_OF_RECORDS], table=Table(sums("Records of", "extracted", RECORDS), _records(phases), "No phase."))
    columns = sums("Rows of", "planned", [*ROWS, "found there"])
    yield Part("Rows at the destination", text=[SUM_OF_ROWS], table=Table(columns, _rows(phases), "No phase."))
    yield _money(phases)
    yield Part("Phase by phase", text=["In the order in which they were loaded, with each sum written out."])
    yield from (_phase(number, phase) for number, phase in enumerate(phases, 1))
    yield from _tuning(told["tuning"])
    if "exceptions" in told:
        yield from _whole(told)


def _money(phases: Iterable[Mapping[str, Any]]) -> Part:
    """What money comes to as it was read back, each currency by itself."""
    columns = [Column("Column", 70), Column("Currency", 24), number("Least", 24), number("Most", 24), number("Sum", 28)]
    rows = (
        [Stacked(one["column"], _name(phase)), money["currency"], *(amount(money[name]) for name in ("min", "max", "sum"))]
        for phase in phases
        for one in phase.get("read_back", {"columns": ()})["columns"]
        for money in one.get("money", ())
    )
    return Part("Money read back", text=["Of the rows that this run wrote."], table=Table(columns, rows, "No money was written."))


def _result(told: Mapping[str, Any]) -> Part:
    phases = told["phases"]
    totals = {name: sum(phase[name] for phase in phases) for name in ("extracted", *RECORDS)}
    written = sum(phase["rows"]["created"] + phase["rows"]["updated"] for phase in phases if phase["pass"] == OF_ROWS)
    return Part(
        "Result",
        notes=[_said(phases)],
        figures=[
            Figure(totals["extracted"], "records extracted"),
            Figure(totals["loaded"], "records loaded"),
            Figure(totals["rejected"] + totals["held"], "records rejected or held"),
            Figure(written, "rows created or updated in Dynamics 365"),
        ],
        facts=[("All records", summed(totals["extracted"], "extracted", {name: totals[name] for name in RECORDS}))],
    )


def _said(phases: Sequence[Mapping[str, Any]]) -> Note:
    off = [phase for phase in phases if not phase["balanced"]]
    if not phases:
        return Note("Nothing was loaded.", Tone.WARN)
    if off:
        return Note(f"{counted(len(off), 'phase')} of {len(phases)} don't balance: {listed(map(_name, off))}.", Tone.BAD)
    return Note(f"All {counted(len(phases), 'phase')} balance: no record and no row is unexplained.", Tone.GOOD)


def _name(phase: Mapping[str, Any]) -> str:
    return f"{phase['object']} to {phase['table'] or 'no table'}"


def _title(phase: Mapping[str, Any]) -> Stacked:
    more = "" if phase["pass"] == OF_ROWS else f", {phase['pass'][:1].lower()}{phase['pass'][1:]}"
    return Stacked(phase["object"], f"to {phase['table'] or 'no table'}{more}")


def _records(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in phases:
        if phase["pass"] in OF_RECORDS:
            yield [_title(phase), phase["extracted"], *(phase[name] for name in RECORDS), balance(phase["balanced"])]


def _rows(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in phases:
        if phase["table"]:
            counts = phase["rows"]
            there = [counts["planned"], *(counts[name] for name in ROWS), phase["at_destination"]]
            yield [_title(phase), *there, balance(phase["balanced"])]


def _phase(number: int, phase: Mapping[str, Any]) -> Part:
    facts: list[tuple[str, Cell]] = []
    if phase["pass"] in OF_RECORDS:
        facts.append(("Records", summed(phase["extracted"], "extracted", {name: phase[name] for name in RECORDS})))
    if phase["pass"] != OF_ROWS:
        facts.append(("What is done", phase["pass"]))
    if phase["table"]:
        facts.append(("Rows", summed(phase["rows"]["planned"], "planned", {name: phase["rows"][name] for name in ROWS})))
        facts.append(("Found at the destination", phase["at_destination"]))
    facts += [(label, phase[name]) for name, label in (("parked", "Why it can't go on"), ("behind", "Waits for")) if phase.get(name)]
    return Part(f"{number}. {_name(phase)}", level=2, facts=[*facts, ("Balance", balance(phase["balanced"]))])


def _tuning(tuning: Mapping[str, Any]) -> Iterator[Part]:
    text = "What was chosen while loading, by what the service recommends and how it answered. A refused request is sent again."
    yield Part(
        "How fast it went, and why",
        text=[text],
        table=Table(
            [Column("Application user", 48), number("At once", 17), number("Recommended", 24), number("Refused", 17), Column("Why", 64)],
            ([one["user"], one["at_once"], one["hint"], one["refused"], one["said"]] for one in tuning["users"]),
            "Nothing was sent.",
        ),
    )
    yield Part(
        "Rows per call",
        level=2,
        table=Table(
            [Column("Calls for", 48), number("Rows a call", 24), Column("Why", 98)],
            ([Stacked(one["object"], f"to {one['table']}, {one['calls']}"), one["rows_per_call"], one["said"]] for one in tuning["tables"]),
            "Nothing was sent.",
        ),
    )


def _whole(told: Mapping[str, Any]) -> Iterator[Part]:
    yield Part(
        "Records that didn't load as planned",
        text=["None of them is lost: each is kept with every reason, and can be mended and loaded by a further run."],
        table=Table(
            [
                Column("Reason", 62),
                Column("Outcome", 22),
                Column("Object", 30),
                number("Records", 17),
                Column("For instance", 39),
            ],
            _exceptions(told["exceptions"]),
            "Every record loaded as planned.",
        ),
    )
    yield Part(
        "Losses and notes",
        text=["Loaded records of which less arrives than the source held, or of which something is to be said."],
        table=Table(
            [
                Column("What it means", 62),
                Column("Severity", 19),
                Column("Object and field", 36),
                number("Records", 17),
                Column("For instance", 36),
            ],
            _remarks(told["remarks"]),
            "Nothing was lost.",
        ),
    )
    yield _lost(told["losses"])
    yield _read_back(told["verified"])
    if told["rehearsal"]:
        yield _rehearsal(told["rehearsal"])
    yield Part(
        "Owners",
        text=["Who owns rows that another name owned at the source. The original name stays on each row."],
        table=Table([Column("Owner in Dynamics 365", 55), Column("As", 30), Column("Owners at the source", 85)], _owners(told["owners"])),
    )
    yield Part(
        "Versions of the plan",
        table=Table(
            [Column("Part", 28), number("Version", 18), Column("SHA-256", 124, Kind.CODE)],
            ([part, version["version"], version["sha256"]] for part, version in sorted(told["parts"].items())),
        ),
    )


def _exceptions(exceptions: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in exceptions:
        outcome = Status(one["outcome"].capitalize(), Tone.BAD if one["outcome"] in ("rejected", "refused") else Tone.WARN)
        yield [Stacked(explained(one["code"]) or one["code"], one["code"]), outcome, one["object"], one["count"], one["example"]]


def _remarks(remarks: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for one in remarks:
        severity = Status(one["severity"].capitalize(), Tone.WARN if one["severity"] == "loss" else Tone.PLAIN)
        words = Stacked(explained(one["code"]) or one["code"], one["code"])
        yield [
            words,
            severity,
            Stacked(one["object"], one["field"]),
            one["count"],
            listed(one["examples"][:2]),
        ]


def _lost(told: Mapping[str, Any]) -> Part:
    """Lossy values by column and kind, and what the customer said about them."""
    kinds = dict(Loss.KINDS)
    columns = [
        Column("Column", 48),
        Column("What happened", 54),
        number("Values", 18),
        Column("Kept whole in", 50),
    ]
    rows = (
        [
            Stacked(one["column"] or "no single column", f"{one['object']} to {one['table']}"),
            Stacked(kinds[one["kind"]], explained(one["code"]) or one["code"]),
            one["values"],
            one["kept_in"] or "not kept in Dynamics",
        ]
        for one in told["losses"]
    )
    return Part("What arrived with less", notes=[accepted(told)], table=Table(columns, rows, "Every value arrived whole."))


def _read_back(verified: Mapping[str, Any]) -> Part:
    every = verified["everything"]
    tone = Tone.BAD if every["wrong"] or every["undone"] else Tone.GOOD
    said = (
        f"All {counted(every['rows'], 'row')} that were written were read back and compared; {counted(every['wrong'], 'value')} are wrong. "
        f"{counted(every['lookups'], 'lookup')} lead to the row that was meant and {every['lookups_wrong']:,} elsewhere. "
        f"Of {every['done']:,} ties, members of lists, states and closings {every['undone']:,} aren't as they were meant."
    )
    if changed := every["edited_rows"] + every["redone"]:
        said += f" Others changed {counted(changed, 'row')} before they were read back; what they changed stands and is listed."
    return Part(
        "Read back and compared",
        notes=[Note(said, tone)] if every["rows"] else [Note("No row was read back.")],
        figures=[Figure(every[name], label) for name, label in READ_BACK],
        text=[f"The sample diff shows {counted(verified['rows'], 'row')} of them value by value; the workbook counts all by column."],
    )


def _rehearsal(told: Mapping[str, Any]) -> Part:
    score = told["score"]
    if not score:
        return Part("Rehearsal", notes=[Note(f"The load wasn't predicted. {told['problem']}".strip(), Tone.WARN)])
    refused = score["refused"]
    return Part(
        "Rehearsal",
        text=[
            "Before the first row was sent, every staged row was held against Dynamics as it was then, to predict which the service would "
            "refuse and why. Precision says how many of the predicted came so, recall how many of those that came were predicted."
        ],
        figures=[
            Figure(refused["predicted"], "refusals predicted"),
            Figure(refused["found"], "rows that the service refused"),
            Figure(percent(refused["precision"]), "precision"),
            Figure(percent(refused["recall"]), "recall"),
        ],
        table=Table(
            [
                Column("Reason", 70),
                Column("Outcome", 20),
                *(number(title, 20) for title in ("Predicted", "Came so")),
                Column("Precision", 20),
                Column("Recall", 20),
            ],
            (
                [
                    Stacked(explained(one["code"]) or one["code"], one["code"]),
                    one["outcome"].capitalize(),
                    one["predicted"],
                    one["found"],
                    percent(one["precision"]),
                    percent(one["recall"]),
                ]
                for one in score["reasons"]
            ),
            "Nothing was predicted to be refused, and nothing was.",
        ),
    )


def _owners(owners: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for answer in owners:
        how = answer["as"] or ("owner team" if answer["kind"] == "team" else "user")
        signed = f"signed by {answer['signed_by']}" if answer["signed_by"] else ""
        yield [answer["name"], Stacked(how.capitalize(), signed), listed(answer["owners"])]
