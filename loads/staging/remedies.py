"""Remedies carried out while rows are built: what the plan says about single records, see `mapping.quality.remedies`."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connectors.dataverse.metadata import Column
from loads.staging.context import StagingContext
from loads.staging.rows import Draft
from loads.verification import BIND
from mapping.fieldmaps import original_values
from mapping.issues import Issue
from mapping.quality import remedies
from mapping.quality.remedies import BLANK, OWNER, SKIP, TEXTS, TRUNCATE
from mapping.transforms import MEMO_LIMIT, cut, utf16_length
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
        for table in dict.fromkeys(entry["table"] for entry in mine if entry["table"]):
            context.destination.read_anew(table)

    def of(self, source_id: str) -> Sequence[Entry]:
        """The remedies of a record."""
        return self._of.get(remedies.digest(source_id), ()) if self._of else ()

    @property
    def leaves_any_out(self) -> bool:
        """Whether any record isn't loaded at all."""
        return any(entry["choice"] == SKIP for entries in self._of.values() for entry in entries)

    def leaves_out(self, source_id: str) -> bool:
        """Whether the record isn't loaded at all."""
        return any(entry["choice"] == SKIP for entry in self.of(source_id))

    def apply(self, source_id: str, drafts: Sequence[tuple[str, Draft]]) -> list[Issue]:
        """Put the remedies of a record into its drafts; what was done, to be told beside its other issues."""
        return [
            issue
            for entry in self.of(source_id)
            for table, draft in drafts
            if entry["column"] and entry["table"] in ("", table)
            for issue in self._one(entry, self.context.destination.table(table).columns.get(entry["column"]), draft)
        ]

    def _one(self, entry: Entry, column: Column | None, draft: Draft) -> list[Issue]:
        if column is None:
            return []
        if entry["choice"] == OWNER:
            return self._fallback_owner(column, draft)
        if entry["choice"] == BLANK:
            return self._blank(column, draft)
        if entry["choice"] == TRUNCATE:
            return self._shorten(column, draft)
        try:
            draft.values[column.name] = remedies.value_for(column, entry["value"], self.context.time)
        except BadInput:  # another environment's column may take less
            return [Issue("remedy.not_fitting", column.name, "", "note")]
        return [self._lost("remedy.value", column, draft)]

    def _fallback_owner(self, column: Column, draft: Draft) -> list[Issue]:
        if not (owner := self.context.owners.get("")):
            return []
        draft.values[f"{column.name}{BIND}"] = owner
        return [Issue("remedy.owner", column.name, "", "note")]

    def _blank(self, column: Column, draft: Draft) -> list[Issue]:
        """Without the value; who waited for the row that a lookup led to no longer does."""
        keys = [column.name, *(f"{navigation}{BIND}" for navigation in column.navigation.values())]
        taken = [str(draft.values.pop(key)) for key in dict.fromkeys(keys) if key in draft.values]
        if not taken:
            return []
        draft.parents = [parent for parent in draft.parents if not any(f"({parent.partition(':')[2]})" in one for one in taken)]
        if column.kind in TEXTS:
            self._keep_whole(column, draft, taken[0])
        return [self._lost("remedy.blank", column, draft)]

    def _shorten(self, column: Column, draft: Draft) -> list[Issue]:
        text = draft.values.get(column.name)
        if not isinstance(text, str) or column.max_length is None or utf16_length(text) <= column.max_length:
            return []
        draft.values[column.name] = cut(text, column.max_length)
        self._keep_whole(column, draft, text)
        return [self._lost("remedy.shortened", column, draft, f"{utf16_length(text)} of {column.max_length}")]

    def _keep_whole(self, column: Column, draft: Draft, text: str) -> None:
        """The text whole in the column of original values, where the table has it."""
        name = f"{self.context.prefix}_original_values"
        memo = self.context.destination.table(column.table).columns.get(name)
        if memo is not None:
            kept = draft.values.get(name)
            everything = {**(orjson.loads(kept) if isinstance(kept, str) else {}), column.name: text}
            draft.values[name], _ = original_values(everything, memo.max_length or MEMO_LIMIT)

    def _lost(self, code: str, column: Column, draft: Draft, detail: str = "") -> Issue:
        draft.lossy = sorted({*draft.lossy, column.name})
        return Issue(code, column.name, detail, "loss")
