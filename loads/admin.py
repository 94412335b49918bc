"""Admin pages of runs and what came of them."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from loads import run_admin, schema_admin  # noqa: F401 - they register their pages
from loads.delta import admin as delta_admin  # noqa: F401 - the same
from loads.models import Binding, Crosswalk, LedgerEntry, Phase, VerifiedRow
from loads.removal import admin as removal_admin  # noqa: F401 - the same
from workbench.engagements.large_tables import ExactFilter, LargeTable, PartFilter
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin

OUTCOMES = {"rejected": "danger", "held": "warning", "refused": "danger", "waiting": "info", "kept": "warning"}
VERDICTS = {"equal": "success", "lossy": "warning", "edited": "info", "wrong": "danger"}


def first_reasons(reasons: list[dict], limit: int = 3) -> str:
    """Reasons in one line: code and field, the first few."""
    texts = [f"{reason.get('code', '')} ({reason['field']})" if reason.get("field") else str(reason.get("code", "")) for reason in reasons]
    return "; ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, LargeTable):
    """Records and rows whose outcome isn't as planned, with every reason."""

    engagement_path = "run__engagement"
    list_display = ("record", "run", "table", "shown_outcome", "shown_reasons")
    list_filter = (("run", AutocompleteSelectFilter), "outcome", ("code", ExactFilter))
    list_select_related = ("run__environment__engagement", "phase")
    list_filter_submit = True
    search_fields = ("source_id__exact",)
    search_help_text = "A source id, written whole"
    change_form_template = "admin/workbench/exception.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The reasons as a table."""
        return {"entry": obj}

    @display(description="record")
    def record(self, entry: LedgerEntry) -> str:
        """Object and source id."""
        return f"{entry.object_name}:{entry.source_id}"

    @display(description="table")
    def table(self, entry: LedgerEntry) -> str:
        """The phase's table."""
        return entry.phase.table or "none decided"

    @display(description="outcome", label=OUTCOMES)
    def shown_outcome(self, entry: LedgerEntry) -> tuple[str, str]:
        """Outcome, coloured."""
        return entry.outcome, entry.get_outcome_display()

    @display(description="all reasons")
    def shown_reasons(self, entry: LedgerEntry) -> str:
        """The first few reasons; the record's page has all."""
        return first_reasons(entry.reasons)


@admin.register(Crosswalk)
class CrosswalkAdmin(ReadOnly, LargeTable):
    """Which row each source record became."""

    engagement_path = "environment__engagement"
    part = "environment"
    list_display = ("object_name", "source_id", "table", "role", "row_id", "shown_origin", "state", "environment")
    list_filter = (PartFilter, "origin", "state", "alias")
    list_select_related = ("environment__engagement",)
    list_filter_submit = True
    search_fields = ("source_id__exact", "row_id__exact")
    search_help_text = "A source id or a row id, written whole"

    def search(self, rows: QuerySet, text: str) -> QuerySet:
        """A row id is compared as one, all else as a source id. Objects and tables are named, so that either way an index answers."""
        phases = Phase.objects.order_by()
        try:
            return rows.filter(table__in=list(phases.values_list("table", flat=True).distinct()), row_id=uuid.UUID(text))
        except ValueError:
            return rows.filter(object_name__in=list(phases.values_list("object_name", flat=True).distinct()), source_id=text)

    @display(description="origin", label={"created": "success", "matched": "info"})
    def shown_origin(self, row: Crosswalk) -> tuple[str, str]:
        """Created or matched, coloured."""
        return row.origin, row.get_origin_display()


@admin.register(VerifiedRow)
class VerifiedRowAdmin(ReadOnly, LargeTable):
    """Rows that were read back and compared value by value."""

    engagement_path = "run__engagement"
    list_display = ("source_id", "run", "phase", "shown_verdict", "differences")
    list_filter = (("run", AutocompleteSelectFilter), "verdict")
    list_select_related = ("run__environment__engagement", "phase")
    list_filter_submit = True
    search_fields = ("source_id__exact",)
    search_help_text = "A source id, written whole"
    change_form_template = "admin/workbench/verified_row.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The fields as a table."""
        return {"row": obj}

    @display(description="verdict", label=VERDICTS)
    def shown_verdict(self, row: VerifiedRow) -> tuple[str, str]:
        """Verdict, coloured."""
        return row.verdict, row.get_verdict_display()

    @display(description="columns that differ")
    def differences(self, row: VerifiedRow) -> str:
        """Names of the columns that aren't equal."""
        return ", ".join(str(field.get("column")) for field in row.fields if field.get("verdict") != "equal")


@admin.register(Binding)
class BindingAdmin(ReadOnly, WorkbenchAdmin):
    """Names of the plan as rows of an environment."""

    engagement_path = "environment__engagement"
    list_display = ("kind", "name", "environment", "row_id", "problem", "bound_at")
    list_filter = (EngagementFilter, "kind")
    list_select_related = ("environment__engagement",)
    list_filter_submit = True
    search_fields = ("name",)
