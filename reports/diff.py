"""The sample diff of a run: of each row that was read back what the source held, what was meant and what was found, value by value."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Count

from loads import resampling
from loads.models import Phase, Run, VerifiedRow
from reports.books.diff import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet

KIND = "diff"
VALUES = (("source", "At the source", 44), ("meant", "Mapped", 44), ("found", "Read back", 44))  # of a field: name, title, width
BEFORE = "before"
UNCHOSEN, LISTED = ("wrong", "edited"), 100  # verdicts of rows that nobody chose, and how many of each a document shows of a table
_AT_ONCE = 500


def content(run: Run) -> dict[str, Any]:
    """The rows that were read back, in load order and of each table the worst first: wrong, changed by others, lossy.

    rows: [{"object", "table", "pass", "source_id", "row_id", "verdict", "fields": [{"column", "source", "meant", "found", "verdict"}]}].
    They are a sample, some dozens of each object and table, and of those that were changed by others or are wrong the first LISTED of each
    pass; the workbook has all. tables: [{"object", "table", "pass", and rows by verdict}], of all of them. again: where the same sample was
    loaded before, {"run", "equal"}: the run, and how many rows weren't sent again since they are as they were; the fields of the others
    have what was found `before`.
    """
    rows = VerifiedRow.objects.filter(run=run)
    counts = dict(rows.values_list("verdict").annotate(n=Count("pk")).order_by())
    earlier = resampling.before(run)
    equal = sum(phase.equal for phase in run.phases.filter(kind=Phase.Kind.ROWS)) if earlier else 0
    return {
        "engagement": run.engagement.name,
        "environment": run.environment.kind,
        "run": run.key,
        **({"again": {"run": earlier.key, "equal": equal}} if earlier else {}),
        "counts": {"rows": sum(counts.values()), **{verdict: counts.get(verdict, 0) for verdict in VerifiedRow.WORST}},
        "tables": list(_tables(run)),
        "rows": [_row(row) for row in resampling.with_before(run, _listed(run))],
    }


def _tables(run: Run) -> Iterator[dict[str, Any]]:
    """Of each object, table and pass how many rows there are by verdict, in load order."""
    found = VerifiedRow.objects.filter(run=run).values_list("phase", "verdict").annotate(n=Count("pk")).order_by()
    counts = {(phase, verdict): n for phase, verdict, n in found}
    for phase in run.phases.order_by("number"):
        of_phase = {verdict: counts.get((phase.pk, verdict), 0) for verdict in VerifiedRow.WORST}
        if any(of_phase.values()):
            yield {**_place(phase), **of_phase}


def _place(phase: Phase) -> dict[str, Any]:
    return {"object": phase.object_name, "table": phase.table, "pass": phase.get_kind_display()}


def _listed(run: Run) -> Iterator[VerifiedRow]:
    """The rows that documents show one by one; of what isn't chosen as a sample, which may be any number, the first few."""
    there = set(VerifiedRow.objects.filter(run=run).values_list("phase", "verdict").distinct().order_by())
    for phase in run.phases.order_by("number"):
        for verdict in VerifiedRow.WORST:
            if (phase.pk, verdict) in there:
                rows = VerifiedRow.objects.filter(phase=phase, verdict=verdict).select_related("phase").order_by("pk")
                yield from rows[:LISTED] if verdict in UNCHOSEN else rows


def _all(run: Run) -> Iterator[dict[str, Any]]:
    """Every row, streamed."""
    rows = VerifiedRow.objects.filter(run=run).select_related("phase").worst_first("phase__number")
    return map(_row, resampling.with_before(run, rows.iterator(_AT_ONCE)))


def _row(row: VerifiedRow) -> dict[str, Any]:
    return {
        **_place(row.phase),
        "source_id": row.source_id,
        "row_id": str(row.row_id),
        "verdict": row.verdict,
        "fields": row.fields,
    }


def write(run: Run) -> Document:
    """The diff as JSON."""
    return write_json(run.engagement, KIND, content(run), run)


def write_workbook(run: Run) -> Document:
    """The diff as a workbook: the rows, then every value of them."""
    return write_sheets(run.engagement, KIND, sheets(run), run)


def write_pdf(run: Run) -> Document:
    """The diff on paper."""
    told = content(run)
    return write_book(write_json(run.engagement, KIND, told, run), book(told))


def sheets(run: Run) -> Iterator[Sheet]:
    """A line per row that was read back, and one per value; all of them."""
    header = ["Object", "Table", "Source id", "Row id", "Columns", "Verdict"]
    yield Sheet("Rows", header, map(_line, _all(run)), [18, 24, 40, 38, 10, 12])
    before = [(BEFORE, "Read back before", 44)] if resampling.before(run) else []
    names, titles, widths = zip(*[*VALUES[:2], *before, *VALUES[2:]], strict=True)
    header = ["Object", "Table", "Source id", "Row id", "Column", *titles, "Verdict"]
    yield Sheet("Values", header, _values(_all(run), names), [18, 24, 40, 38, 30, *widths, 12])


def _line(row: Mapping[str, Any]) -> Sequence[Cell]:
    return [*(row[name] for name in ("object", "table", "source_id", "row_id")), len(row["fields"]), row["verdict"]]


def _values(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Sequence[Cell]]:
    for row in rows:
        for one in row["fields"]:
            values = [None if one.get(name) is None else str(one[name]) for name in names]
            yield [*(row[name] for name in ("object", "table", "source_id", "row_id")), one.get("column"), *values, one.get("verdict")]
