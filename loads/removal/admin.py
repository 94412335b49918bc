"""Admin pages of the removal of provisioned schema: planned on a schema plan's page, shown, agreed to by a word in the sandbox."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from loads.models import SchemaPlan
from loads.removal.models import SchemaRemoval, newest
from loads.removal.survey import name_of
from workbench.engagements import gates, signoffs
from workbench.engagements.access import workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin


@admin.register(SchemaRemoval)
class SchemaRemovalAdmin(ReadOnly, WorkbenchAdmin):
    """What goes and what stays of a provisioned schema, who agreed, and what came of it."""

    engagement_path = "environment__engagement"
    list_display = ("__str__", "environment", "created_at", "to_remove", "agreed_at", "finished_at")
    list_filter = (EngagementFilter, "environment__kind")
    list_select_related = ("environment__engagement",)
    list_filter_submit = True
    change_form_template = "admin/workbench/schema_removal.html"

    def get_urls(self) -> list[URLPattern]:
        """With planning and agreeing."""
        view = self.admin_site.admin_view
        return [
            path("plan/<int:pk>/", view(require_POST(self.plan_view)), name="loads_schemaremoval_plan"),
            path("<int:pk>/agree/", view(require_POST(self.agree_view)), name="loads_schemaremoval_agree"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: SchemaRemoval) -> dict[str, Any]:
        """The components with what came of them, and what the next step is."""
        return {**removal_page(obj), "word": word_of(obj)}

    def plan_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plan the removal of what was provisioned where a schema plan is of."""
        from loads.removal.opening import propose  # the destination's client loads on first use

        plan = SchemaPlan.objects.filter(pk=pk, environment__engagement__in=workable_by(request.user)).first()
        if plan is None:
            raise Http404("There is no such schema plan.")
        try:
            removal = propose(plan.environment, actor=request.user)
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect(reverse("admin:loads_schemaplan_change", args=[plan.pk]))
        messages.success(request, "The removal is planned. Nothing was sent, and nothing goes before somebody agrees.")
        return redirect(reverse("admin:loads_schemaremoval_change", args=[removal.pk]))

    def agree_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """An engineer lets a removal in the sandbox begin, by the page's word."""
        from loads.removal.opening import agree  # the destination's client loads on first use

        removal = self.get_object(request, str(pk))
        if removal is None:
            raise Http404("There is no such removal.")
        try:
            if request.POST.get("word", "").strip().casefold() != word_of(removal).casefold():
                raise BadInput(f"To agree, write the word {word_of(removal)}.", remedy="Nothing was sent.")
            agree(removal, cast(User, request.user), shown_sha256=request.POST.get("shown", ""))
            messages.success(request, "Agreed. Start the removal when it is to happen.")
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:loads_schemaremoval_change", args=[removal.pk]))

    @display(description="to remove")
    def to_remove(self, removal: SchemaRemoval) -> str:
        """How many of how many components."""
        return f"{len(removal.to_remove)} of {len(removal.components)}"


def word_of(removal: SchemaRemoval) -> str:
    """What an engineer writes to agree."""
    return str(removal.environment.get_kind_display())


def removal_page(removal: SchemaRemoval) -> dict[str, Any]:
    """What the pages of the admin show of a removal."""
    from loads.removal.opening import ACTION, content  # the destination's client loads on first use

    environment = removal.environment
    return {
        "removal": removal,
        "rows": with_outcomes(removal),
        "keep": len(removal.components) - len(removal.to_remove),
        "missing": gates.missing(ACTION, environment.engagement, environment) if removal.finished_at is None else [],
        "is_newest": newest(environment) == removal,
        "sha256": signoffs.content_hash(content(removal)),
    }


def with_outcomes(removal: SchemaRemoval) -> list[dict[str, Any]]:
    """The components, each with its outcome and the reason that holds now."""
    rows = []
    for one in removal.components:
        came = removal.outcomes.get(name_of(one["kind"], one["table"], one["column"]), {})
        rows.append({**one, "outcome": came.get("outcome", ""), "reason": came.get("reason") or one["reason"]})
    return rows
