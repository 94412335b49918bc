"""Field maps as the rows of a workbook that people check and send back, and what a sent one would change.

A row carries a print of what it said when it was written. A row whose words differ from its print was edited by the reader; where the map
itself differs from the print by then, somebody changed it in the workbench since, and the row is refused instead of writing over that.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet

from mapping.likeness.evidence import labels_of
from mapping.models import SourceField
from mapping.naming import NAME_LIMIT, clashes_with, stem_of
from mapping.source_admin import shown_samples
from mapping.transforms import TRANSFORMS, choice_key
from mapping.valuemaps import lines
from mapping.workshop import tables
from mapping.workshop.checking import Checker
from mapping.workshop.models import FieldMap
from mapping.workshop.values import TRANSFORMS as WITH_VALUES
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

EDITABLE = ("column", "transform", "options", "state", "reason", "comment")
MAPS_HEADER = (
    "id", "object", "source field", "filled", "commonest values", "table", "column", "type", "transform", "options", "state", "reason",
    "comment", "score", "alternatives", "offer's name", "decided by", "print",
)  # fmt: skip
VALUES_HEADER = ("id", "field map", "value", "records", "option", "label")
LONGEST = 30_000  # a cell holds 32,767 UTF-16 code units at most
_NOT_IN_CELLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
STATES = {str(label).casefold(): str(value) for value, label in FieldMap.State.choices}


@dataclass(frozen=True, slots=True)
class Sent:
    """A row of the workbook as it came back: the map's id, its editable cells as text, the value map of its own sheet, its print."""

    number: int
    map_id: int
    cells: Mapping[str, str]
    values: Mapping[str, str]
    print: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A map that would be changed: as it would be, and what differs as (name, before, after)."""

    number: int
    map: FieldMap
    words: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that can't be taken, and why."""

    number: int
    subject: str
    why: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a sent workbook would change, what of it can't be, and how many rows say what is so already."""

    changes: tuple[Planned, ...]
    rejected: tuple[Rejected, ...]
    unchanged: int

    @property
    def digest(self) -> str:
        """Tells whether a plan that a person saw is still the one that would be carried out."""
        told = [[one.map.pk, list(one.words)] for one in self.changes]
        return sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


def editable(row: FieldMap) -> dict[str, str]:
    """The cells of a map that a reader may edit; the value map stands in a sheet of its own."""
    options = {key: value for key, value in row.options.items() if key != "values"}
    return {
        "column": row.column,
        "transform": row.transform,
        "options": json.dumps(options, ensure_ascii=False, sort_keys=True) if options else "",
        "state": row.get_state_display(),
        "reason": row.reason,
        "comment": row.comment,
    }


def values_of(row: FieldMap) -> dict[str, str]:
    """The value map of a choice, each option as text."""
    return {word: str(option) for word, option in (row.options.get("values") or {}).items()} if row.transform in WITH_VALUES else {}


def print_of(cells: Mapping[str, str], values: Mapping[str, str]) -> str:
    """What a row said, as 16 digits: line ends, outer spaces and the order of values don't count."""
    told = [[name, tidy(cells.get(name, ""))] for name in EDITABLE]
    mapped = sorted([choice_key(tidy(word)), option] for word, option in values.items() if option)
    return sha256(json.dumps([told, mapped], ensure_ascii=False).encode()).hexdigest()[:16]


def tidy(text: str) -> str:
    """A cell's text as it is compared: spreadsheets change line ends, hold no control characters and end at some length."""
    return _NOT_IN_CELLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST].strip()


def map_rows(engagement: Engagement) -> Iterator[Sequence[Any]]:
    """A row for every field map, in MAPS_HEADER's order."""
    fields = {(field.object_name, field.name): field for field in SourceField.objects.filter(engagement=engagement)}
    known = tables.Known(engagement)
    for row in _maps(engagement):
        field, columns = fields.get((row.object_name, row.source)), known(row.table)
        cells = editable(row)
        yield (
            str(row.pk), row.object_name, row.source, f"{field.fill:.1%}" if field else "", shown_samples(field.top) if field else "",
            row.table, cells["column"], tables.kind_of(columns.get(row.column)) if row.column else "", cells["transform"],
            cells["options"], cells["state"], cells["reason"], cells["comment"], row.score,
            ", ".join(f"{one['column']} ({one['score']:.2f})" for one in row.candidates if one["column"] != row.column),
            row.alias, row.decided_by, print_of(cells, values_of(row)),
        )  # fmt: skip


def value_rows(engagement: Engagement) -> Iterator[Sequence[Any]]:
    """A row for every value of a value map, in VALUES_HEADER's order: what the profile shows, and what the map knows besides."""
    tops = {(field.object_name, field.name): field.top for field in SourceField.objects.filter(engagement=engagement)}
    known = tables.Known(engagement)
    for row in _maps(engagement).filter(transform__in=WITH_VALUES):
        column = known(row.table).get(row.column)
        labels = labels_of(column) if column else {}
        top = [(str(value), count) for value, count in tops.get((row.object_name, row.source), ())]
        for line in lines(top, row.options.get("values") or {}):
            option = "" if line.option is None else str(line.option)
            yield str(row.pk), str(row), line.value, line.records, option, labels.get(line.option or 0, "") if option else ""


def option_rows(engagement: Engagement) -> Iterator[Sequence[Any]]:
    """table, column, option, label of every choice that a value map fills, to choose from."""
    seen: set[tuple[str, str]] = set()
    known = tables.Known(engagement)
    for row in _maps(engagement).filter(transform__in=WITH_VALUES):
        if (row.table, row.column) not in seen:
            seen.add((row.table, row.column))
            column = known(row.table).get(row.column)
            yield from ((row.table, row.column, str(value), label) for value, label in (labels_of(column) if column else {}).items())


def _maps(engagement: Engagement) -> QuerySet[FieldMap]:
    return FieldMap.objects.filter(engagement=engagement).select_related("engagement").order_by("object_name", "source", "table")


def plan_import(engagement: Engagement, sent: Iterable[Sent]) -> ImportPlan:
    """What a sent workbook would change of an engagement's maps; nothing is changed yet."""
    maps, known = {row.pk: row for row in _maps(engagement).defer("candidates")}, tables.Known(engagement)
    planned: list[Planned] = []
    rejected: list[Rejected] = []
    unchanged, seen = 0, set[int]()
    for line in sent:
        row = maps.get(line.map_id)
        if row is None or line.map_id in seen:
            why = "The workbook has this row twice." if row else "This engagement has no such field map."
            rejected.append(Rejected(line.number, str(row or line.map_id), why))
            continue
        seen.add(line.map_id)
        try:
            found = _planned(row, line, known)
        except BadInput as error:
            rejected.append(Rejected(line.number, str(row), f"{error} {error.remedy}"))
        else:
            planned += [found] if found else []
            unchanged += found is None
    return _checked(planned, rejected, unchanged)


def _planned(row: FieldMap, line: Sent, known: tables.Known) -> Planned | None:
    """The map as the row wants it; None where it is so already. Raises BadInput."""
    before, kept = editable(row), values_of(row)
    spelled = {tidy(word): word for word in kept}
    after = {**before, **{name: tidy(text) for name, text in line.cells.items()}}
    values = {**kept, **{spelled.get(tidy(word), word): option for word, option in line.values.items()}}  # a row left out stays as it is
    wanted = tuple((name, before[name], after[name]) for name in EDITABLE if tidy(before[name]) != after[name])
    wanted += _value_words(kept, values)
    if not wanted or print_of(line.cells, line.values) == line.print:  # as it is now, or as it was written: the reader asks for nothing
        return None
    if print_of(before, kept) != line.print:
        raise BadInput(
            "The map was changed in the workbench after this workbook was written.", remedy="Export it again and edit the new one."
        )
    changed = _with_cells(row, after, known)
    if changed.transform in WITH_VALUES:
        changed.options = {**changed.options, "values": _numbers(values)}
    return Planned(line.number, changed, wanted)


def _value_words(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    words = sorted({*before, *after})
    return tuple(
        (f"value '{word}'", before.get(word, ""), after.get(word, "")) for word in words if before.get(word, "") != after.get(word, "")
    )


def _with_cells(row: FieldMap, cells: Mapping[str, str], known: tables.Known) -> FieldMap:
    """The map with the row's cells. Raises BadInput for words that mean nothing here."""
    state = STATES.get(cells["state"].casefold())
    if state is None:
        raise BadInput(f"There is no state {cells['state']!r}.", remedy=f"Write one of {', '.join(map(str, FieldMap.State.labels))}.")
    if cells["transform"] not in TRANSFORMS:
        raise BadInput(f"There is no transform {cells['transform']!r}.", remedy=f"Write one of {', '.join(TRANSFORMS)}.")
    if state == FieldMap.State.LEFT and not cells["reason"]:
        raise BadInput("A field that is left behind needs a reason.", remedy="Write why it isn't needed.")
    _with_column(row, cells["column"], known)
    row.transform, row.state, row.reason, row.comment = cells["transform"], state, cells["reason"], cells["comment"]
    row.options = _options(cells["options"]) | ({"values": row.options["values"]} if "values" in row.options else {})
    if row.transform not in WITH_VALUES:
        row.options.pop("values", None)
    return row


def _with_column(row: FieldMap, column: str, known: tables.Known) -> None:
    """Give a map another column: one that is there, else the planned new one under another name. Raises BadInput."""
    if column == row.column:
        return
    if column and column not in known(row.table):
        if not row.new_column or not column.startswith(f"{row.engagement.prefix}_"):
            raise BadInput(f"{row.table} has no column {column!r}.", remedy="Choose one that is there, or rename a planned new one.")
        if column != f"{row.engagement.prefix}_{stem_of(column.partition('_')[2])}" or len(column) > NAME_LIMIT:
            raise BadInput(f"{column!r} can't be a column's name.", remedy=f"Take small letters, digits and _, at most {NAME_LIMIT}.")
        if clash := clashes_with(column, known(row.table), row.table):
            raise BadInput(f"{column!r} would clash with {clash}.", remedy="Take another name.")
        row.new_column = {**row.new_column, "name": column}
    elif column != (row.new_column or {}).get("name"):
        row.new_column = None
    row.column = column


def _options(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"The options {text[:60]!r} are no JSON object.")
    return found


def _numbers(values: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for word, option in values.items():
        if option and not option.lstrip("-").isdecimal():
            raise BadInput(f"The value {word!r} has the option {option!r}, which is no number.", remedy="Write the option's number.")
        if option:
            found[word] = int(option)
    return found


def _checked(planned: Sequence[Planned], rejected: list[Rejected], unchanged: int) -> ImportPlan:
    """The plan without what could never load: a confirmation is refused here as it is on the pages."""
    checker = Checker([one.map for one in planned if one.map.state == FieldMap.State.CONFIRMED])
    good: list[Planned] = []
    for one in planned:
        why = checker.why_not(one.map) if one.map.state == FieldMap.State.CONFIRMED else ""
        if why:
            rejected.append(Rejected(one.number, str(one.map), why))
        else:
            good.append(one)
    return ImportPlan(tuple(good), tuple(sorted(rejected, key=lambda one: one.number)), unchanged)
