"""The exceptions of a run as a workbook: every record with its group, value and reason, and columns to say what is done about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import orjson
from django.db import transaction

from connectors import store
from loads import staged
from loads.desk import candidates, groups, remedying
from loads.desk.groups import Group
from loads.models import LedgerEntry, Phase, Run
from loads.reasons import explained
from loads.verification import BIND
from mapping.quality.remedies import ASKED, PICKED, REMEDIES, VALUE, WITH_VALUE, Given
from mapping.workshop.tables import Known
from reports import sent_book
from reports.documents import write_sheets
from reports.models import Document
from reports.sent_book import document_file
from reports.xlsx import Cell, Sheet
from workbench.engagements.errors import BadInput, WorkbenchError

KIND, SENT_KIND = "exceptions", "exceptions_sent"
RECORDS, ABOUT = "Exceptions", "About"
HEADER = (
    "id", "group", "object", "record", "table", "column", "value", "outcome", "code", "what it means", "detail", "offered", "remedy",
    "new value",
)  # fmt: skip
HOW = (
    "Write into 'remedy' what is to be done about a record, one of the words that stand in 'offered'; into 'new value' for 'Another value' "
    "the value, for 'Load into this row' the id of one of the rows in 'value', and for 'Keep as text' the name of the column that keeps "
    "it, if it isn't to be the column of original values.",
    "Rows without a remedy stay as they are. Rows may be sorted, filtered and left out; leave the column 'id' as it is.",
    "Send the file back: the workbench names each line that can't be taken, and takes none before all of them can.",
)
TOGETHER = 2_000
NO_ROW = "None of the rows that fitted is there any more. A re-run looks for them again."
WORDS = {choice.label.casefold(): name for name, choice in REMEDIES.items()}


def write(run: Run) -> Document:
    """Write the workbook of a run's exceptions and record it."""
    about = Sheet(ABOUT, ("what", "content"), _about(run), widths=(28, 110))
    widths = (10, 18, 16, 34, 20, 26, 40, 12, 26, 60, 60, 40, 18, 30)
    return write_sheets(run.engagement, KIND, [about, Sheet(RECORDS, HEADER, _rows(run), widths=widths)], run)


def _about(run: Run) -> Iterator[Sequence[Cell]]:
    yield from (("Engagement", run.engagement.name), ("Environment", run.environment.kind), ("Run", run.key))
    for number, sentence in enumerate(HOW, start=1):
        yield f"How to, {number}", sentence
    for choice in REMEDIES.values():
        yield choice.label, choice.means


def _rows(run: Run) -> Iterator[Sequence[Cell]]:
    """Group by group, ids as text."""
    known = Known(run.engagement, run.environment)
    given = {(one.object_name, one.source_id, one.table, one.column, one.question): one for one in groups.standing(run).iterator()}
    for group in groups.groups(run):
        labels = ", ".join(choice.label for choice in groups.offered(group, known))
        for batch in store.batched(groups.records(groups.entries(run, [group.place])), TOGETHER):
            values = _rows_that_fit(run, group, batch) or _values(run, group, batch)
            for entry in batch:
                reason = entry.reasons[0] if entry.reasons else {}
                record, question = (entry.object_name, entry.source_id), ASKED[group.code][0] if group.asks else ""
                had = given.get((*record, group.table, group.column, "")) or given.get((*record, "", "", question))
                had = had or given.get((*record, "", "", ""))
                yield (
                    str(entry.pk), group.key, entry.object_name, entry.source_id, group.table, group.column or group.field,
                    values.get(str(entry.row_id or entry.pk)), entry.get_outcome_display(), entry.code, explained(entry.code),
                    reason.get("detail", ""), labels, REMEDIES[had.choice].label if had else "", had.value if had else "",
                )  # fmt: skip


def _rows_that_fit(run: Run, group: Group, entries: Sequence[LedgerEntry]) -> dict[str, str]:
    """Entry -> the rows that may be the record's, in lines; those alone that staging named where the service doesn't answer."""
    if not group.asks_for_rows:
        return {}
    try:
        found = {pk: [row.words for row in rows] for pk, rows in candidates.of(run, entries).items()}
    except WorkbenchError:
        found = {entry.pk: candidates.named(entry) for entry in entries}
    return {str(pk): "\n".join(rows) for pk, rows in found.items()}


def _values(run: Run, group: Group, entries: Sequence[LedgerEntry]) -> dict[str, str]:
    """Row id -> what was to be written into the group's column."""
    if not group.column or not entries:
        return {}
    phase = Phase.objects.get(pk=entries[0].phase_id)
    phase.run = run
    paths = [str(path) for path in staged.rows_of(phase)]
    if not paths:
        return {}
    ids = [str(entry.row_id) for entry in entries]
    with store.reader() as con:
        query = 'SELECT row_id, "values" FROM read_parquet($paths) WHERE row_id IN (SELECT unnest($ids))'
        return {
            row_id: _value(orjson.loads(body), group.column) for row_id, body in con.execute(query, {"paths": paths, "ids": ids}).fetchall()
        }


def _value(body: Mapping[str, Any], column: str) -> str:
    """A column's value in a staged body, a lookup by the property that it was bound with."""
    found = body.get(column)
    if found is None:
        found = next((value for key, value in body.items() if key.endswith(BIND) and key.startswith(column)), None)
    return "" if found is None else str(found)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a workbook that was sent back, with the remedy that it asks for, or why it can't be taken. entry: the exception's id."""

    number: int
    record: str
    given: Given | None
    why_not: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a workbook asks for. unchanged: lines that say what is so already."""

    lines: Sequence[Line]
    unchanged: int = 0

    @property
    def asked(self) -> list[Given]:
        """The remedies."""
        return [line.given for line in self.lines if line.given]

    @property
    def bad(self) -> list[Line]:
        """Lines that can't be taken."""
        return [line for line in self.lines if line.why_not]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Remedies by their label."""
        return [(choice.label, count) for name, choice in REMEDIES.items() if (count := sum(one.choice == name for one in self.asked))]

    @property
    def digest(self) -> str:
        """Of what it asks for as things stand."""
        return sha256(repr(self.lines).encode()).hexdigest()[:32]


def keep_sent(run: Run, content: bytes) -> Document:
    """Keep a workbook that was sent back, as it came. Raises BadInput for what is no workbook of ours or is too large."""
    document = sent_book.keep_sent(run.engagement, SENT_KIND, content, run)
    read(document)
    return document


def read(document: Document) -> Sent:
    """What a sent workbook asks for as things stand now. Raises BadInput where it can't be read at all."""
    run = document.run
    if run is None:
        raise BadInput("The workbook belongs to no run.")
    with document_file(document).open("rb") as file, sent_book.opened(file) as book:
        asked = [(number, cells) for number, cells in sent_book.rows(book, RECORDS, HEADER) if cells["remedy"].strip()]
    entries = _entries(run, [cells["id"] for _, cells in asked])
    known, of_key = Known(run.engagement, run.environment), {tuple(group.place): group for group in groups.groups(run)}
    seen: set[int] = set()
    lines = _picked(run, [_line(run, number, cells, entries, of_key, known, seen) for number, cells in asked], entries, of_key)
    names = ("object_name", "source_id", "table", "column", "choice", "value", "environment")
    had = set(groups.standing(run).values_list(*names).iterator())
    new = [line for line in lines if line.given is None or tuple(getattr(line.given, name) for name in names) not in had]
    return Sent(new, len(lines) - len(new))


def _entries(run: Run, ids: Sequence[str]) -> dict[str, LedgerEntry]:
    numbers = [int(one) for one in ids if one.isdecimal() and len(one) < len(str(2**63))]
    found: dict[str, LedgerEntry] = {}
    for start in range(0, len(numbers), TOGETHER):
        found |= {str(entry.pk): entry for entry in groups.told(run.pk).filter(pk__in=numbers[start : start + TOGETHER])}
    return found


def _picked(run: Run, lines: Sequence["Line"], entries: Mapping[str, LedgerEntry], of_key: Mapping[tuple[str, ...], Group]) -> list["Line"]:
    """The lines, those with a rule by which the row is picked with that row. Raises what the service raises."""
    by_rule = [line for line in lines if line.given and line.given.choice in PICKED]
    asked = [(_group(entries[line.entry], of_key), entries[line.entry], line.given.choice) for line in by_rule if line.given]
    rows = dict(zip((line.number for line in by_rule), remedying.picked(run, asked), strict=True))
    return [
        line if line.number not in rows else replace(line, given=rows[line.number], why_not="" if rows[line.number] else NO_ROW)
        for line in lines
    ]


def _group(entry: LedgerEntry, of_key: Mapping[tuple[str, ...], Group]) -> Group:
    return of_key[tuple(getattr(entry, name) for name in groups.NAMES)]


def _line(
    run: Run,
    number: int,
    cells: Mapping[str, str],
    entries: Mapping[str, LedgerEntry],
    of_key: Mapping[tuple[str, ...], Group],
    known: Known,
    seen: set[int],
) -> Line:
    entry, word = entries.get(cells["id"]), cells["remedy"].strip()
    if entry is None or entry.pk in seen:
        return Line(number, cells["record"], None, "The workbook has this row twice." if entry else "This run has no such exception.")
    seen.add(entry.pk)
    group = _group(entry, of_key)
    choice = WORDS.get(word.casefold())
    try:
        if choice is None:
            raise BadInput(f"There is no remedy {word[:60]!r}.", remedy=f"Write one of {cells['offered'] or 'those offered'}.")
        if cells["new value"].strip() and choice not in WITH_VALUE:
            raise BadInput(f"'{word}' takes no new value.", remedy=f"Write '{REMEDIES[VALUE].label}', or leave the value out.")
        remedying.require_possible(group, choice, cells["new value"], known)
        asked = remedying.given(run, group, entry, choice, cells["new value"])
    except BadInput as error:
        return Line(number, cells["record"], None, f"{error} {error.remedy}")
    return Line(number, entry.source_id, asked, entry=cells["id"])


@transaction.atomic
def apply(document: Document, *, user: Any, shown: str) -> int:
    """Give the remedies of a sent workbook, all or none; how many. Raises BadInput for a bad line, and where what was shown changed."""
    found, run = read(document), document.run
    if found.digest != shown or run is None:
        raise BadInput("Something was changed since this was shown.", remedy="Look at what it would do now, then apply it.")
    if found.bad:
        raise BadInput(f"{len(found.bad)} lines can't be taken.", remedy="Mend them in the workbook and send it again.")
    return remedying.give(run, found.asked, user=user, subject=f"{run}: a workbook with {len(found.asked)} remedies")
