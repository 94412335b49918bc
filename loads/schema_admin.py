"""Admin pages of schema plans: the difference between plan and environment as a table."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from loads.models import SchemaPlan
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin


@admin.register(SchemaPlan)
class SchemaPlanAdmin(ReadOnly, WorkbenchAdmin):
    """What provisioning creates, what exists already, and what clashes."""

    engagement_path = "environment__engagement"
    list_display = ("environment", "maps", "to_create", "existing", "conflicts", "created_at", "shown_provisioned")
    list_filter = (EngagementFilter, "environment__kind")
    list_select_related = ("environment__engagement", "maps")
    list_filter_submit = True
    change_form_template = "admin/workbench/schema_plan.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The steps as a table, conflicts first."""
        order = {"conflict": 0, "create": 1, "exists": 2}
        steps = sorted(obj.steps, key=lambda step: (order.get(step.get("action"), 3), step.get("table", ""), step.get("column", "")))
        counts = [(action, obj.count(action)) for action in ("conflict", "create", "exists")]
        return {"plan": obj, "steps": steps, "counts": counts}

    @display(description="to create")
    def to_create(self, plan: SchemaPlan) -> int:
        """Columns that provisioning makes."""
        return plan.count("create")

    @display(description="exist")
    def existing(self, plan: SchemaPlan) -> int:
        """Columns that are there as they should be."""
        return plan.count("exists")

    @display(description="conflicts")
    def conflicts(self, plan: SchemaPlan) -> int:
        """Columns that are there and don't fit."""
        return plan.count("conflict")

    @display(description="provisioned", ordering="provisioned_at")
    def shown_provisioned(self, plan: SchemaPlan) -> str:
        """When, or not yet."""
        return f"{plan.provisioned_at:%Y-%m-%d %H:%M}" if plan.provisioned_at else "not yet"
