"""Admin pages of runs and what came of them."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.contrib.filters.admin import AutocompleteSelectFilter, FieldTextFilter
from unfold.decorators import display

from loads import run_admin, schema_admin  # noqa: F401 - they register their pages
from loads.delta import admin as delta_admin  # noqa: F401 - the same
from loads.models import Binding, Crosswalk, LedgerEntry, Phase, Run, VerifiedRow
from loads.removal import admin as removal_admin  # noqa: F401 - the same
from workbench.engagements.scoped_admin import EngagementFilter, LargeTable, ReadOnly, WorkbenchAdmin

OUTCOMES = {"rejected": "danger", "held": "warning", "refused": "danger", "waiting": "info", "kept": "warning"}
VERDICTS = {"equal": "success", "lossy": "warning", "edited": "info", "wrong": "danger"}


def first_reasons(reasons: list[dict], limit: int = 3) -> str:
    """Reasons in one line: code and field, the first few."""
    texts = [f"{reason.get('code', '')} ({reason['field']})" if reason.get("field") else str(reason.get("code", "")) for reason in reasons]
    return "; ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")


class OfOneRun(LargeTable, WorkbenchAdmin):
    """A list that opens on the newest run: sorting the rows of many runs together takes seconds where there are millions."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list of a run; of the newest one where none was asked for."""
        if request.method == "GET" and not {"run__id__exact", "q"} & set(request.GET):
            newest = admin.site.get_model_admin(Run).get_queryset(request).order_by("-pk").values_list("pk", flat=True).first()
            if newest is not None:
                query = request.GET.copy()
                query["run__id__exact"] = str(newest)
                return redirect(f"{request.path}?{query.urlencode()}")
        return super().changelist_view(request, extra_context)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, OfOneRun):
    """Records and rows whose outcome isn't as planned, with every reason."""

    engagement_path = "run__engagement"
    list_display = ("record", "run", "table", "shown_outcome", "code", "shown_reasons")
    list_filter = (("run", AutocompleteSelectFilter), "outcome", ("code", FieldTextFilter))
    list_select_related = ("run__environment__engagement", "phase")
    list_filter_submit = True
    search_fields = ("source_id__exact",)
    search_help_text = "A source id, written whole"
    change_form_template = "admin/workbench/exception.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The reasons as a table."""
        return {"entry": obj}

    @display(description="record", ordering="source_id")
    def record(self, entry: LedgerEntry) -> str:
        """Object and source id."""
        return f"{entry.object_name}:{entry.source_id}"

    @display(description="table")
    def table(self, entry: LedgerEntry) -> str:
        """The phase's table."""
        return entry.phase.table or "none decided"

    @display(description="outcome", label=OUTCOMES, ordering="outcome")
    def shown_outcome(self, entry: LedgerEntry) -> tuple[str, str]:
        """Outcome, coloured."""
        return entry.outcome, entry.get_outcome_display()

    @display(description="all reasons")
    def shown_reasons(self, entry: LedgerEntry) -> str:
        """The first few reasons; the record's page has all."""
        return first_reasons(entry.reasons)


@admin.register(Crosswalk)
class CrosswalkAdmin(LargeTable, ReadOnly, WorkbenchAdmin):
    """Which row each source record became."""

    engagement_path = "environment__engagement"
    list_display = ("object_name", "source_id", "table", "role", "row_id", "shown_origin", "state", "alias", "environment")
    list_filter = (EngagementFilter, "origin", "state", "alias")
    list_select_related = ("environment__engagement",)
    list_filter_submit = True
    search_fields = ("source_id__exact", "row_id__exact")
    search_help_text = "A source id or a row id, written whole"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """A row id is compared as one, all else as a source id: either way an index answers."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(row_id=uuid.UUID(term)), False
        except ValueError:
            # Named objects let the unique index answer; without them every id of the environment would be read.
            objects = Phase.objects.order_by().values_list("object_name", flat=True).distinct()
            return queryset.filter(object_name__in=list(objects), source_id=term), False

    @display(description="origin", label={"created": "success", "matched": "info"}, ordering="origin")
    def shown_origin(self, row: Crosswalk) -> tuple[str, str]:
        """Created or matched, coloured."""
        return row.origin, row.get_origin_display()


@admin.register(VerifiedRow)
class VerifiedRowAdmin(ReadOnly, OfOneRun):
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

    @display(description="verdict", label=VERDICTS, ordering="verdict")
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
