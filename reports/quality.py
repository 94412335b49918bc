"""The data-quality report of a run, as JSON and as a workbook: each time it is measured, and again at the hand-off with its decisions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loads.models import Run
from loads.quality import Line, lines
from loads.sums import AMOUNTS, DISPOSITIONS, differences
from reports.books.quality import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet

KIND = "quality"


def content(run: Run) -> dict[str, Any]:
    """The report as data: every group with its rule, records, examples and decision; what records and money come to."""
    return {
        "engagement": run.engagement.name,
        "environment": run.environment.kind,
        "run": run.key,
        "measured_at": run.measured_at.isoformat() if run.measured_at else None,
        "groups": [_group(line) for line in lines(run)],
        "sums": run.sums,
        "unexplained": differences(run.sums),
    }


def _group(line: Line) -> dict[str, Any]:
    group, decision = line.group, line.decision
    return {
        "object": group.object_name,
        "field": group.field,
        "rule": line.rule,
        "code": group.code,
        "words": line.words,
        "severity": line.severity,
        "records": group.records,
        "samples": [{"source_id": source_id, "detail": detail} for source_id, detail in group.samples],
        "asks": line.asks,
        "decision": decision.choice if decision else None,
        "value": decision.value if decision else "",
        "decided_by": decision.decided_by if decision else None,
        "decided_at": decision.decided_at.isoformat() if decision else None,
        "comment": decision.comment if decision else "",
        "owner": line.duty.who if line.duty else None,
        "due_on": line.duty.due_on.isoformat() if line.duty else None,
        "overdue": line.is_overdue,
    }


def write(run: Run) -> Document:
    """The report as JSON."""
    return write_json(run.engagement, KIND, content(run), run)


def write_workbook(run: Run) -> Document:
    """The same as a workbook."""
    return write_sheets(run.engagement, KIND, sheets(lines(run), run.sums), run)


def write_pdf(run: Run) -> Document:
    """The same on paper."""
    told = content(run)
    return write_book(write_json(run.engagement, KIND, told, run), book(told))


def sheets(found: Sequence[Line], sums: Mapping[str, Any]) -> Iterator[Sheet]:
    """The groups, then their examples; what records and money come to. sums: see `loads.staging.sums`."""
    header = [
        "Object",
        "Field",
        "Rule",
        "Code",
        "What it means",
        "Records",
        "Decision",
        "Decided by",
        "Comment",
        "Owner",
        "Due on",
        "Overdue",
    ]
    yield Sheet("Groups", header, (_row(line) for line in found), [18, 28, 12, 28, 70, 10, 36, 20, 40, 24, 12, 10])
    yield Sheet("Examples", ["Object", "Field", "Code", "Source id", "Detail"], _examples(found), [18, 28, 28, 44, 60])
    header = ["Object", "Landed", *(name.capitalize() for name in DISPOSITIONS)]
    records = ([one["object"], one["landed"], *(one[name] for name in DISPOSITIONS)] for one in sums.get("records", ()))
    yield Sheet("Records staged", header, records, [24, *[12] * 7])
    header = ["Object", "What", "Currency", *(name.capitalize() for name in AMOUNTS), "Records without an amount", "Unexplained records"]
    money = (
        [one["object"], one["name"], one["currency"], *(one[name] for name in AMOUNTS), one["without"], one["differing"]]
        for one in sums.get("money", ())
    )
    yield Sheet("Money staged", header, money, [24, 20, 12, *[18] * 9, 24, 20])


def _row(line: Line) -> list[Cell]:
    group, decision = line.group, line.decision
    told = (decision.decided_by, decision.comment) if decision else ("", "")
    duty = (line.duty.who, line.duty.due_on.isoformat(), line.is_overdue) if line.duty else ("", "", False)
    return [group.object_name, group.field, line.rule, group.code, line.words, group.records, line.outcome, *told, *duty]


def _examples(found: Sequence[Line]) -> Iterator[list[Cell]]:
    for line in found:
        for source_id, detail in line.group.samples:
            yield [line.group.object_name, line.group.field, line.group.code, source_id, detail]
