"""Counting the lossy values that a phase wrote, by column and reason, once its rows are read back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from connectors import store
from connectors.storable import storable
from loads import staged
from loads.destination import Destination
from loads.losses.models import CLEANED, DEFAULTED, EMPTIED, SHORTENED, Loss
from loads.models import LedgerEntry, Phase
from mapping import plan
from mapping.fieldmaps import rules_of
from mapping.issues import brief

SAMPLES = 5
_KINDS: Mapping[str, str] = {
    "choice.too_many": SHORTENED,
    "line.price_missing": DEFAULTED,
    "line.quantity_assumed": DEFAULTED,
    "number.rounded": SHORTENED,
    "original_values.shortened": SHORTENED,
    "price.unusable": DEFAULTED,
    "purchase.total_from_lines": DEFAULTED,
    "quality.defaulted": DEFAULTED,
    "remedy.shortened": SHORTENED,
    "remedy.value": DEFAULTED,
    "text.control_characters": CLEANED,
    "text.lone_surrogates": CLEANED,
    "text.shortened": SHORTENED,
}
# Rows that were sent, of records of which something is lost; a loss that is of no column's value is counted with the record's main row.
_LOSSY = """
    SELECT r.row_id, r.source_id, r.lossy, r."values", r.role = '' AND r.main_table = $table AS main, d.reasons
    FROM read_parquet($rows) r JOIN read_parquet($dispositions) d USING (position)
    WHERE r.action IN ('create', 'update') AND contains(decode(d.reasons), '"loss"') AND (len(r.lossy) > 0 OR main)
"""
Key = tuple[str, str, str, str]  # column, code, source field, the column that keeps the whole value


@dataclass(slots=True)
class Counted:
    """Values of one key, and a few of them."""

    values: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)


def kind_of(code: str) -> str:
    """What a loss does to the value."""
    return _KINDS.get(code, EMPTIED)


def measure(phase: Phase, destination: Destination) -> None:
    """Count the losses of a phase of rows in place of what was counted before. Memory holds the groups."""
    groups: _Groups | None = None
    for row in _rows(phase):
        groups = groups or _Groups(phase, destination)
        groups.take(row)
    of_phase = {"run_id": phase.run_id, "phase": phase, "object_name": phase.object_name, "table": phase.table}
    made = [
        Loss(
            **of_phase, column=column, kind=kind_of(code), code=code, field=name, kept_in=kept_in, values=one.values, samples=one.samples
        )  # fmt: skip
        for (column, code, name, kept_in), one in (groups.found.items() if groups else ())
    ]
    with transaction.atomic():
        Loss.objects.filter(phase=phase).delete()
        Loss.objects.bulk_create(made, batch_size=500)


def _rows(phase: Phase) -> Iterator[dict[str, Any]]:
    """Rows at the destination whose records lost something."""
    rows = staged.rows_of(phase)
    dispositions = staged.explained(phase.run, phase.object_name)
    if not rows or not dispositions:
        return
    absent = set(LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", flat=True))
    given = {"rows": [str(path) for path in rows], "dispositions": [str(path) for path in dispositions], "table": phase.table}
    with store.reader() as con:
        found = con.execute(_LOSSY, given)
        names = [column[0] for column in found.description or ()]
        while batch := found.fetchmany(store.ROWS_PER_GROUP):
            for values in batch:
                row = dict(zip(names, values, strict=True))
                if UUID(row["row_id"]) not in absent:
                    yield row


class _Groups:
    """The losses of one phase as they are counted."""

    def __init__(self, phase: Phase, destination: Destination) -> None:
        """Know which fields fill which columns."""
        maps = plan.content_of(phase.run.engagement, {"maps": phase.run.parts["maps"]})["maps"]
        own = rules_of(maps, phase.object_name, phase.table)
        self.sources = {rule.column: storable(rule.source) for rule in own if rule.state == "confirmed"}
        named = {row["source"] for row in maps["fields"] if row["object"] == phase.object_name and row["state"] == "confirmed"}
        self.mapped = {storable(name) for name in named}
        self.columns = destination.table(phase.table).columns
        self.memo, self.whole_name = destination.own("original_values"), destination.own("original_name")
        self.payload = maps["objects"][phase.object_name]["record"]["payload"] or ""
        self.found: dict[Key, Counted] = {}

    def take(self, row: Mapping[str, Any]) -> None:
        """Count the lossy values of one row."""
        values, kept = orjson.loads(row["values"]), dict[str, Any]()
        if isinstance(memo := values.get(self.memo), str):
            kept = orjson.loads(memo)
        for reason in orjson.loads(row["reasons"]):
            for column in self._columns_of(reason, row) if reason["severity"] == "loss" else ():
                self._count(column, reason, row["source_id"], values, kept)

    def _columns_of(self, reason: Mapping[str, str], row: Mapping[str, Any]) -> Sequence[str]:
        """The columns of this row whose values the reason is about."""
        name = reason["field"]
        if lossy := [column for column in row["lossy"] if name in (column, self.sources.get(column))]:
            return lossy
        if name in self.mapped or not row["main"]:
            return ()  # counted with another row of the record
        return [name if name in self.columns else ""]

    def _count(self, column: str, reason: Mapping[str, str], source_id: str, values: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        kept_in, whole = self._whole(column, reason["field"], values, kept)
        key = (column[:100], reason["code"][:80], reason["field"][:300], kept_in)
        counted = self.found.setdefault(key, Counted())
        counted.values += 1
        if len(counted.samples) < SAMPLES:
            was, became = ("" if value is None else brief(value) for value in (whole, values.get(column)))
            counted.samples.append({"source_id": source_id, "was": was, "became": became, "detail": reason.get("detail", "")})

    def _whole(self, column: str, name: str, values: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[str, Any]:
        """The column of the row that keeps a value whole, '' where none does, and the value where it stands there by itself."""
        if column != self.memo and (found := [key for key in (name, column) if key in kept]):
            return self.memo, kept[found[0]]
        if column == "name" and (whole := values.get(self.whole_name)):
            return self.whole_name, whole
        return (self.payload if self.payload in values and column != self.payload else ""), None
