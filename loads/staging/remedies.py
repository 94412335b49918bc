"""Remedies carried out while rows are built: what the plan says about single records, see `mapping.quality.remedies`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from connectors.dataverse.metadata import Column
from loads.staging import answers, placeholders
from loads.staging.context import StagingContext
from loads.staging.rows import Draft
from loads.verification import BIND
from mapping.fieldmaps import original_values
from mapping.issues import Issue
from mapping.quality import remedies
from mapping.quality.remedies import BLANK, OWNER, PLACEHOLDER, REMOVED, SKIP, TEXTS, TRUNCATE, VALUE
from mapping.quality.rules import TEXT
from mapping.transforms import MEMO_LIMIT, cut, utf16_length, whole_text
from workbench.engagements.errors import BadInput

Entry = Mapping[str, Any]


class Remedies:
    """The remedies of one object's records, by the run's plan."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Index them by record. What a remedy is to fit may have changed since the refusal: such tables are read anew."""
        self.context, self._of = context, dict[str, list[Entry]]()
        mine = [entry for entry in context.contents["quality"].get("remedies", ()) if entry["object_name"] == object_name]
        for entry in mine:
            for record in entry["records"]:
                self._of.setdefault(record, []).append(entry)
        self._left = answers.left(context.run, object_name, REMOVED)
        self._standing = {one.key: f"{one.parent}:{one.source_id}" for one in placeholders.of_run(context.run, object_name)}
        for table in dict.fromkeys(entry["table"] for entry in mine if entry["table"]):
            context.destination.read_anew(table)

    def of(self, source_id: str) -> Sequence[Entry]:
        """The remedies of a record."""
        return self._of.get(remedies.digest(source_id), ()) if self._of else ()

    @property
    def leaves_any_out(self) -> bool:
        """Whether any record isn't loaded at all."""
        return bool(self._left) or any(entry["choice"] == SKIP for entries in self._of.values() for entry in entries)

    def leaves_out(self, source_id: str, reasons: Sequence[Entry]) -> bool:
        """Whether the record isn't loaded at all, or stays without the row that somebody removed. reasons: of set-based staging."""
        stays_away = source_id in self._left and any(one["code"] == REMOVED for one in reasons)
        return stays_away or any(entry["choice"] == SKIP for entry in self.of(source_id))

    def apply(self, source_id: str, drafts: Sequence[tuple[str, Draft]]) -> list[Issue]:
        """Put the remedies of a record into its drafts; what was done, to be told beside its other issues."""
        standing = [
            Issue("remedy.placeholder", "", self._standing[parent], "note")
            for entry in self.of(source_id)
            if entry["choice"] == PLACEHOLDER
            for _, draft in drafts
            for parent in draft.parents
            if parent in self._standing
        ]
        return standing + [
            issue
            for entry in self.of(source_id)
            for table, draft in drafts
            if entry["column"] and entry["table"] in ("", table)
            for issue in self._one(entry, self.context.destination.table(table).columns.get(entry["column"]), draft)
        ]

    def _one(self, entry: Entry, column: Column | None, draft: Draft) -> list[Issue]:
        return [] if column is None else DEEDS[entry["choice"]](self, column, draft, entry["value"])

    def _another_value(self, column: Column, draft: Draft, value: str) -> list[Issue]:
        try:
            draft.values[column.name] = remedies.value_for(column, value, self.context.time)
        except BadInput:  # another environment's column may take less
            return [Issue("remedy.not_fitting", column.name, "", "note")]
        return [self._lost("remedy.value", column, draft)]

    def _fallback_owner(self, column: Column, draft: Draft, value: str) -> list[Issue]:
        if not (owner := self.context.owners.get("")):
            return []
        draft.values[f"{column.name}{BIND}"] = owner
        return [Issue("remedy.owner", column.name, "", "note")]

    def _blank(self, column: Column, draft: Draft, value: str) -> list[Issue]:
        """Without the value; who waited for the row that a lookup led to no longer does."""
        keys = [column.name, *(f"{navigation}{BIND}" for navigation in column.navigation.values())]
        taken = [str(draft.values.pop(key)) for key in dict.fromkeys(keys) if key in draft.values]
        if not taken:
            return []
        draft.parents = [parent for parent in draft.parents if not any(f"({parent.partition(':')[2]})" in one for one in taken)]
        if column.kind in TEXTS:
            self._keep_whole(column, draft, taken[0])
        return [self._lost("remedy.blank", column, draft)]

    def _shorten(self, column: Column, draft: Draft, value: str) -> list[Issue]:
        text = draft.values.get(column.name)
        if not isinstance(text, str) or column.max_length is None or utf16_length(text) <= column.max_length:
            return []
        draft.values[column.name] = cut(text, column.max_length)
        self._keep_whole(column, draft, text)
        return [self._lost("remedy.shortened", column, draft, f"{utf16_length(text)} of {column.max_length}")]

    def _keep_as_text(self, column: Column, draft: Draft, value: str) -> list[Issue]:
        """What fits stays, the source's whole value goes into another column, `value`; where that can't have it, the row is as it was."""
        meant = draft.values.get(column.name)
        if meant is None:
            return []
        source = draft.source().get(column.name)
        whole = whole_text(meant if source is None else source)
        fitting = cut(meant, column.max_length or MEMO_LIMIT) if column.kind in TEXTS and isinstance(meant, str) else None
        if not (self._keep_in(value, draft, whole, column) if value else self._keep_whole(column, draft, whole)):
            return [Issue("remedy.not_fitting", column.name, value, "note")]
        draft.values.pop(column.name)
        draft.values |= {} if fitting is None else {column.name: fitting}
        return [self._lost("remedy.text", column, draft, value)]

    def _keep_in(self, into: str, draft: Draft, whole: str, column: Column) -> bool:
        """The whole in a text column that the row doesn't fill otherwise; False where it can't be there."""
        found = self.context.destination.table(column.table).columns.get(into)
        fits = found is not None and found.valid_for_create and utf16_length(whole) <= (found.max_length or MEMO_LIMIT)
        if not fits or draft.values.get(into) is not None:
            return False
        draft.values[into] = whole
        return True

    def _keep_whole(self, column: Column, draft: Draft, text: str) -> bool:
        """The text whole in the column of original values; False where the table doesn't have it."""
        name = f"{self.context.prefix}_original_values"
        memo = self.context.destination.table(column.table).columns.get(name)
        if memo is None:
            return False
        kept = draft.values.get(name)
        everything = {**(orjson.loads(kept) if isinstance(kept, str) else {}), column.name: text}
        draft.values[name], _ = original_values(everything, memo.max_length or MEMO_LIMIT)
        return True

    def _lost(self, code: str, column: Column, draft: Draft, detail: str = "") -> Issue:
        draft.lossy = sorted({*draft.lossy, column.name})
        return Issue(code, column.name, detail, "loss")


# What is done about a column's value by each remedy of one; value: as a person wrote it.
DEEDS: Mapping[str, Callable[[Remedies, Column, Draft, str], list[Issue]]] = {
    BLANK: Remedies._blank,
    OWNER: Remedies._fallback_owner,
    TEXT: Remedies._keep_as_text,
    TRUNCATE: Remedies._shorten,
    VALUE: Remedies._another_value,
}
