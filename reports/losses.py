"""The loss report of a run: every loss and note of a loaded record, and every record that didn't load, with its reasons."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from django.db.models import QuerySet

from connectors import store
from loads import staged
from loads.models import LedgerEntry, Run
from loads.reasons import explained
from loads.sampling import LEFT_OUT
from reports.books.losses import book
from reports.documents import write_book, write_lines, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet

KIND = "losses"
FIELDS = ("object", "source_id", "disposition", "table", "severity", "field", "code", "words", "detail", "into")
WIDTHS = (18, 30, 14, 18, 10, 26, 28, 60, 60, 30)
TITLES = ("Object", "Source id", "What became of it", "Table", "Severity", "Field", "Code", "What it means", "Detail", "Merged into")
_BATCH = 2_000  # records beside whose rows the exceptions of the load are read
LOADED = "loaded"


def lines(run: Run) -> Iterator[dict[str, Any]]:
    """One line per reason of a record: what staging decided of an object's records, then what the load couldn't bring. See FIELDS.

    severity: loss (the row holds less than the source), note (worth knowing), hold or reject (why the record isn't loaded).
    Memory holds one batch. Records that a sample leaves for a whole run, mostly nearly all, are counted in the summary alone.
    """
    failing = set(LedgerEntry.objects.filter(run=run, row_id__isnull=False).order_by().values_list("object_name", flat=True).distinct())
    for name in run.staged:
        for batch in store.batched(staged.read_reasons(run, name, but=LEFT_OUT), _BATCH):
            missed = refused(run, name).filter(position__gte=batch[0]["position"], position__lte=batch[-1]["position"])
            outcomes = {entry.position: outcome(entry) for entry in missed} if name in failing else {}
            for record in batch:
                yield from _of_record(name, record, outcomes.get(record["position"], LOADED))
        for entry in refused(run, name).iterator(_BATCH) if name in failing else ():
            record = {"source_id": entry.source_id, "main_table": entry.phase.table, "into": ""}
            yield from _told(name, record, outcome(entry), entry.reasons)


def refused(run: Run, name: str) -> QuerySet[LedgerEntry]:
    """The rows of an object that the load didn't bring to the destination, in the order of their records."""
    entries = LedgerEntry.objects.filter(run=run, object_name=name, row_id__isnull=False)
    return entries.select_related("phase").order_by("position", "pk")


def _of_record(name: str, record: Mapping[str, Any], came: str) -> Iterator[dict[str, Any]]:
    disposition = came if record["disposition"] == "planned" else record["disposition"]
    return _told(name, record, disposition, orjson.loads(record["reasons"]))


def _told(name: str, record: Mapping[str, Any], disposition: str, reasons: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    for reason in reasons:
        yield {
            "object": name,
            "source_id": record["source_id"],
            "disposition": disposition,
            "table": record["main_table"],
            "severity": reason.get("severity", ""),
            "field": reason.get("field", ""),
            "code": reason["code"],
            "words": explained(reason["code"]),
            "detail": reason.get("detail", ""),
            "into": record["into"] or "",
        }


def outcome(entry: LedgerEntry) -> str:
    """A record whose own row was refused is rejected; one that waits, or whose further row was refused, is held."""
    return "rejected" if not entry.held and entry.main_table == entry.phase.table else "held"


def write(run: Run) -> Document:
    """The report as JSON, a line each."""
    return write_lines(run.engagement, KIND, lines(run), run)


def write_workbook(run: Run) -> Document:
    """The report as a workbook: counts, then what loaded records lost, then what didn't load."""
    return write_sheets(run.engagement, KIND, sheets(run), run)


def write_pdf(run: Run) -> Document:
    """The report on paper: counts, then the first lines of both lists."""
    return write_book(write(run), book(list(_summary(run)), partial(lines, run)))


def sheets(run: Run) -> Iterator[Sheet]:
    """Counts by object, severity, code and field; then every line."""
    header = ["Object", "What became of it", "Severity", "Code", "What it means", "Field", "Lines"]
    yield Sheet("Summary", header, _summary(run), [18, 18, 10, 28, 70, 26, 10])
    yield Sheet("Losses and notes", TITLES, (_row(line) for line in lines(run) if line["disposition"] == LOADED), WIDTHS)
    yield Sheet("Not loaded", TITLES, (_row(line) for line in lines(run) if line["disposition"] != LOADED), WIDTHS)


def _summary(run: Run) -> Iterator[Sequence[Cell]]:
    names = ("object", "disposition", "severity", "code", "words", "field")
    counts = Counter(tuple(line[name] for name in names) for line in lines(run))
    for told, count in _left_out(run):
        counts[tuple(told[name] for name in names)] += count
    for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield [*key, count]


def _left_out(run: Run) -> Iterator[tuple[dict[str, Any], int]]:
    """Of each object and table a line that stands for all records that a sample leaves for a whole run, and how many they are."""
    for name in run.staged if run.is_sample else ():
        for table, count in staged.with_reasons(run, name, LEFT_OUT).items():
            record = {"source_id": "", "main_table": table, "into": ""}
            yield from ((line, count) for line in _told(name, record, "skipped", orjson.loads(LEFT_OUT)))


def _row(line: Mapping[str, Any]) -> list[Cell]:
    return [str(line[name]) for name in FIELDS]
