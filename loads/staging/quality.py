"""What the customer decided about records that can't arrive as they are, carried out while their rows are built."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connectors.storable import storable
from loads.quality import UNFIT
from loads.staging.context import StagingContext
from loads.staging.remedies import Remedies
from loads.staging.rows import Draft
from mapping.fieldmaps import rules_of
from mapping.issues import Issue, brief
from mapping.quality.rules import CLEAN, DEFAULT, SKIP
from mapping.transforms import Value, compile_transform


class Quality:
    """The decisions about one object, by the run's plan."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Compile the default values to what their columns take."""
        self.context, self.object_name, self._remedies = context, object_name, Remedies(context, object_name)
        decisions = [one for one in context.contents["quality"]["decisions"] if one["object_name"] == object_name]
        self._by = {(one["field"], one["code"]): one for one in decisions}
        self._defaults = {(one["field"], one["code"]): self._default(one) for one in decisions if one["choice"] == DEFAULT}

    def _default(self, decision: dict[str, Any]) -> dict[str, tuple[str, Value]]:
        """Table -> (column, value) that a decision's default fills there; the value is None where this environment doesn't take it."""
        context, found = self.context, dict[str, tuple[str, Value]]()
        for table in context.tables_of(self.object_name):
            for rule in rules_of(context.contents["maps"], self.object_name, table):
                if rule.source == decision["field"] and rule.state == "confirmed":
                    column = context.destination.table(table).columns[rule.column]
                    transform = compile_transform(rule.transform, field=rule.source, column=column, options=rule.options, time=context.time)
                    mapped = transform(decision["value"])
                    fits = all(issue.severity == "note" for issue in mapped.issues)
                    found[table] = rule.column, mapped.value if fits else None
        return found

    def settle(
        self, source_id: str, disposition: str, reasons: list[dict[str, str]], drafts: Sequence[tuple[str, Draft]], issues: list[Issue]
    ) -> tuple[str, list[dict[str, str]], list[Issue]]:
        """The disposition, reasons and issues of a record once decisions and remedies are carried out; they go into the drafts.

        disposition: before issues are looked at. reasons: of set-based staging. A record that is left out says so first.
        """
        if disposition not in ("planned", "held", "rejected"):
            return disposition, reasons, issues
        if self._remedies.leaves_out(source_id, reasons):
            return "skipped", [{"code": "remedy.skipped", "field": "", "detail": "", "severity": "note"}, *reasons], issues
        if self._by:
            disposition, reasons, issues = self._decided(disposition, reasons, drafts, issues)
        return disposition, reasons, [*issues, *self._remedies.apply(source_id, drafts)]

    def _decided(
        self, disposition: str, reasons: list[dict[str, str]], drafts: Sequence[tuple[str, Draft]], issues: list[Issue]
    ) -> tuple[str, list[dict[str, str]], list[Issue]]:
        skipping = [one for one in reasons if self._choice(one["field"], one["code"]) == SKIP]
        settled = list[Issue]()
        for issue in issues:
            carried_out = self._carried_out(issue, drafts)
            skipping += [one.as_dict() for one in (issue, *carried_out) if self._choice(one.field, one.code) == SKIP][:1]
            settled += carried_out
        if skipping:
            first = skipping[0]
            told = {"code": "quality.skipped", "field": first["field"], "detail": first["code"], "severity": "note"}
            return "skipped", [told, *reasons], settled
        waits = any(self._holds(issue.field, issue.code, issue.severity) for issue in settled)
        if waits and disposition == "planned" and not any(issue.severity == "reject" for issue in settled):
            disposition = "held"
        return disposition, reasons, settled

    def _carried_out(self, issue: Issue, drafts: Sequence[tuple[str, Draft]]) -> list[Issue]:
        """What is said of an issue once its decision is carried out."""
        choice = self._choice(issue.field, issue.code)
        if choice == CLEAN:
            return [replace(issue, severity="hold")]
        if choice == DEFAULT and self._fill(issue, drafts):
            return [replace(issue, code="quality.defaulted", severity="loss"), replace(issue, severity="note")]
        if choice == DEFAULT:
            told = self._by[storable(issue.field), issue.code]["value"]
            return [replace(issue, code=UNFIT, detail=brief(told), severity="hold"), replace(issue, severity="note")]
        return [issue]

    def _choice(self, field: str, code: str) -> str:
        decision = self._by.get((storable(field), code))
        return decision["choice"] if decision else ""

    def _holds(self, field: str, code: str, severity: str) -> bool:
        return severity == "hold" and (code == UNFIT or self._choice(field, code) == CLEAN)

    def _fill(self, issue: Issue, drafts: Sequence[tuple[str, Draft]]) -> bool:
        """Put the default in; False where a column of this environment doesn't take it: then the record waits for another decision."""
        defaults = self._defaults[storable(issue.field), issue.code]
        fitting = [(draft, *defaults[table]) for table, draft in drafts if table in defaults]
        if any(value is None for _, _, value in fitting):
            return False
        for draft, column, value in fitting:
            draft.values[column] = value
        return bool(fitting)

    @property
    def keeps_any(self) -> bool:
        """Whether a decision or a remedy may keep records from loading."""
        return bool(self._by) or self._remedies.leaves_any_out

    def keeping(self, disposition: str, reasons: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Of a settled record's reasons those by which a decision keeps it from loading; empty where none does."""
        if disposition == "skipped" and reasons[0]["code"] == "remedy.skipped":
            return [reasons[0]]
        if disposition == "skipped":
            decided = [one for one in reasons if self._choice(one["field"], one["code"]) == SKIP]
            return [reasons[0], *decided] if decided and reasons[0]["code"] == "quality.skipped" else []
        return [one for one in reasons if self._holds(one["field"], one["code"], one["severity"])]
