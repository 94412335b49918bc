"""Admin pages of rows that a further run may not simply write: conflicts, decided one by one or many at once, and rows without a record."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from loads.delta import conflicts
from loads.delta.models import KEEP, OVERWRITE, Conflict, Departed
from mapping.owners.models import Principal
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.large_tables import ExactFilter, LargeTable, PartFilter
from workbench.engagements.models import Engagement
from workbench.engagements.scoped_admin import ReadOnly

SHOWN = 20  # rows of a batch that the page names
STATES = {"open": "warning", "decided": "info", "applied": "success", "gone": "info"}


@admin.register(Conflict)
class ConflictAdmin(ReadOnly, LargeTable):
    """Rows that a person edited since they were loaded, or while they were, to be decided on."""

    engagement_path = "environment__engagement"
    part = "environment"
    list_display = ("__str__", "environment", "shown_fields", "shown_state", "decided")
    list_filter = (PartFilter, "state", ("table", ExactFilter), ("run", AutocompleteSelectFilter))
    list_select_related = ("environment__engagement",)
    list_filter_submit = True
    search_fields = ("source_id__exact",)
    search_help_text = "A source id, written whole"
    actions = ("decide_selected", "take_back_selected")
    change_form_template = "admin/workbench/conflict.html"
    for_all = ("Decide about all of them…", "admin:loads_conflict_decide")

    def get_urls(self) -> list[URLPattern]:
        """With the pages that decide."""
        view = self.admin_site.admin_view
        return [
            path("decide/", view(self.decide_view), name="loads_conflict_decide"),
            path("<int:pk>/decide/", view(require_POST(self.decide_one_view)), name="loads_conflict_decide_one"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Conflict) -> dict[str, Any]:
        """The three values of each field side by side."""
        editor = Principal.objects.filter(environment=obj.environment_id, row_id=obj.edited_by).first() if obj.edited_by else None
        return {"conflict": obj, "editor": editor.name if editor else obj.edited_by, "pending": obj.state in conflicts.PENDING}

    @admin.action(description="Decide…")
    def decide_selected(self, request: HttpRequest, chosen: QuerySet[Conflict]) -> HttpResponse:
        """Show what each choice would decide, before anything is."""
        return self.scope_page(request, chosen, whole_list=request.POST.get("select_across") == "1")

    @admin.action(description="Take decisions back")
    def take_back_selected(self, request: HttpRequest, chosen: QuerySet[Conflict]) -> None:
        """Open decided conflicts again."""
        try:
            counts = [conflicts.take_back(engagement, chosen, user=cast(User, request.user)) for engagement in _engagements(chosen)]
            messages.success(request, _done(counts, "decision", "taken back."))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")

    def scope_page(self, request: HttpRequest, chosen: QuerySet[Conflict], error: str = "", *, whole_list: bool) -> HttpResponse:
        """Each choice with how many rows it would decide; some of the rows with their values.

        whole_list: they are all that the list shows, which the form's address says; else the form names them one by one.
        """
        pending = chosen.filter(state__in=conflicts.PENDING)
        filters, total = request.GET.copy(), pending.count()
        filters.pop(PAGE_VAR, None)
        context = {
            **self.admin_site.each_context(request),
            "title": "Decide about edited rows",
            "opts": self.opts,
            "total": total,
            "settled": chosen.count() - total,
            "reach": [(how, words, conflicts.reach(chosen, how).count()) for how, words in conflicts.WORDS.items()],
            "rows": pending.select_related("environment__engagement")[:SHOWN],
            "filters": filters.urlencode(),
            "whole_list": whole_list,
            "ids": "" if whole_list else ",".join(str(pk) for pk in pending.values_list("pk", flat=True)),
            "error": error,
        }
        return TemplateResponse(request, "admin/workbench/decide_conflicts.html", context)

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """What may be decided about all rows of a list; a POST decides about as many as the page spoke of, or none."""
        whole_list = request.method != "POST" or "whole_list" in request.POST
        chosen = self._listed(request) if whole_list else self._named(request)
        if request.method != "POST":
            return self.scope_page(request, chosen, whole_list=True)
        how, user, comment = request.POST.get("how", ""), cast(User, request.user), request.POST.get("comment", "")
        try:
            conflicts.require_as_shown(chosen, how, request.POST.get(f"reach-{how}", ""))
            counts = [conflicts.decide_all(one, chosen, how, user=user, comment=comment) for one in _engagements(chosen)]
        except WorkbenchError as error:
            return self.scope_page(request, chosen, f"{error} {error.remedy}", whole_list=whole_list)
        what = "taken back" if how == conflicts.TAKE_BACK else "decided. The next run takes it, or a re-run of these exceptions alone"
        messages.success(request, _done(counts, "row", f"{what}."))
        return redirect(f"{reverse('admin:loads_conflict_changelist')}?{request.GET.urlencode()}")

    def _listed(self, request: HttpRequest) -> QuerySet[Conflict]:
        try:
            return self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise BadRequest("The list has no such filter.") from error

    def _named(self, request: HttpRequest) -> QuerySet[Conflict]:
        ids = [int(pk) for pk in request.POST.get("ids", "").split(",") if pk.isdecimal()]
        return self.get_queryset(request).filter(pk__in=ids)

    def decide_one_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decide about one row, field by field."""
        conflict = self.get_object(request, str(pk))
        if conflict is None:
            raise Http404("There is no such conflict.")
        places = {place: field["column"] for place, field in enumerate(conflict.fields)}
        given = {column: request.POST.get(f"field-{place}", "") for place, column in places.items()}
        try:
            conflicts.decide(conflict, given, user=cast(User, request.user), comment=request.POST.get("comment", ""))
            messages.success(request, "Decided. The next run takes it, or a re-run of these exceptions alone.")
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:loads_conflict_change", args=[pk]))

    @display(description="fields")
    def shown_fields(self, conflict: Conflict) -> str:
        """The columns that differ, those that both sides changed first."""
        both = [field["column"] for field in conflict.fields if not field["proposed"]]
        rest = [field["column"] for field in conflict.fields if field["proposed"]]
        told = (("changed on both sides", both), ("on one side", rest))
        return "; ".join(f"{where}: {', '.join(columns)}" for where, columns in told if columns)

    @display(description="state", label=STATES)
    def shown_state(self, conflict: Conflict) -> tuple[str, str]:
        """State, coloured."""
        return conflict.state, conflict.get_state_display()

    @display(description="decided")
    def decided(self, conflict: Conflict) -> str:
        """What, by whom and when."""
        if conflict.decided_at is None:
            return ""
        kept, written = (sum(choice == what for choice in conflict.choices.values()) for what in (KEEP, OVERWRITE))
        return f"{kept} kept, {written} overwritten; {conflict.decided_by}, {conflict.decided_at:%Y-%m-%d %H:%M} UTC"


def _done(counts: Sequence[int | None], things: str, what: str) -> str:
    """What was done, in words. counts: None where workers do it."""
    if None in counts:
        return "There are so many that workers go through them. The engagement's steps say how far they are."
    count = sum(filter(None, counts))
    return f"{count:,} {things}{'s' * (count != 1)} {what}"


def _engagements(chosen: QuerySet[Conflict]) -> list[Engagement]:
    return list(Engagement.objects.filter(pk__in=chosen.order_by().values("environment__engagement")))


@admin.register(Departed)
class DepartedAdmin(ReadOnly, LargeTable):
    """Rows of ours whose source records were deleted, merged or forgotten, and members who left lists."""

    engagement_path = "run__engagement"
    list_display = ("__str__", "run", "shown_cause", "deed", "row_id")
    list_filter = (("run", AutocompleteSelectFilter), "cause", "deed", ("table", ExactFilter))
    list_select_related = ("run__environment__engagement",)
    list_filter_submit = True
    search_fields = ("source_id__exact",)
    search_help_text = "A source id, written whole"

    @display(description="cause", label={"deleted": "warning", "merged": "info", "forgotten": "danger", "left": "info"})
    def shown_cause(self, row: Departed) -> tuple[str, str]:
        """Why no record stands for it, coloured."""
        return row.cause, row.get_cause_display()
