"""The workshop's pages of one field map, and of what was changed: samples, alternatives, the value map, history and undo."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from mapping import plan
from mapping.models import SourceField
from mapping.schema import spec_from_dict
from mapping.transforms import TRANSFORMS, ColumnLike, TimeRules
from mapping.workshop import completeness, decisions, rest, tables, values
from mapping.workshop.changes import ENTRIES, ChangesPages, words
from mapping.workshop.checking import Checker
from mapping.workshop.models import FieldMap, FieldMapChange
from mapping.workshop.samples import samples, tally
from workbench.engagements.access import workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import AuditEntry, Engagement

ENGAGEMENTS = 5


class WorkshopPages(ChangesPages):
    """Mixed into the admin of field maps, whose queryset says which maps a person may see."""

    kind = decisions.MAPS
    change_form_template = "admin/workbench/field_map.html"

    def get_urls(self) -> list[URLPattern]:
        """With the workshop's own pages."""
        pages = {
            "rest/<int:engagement_pk>/": (self.rest_view, "rest"),
            "<int:pk>/preview/": (self.preview_view, "preview"),
            "<int:pk>/take/": (self.take_view, "take"),
            "<int:pk>/values/": (self.values_view, "values"),
        }
        own = [path(place, self.admin_site.admin_view(view), name=f"mapping_fieldmap_{name}") for place, (view, name) in pages.items()]
        return [*own, *super().get_urls()]

    def _map(self, request: HttpRequest, pk: int) -> FieldMap:
        return get_object_or_404(self.get_queryset(request), pk=pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list under what is still open, per object."""
        return super().changelist_view(request, {"completeness": _completeness(request), **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: FieldMap) -> dict[str, Any]:
        """What the workshop shows beside the form of a map."""
        columns = tables.columns(obj.engagement, obj.table)
        field = profile_of(obj)
        candidates = [{**one, "kind": _kind(one, columns)} for one in obj.candidates]
        return {
            "field_map": obj,
            "field": field,
            "columns": sorted((name, getattr(found, "display_name", ""), tables.kind_of(found)) for name, found in columns.items()),
            "columns_read": tables.was_read(obj.engagement, obj.table),
            "column_kind": tables.kind_of(columns.get(obj.column)) if obj.column else "",
            "fallback": f"{obj.engagement.prefix}_original_values",
            "candidates": candidates,
            "why_not": Checker([obj]).why_not(obj) if obj.column and obj.state != FieldMap.State.LEFT else "",
            "transforms": TRANSFORMS.values(),
            "has_values": obj.transform in values.TRANSFORMS,
            "latest": _entries(obj)[:5],
            **_previewed(obj, field, columns.get(obj.column)),
        }

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The samples of a map as the form stands, before anything is saved; asked for by the page's script."""
        row = self._map(request, pk)
        columns = dict(tables.columns(row.engagement, row.table))
        row.transform, row.column = request.POST.get("transform", row.transform), request.POST.get("column", row.column)
        try:
            row.options = json.loads(request.POST.get("options") or "{}")
        except ValueError:
            return TemplateResponse(request, "admin/workbench/samples.html", {"problem": "The options are no JSON."})
        return TemplateResponse(request, "admin/workbench/samples.html", _previewed(row, profile_of(row), columns.get(row.column)))

    def take_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take one of the alternatives, and confirm it where that was asked for."""
        row = self._map(request, pk)
        wanted = next((one for one in row.candidates if one["column"] == request.POST.get("column")), None)
        if request.method != "POST" or wanted is None or not wanted["transform"]:
            raise BadRequest("There is no such alternative.")
        row.column, row.transform = wanted["column"], wanted["transform"]
        row.options, row.new_column = wanted["options"], wanted["new_column"]
        row.reason = " ".join(wanted["reasons"])
        row.state = FieldMap.State.PROPOSED
        if "confirm" in request.POST:
            why = Checker([row]).why_not(row)
            if why:
                messages.error(request, f"Nothing was changed. {why}")
                return redirect(reverse("admin:mapping_fieldmap_change", args=[pk]))
            row.state = FieldMap.State.CONFIRMED
        self._save(request, row, "took an alternative of a field map")
        return redirect(reverse("admin:mapping_fieldmap_change", args=[pk]))

    def _save(self, request: HttpRequest, row: FieldMap, action: str) -> None:
        try:
            entry = decisions.change(row, user=request.user, action=action)
        except WorkbenchError as error:
            messages.error(request, f"Nothing was saved. {error} {error.remedy}")
            return
        messages.success(request, "Saved." if entry else "It was so already.")

    def values_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The value map of a choice: each source value with the option that it becomes."""
        row = self._map(request, pk)
        if row.transform not in values.TRANSFORMS:
            raise Http404("This map has no value map.")
        column = tables.columns(row.engagement, row.table).get(row.column)
        if request.method == "POST":
            try:
                row.options = values.edited(row.options, request.POST, column)
            except BadInput as error:
                messages.error(request, f"Nothing was saved. {error} {error.remedy}")
            else:
                self._save(request, row, "edited a value map")
            return redirect(reverse("admin:mapping_fieldmap_values", args=[pk]))
        sheet = values.sheet(row, profile_of(row), column, propose="propose" in request.GET)
        return self.shown(request, "value_map", f"Value map of {row}", field_map=row, sheet=sheet, column_kind=tables.kind_of(column))

    def rest_view(self, request: HttpRequest, engagement_pk: int) -> HttpResponse:
        """The fields of an engagement without a decision; a POST leaves exactly those behind, with one written reason."""
        engagement = get_object_or_404(workable_by(request.user), pk=engagement_pk)
        found = rest.of(engagement)
        if request.method == "POST" and request.POST.get("shown") == found.digest:
            return self._leave(request, engagement)
        if request.method == "POST":
            messages.warning(request, "Nothing was changed: other fields are open now than this page showed. Read it again.")
        context = {"engagement": engagement, "rest": found, "rows": [*found.lines, *found.without][:1_000]}
        context |= {"reason": request.POST.get("reason", ""), "comment": request.POST.get("comment", "")}
        return self.shown(request, "leave_rest", f"Leave the rest behind: {engagement}", **context)

    def _leave(self, request: HttpRequest, engagement: Engagement) -> HttpResponse:
        try:
            entries = rest.leave(
                engagement, user=request.user, reason=request.POST.get("reason", ""), comment=request.POST.get("comment", "")
            )
        except WorkbenchError as error:
            messages.error(request, f"Nothing was changed. {error} {error.remedy}")
            return redirect(reverse("admin:mapping_fieldmap_rest", args=[engagement.pk]))
        self.say_changed(request, "Left behind", entries)
        return redirect(f"{reverse('admin:mapping_fieldmap_changelist')}?engagement={engagement.pk}")

    def entries_of(self, engagements: QuerySet[Engagement]) -> QuerySet[AuditEntry]:
        """Those that a map is linked to, whatever they are called."""
        changed = FieldMapChange.objects.filter(field_map__engagement__in=engagements).values("entry")
        return AuditEntry.objects.filter(engagement__in=engagements, pk__in=changed)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Every decision about one map: who, when, why, and what it replaced."""
        row = self._map(request, int(object_id) if object_id.isdecimal() else 0)
        entries = [(entry, entry.detail["maps"].get(str(row.pk), {})) for entry in _entries(row)[:ENTRIES]]
        told = [(entry, words(change)) for entry, change in entries]
        return self.shown(request, "map_history", f"History of {row}", field_map=row, entries=told)


def _kind(candidate: Mapping[str, Any], columns: Mapping[str, ColumnLike]) -> str:
    """The type of a candidate's column, of one that would be made too."""
    made = spec_from_dict(candidate["new_column"]) if candidate["new_column"] else None
    return tables.kind_of(made or columns.get(candidate["column"]))


def profile_of(row: FieldMap) -> SourceField | None:
    """What discovery saw of a map's source field."""
    return SourceField.objects.filter(engagement=row.engagement, object_name=row.object_name, name=row.source).first()


def _previewed(row: FieldMap, field: SourceField | None, column: ColumnLike | None) -> dict[str, Any]:
    """Samples of a map, or why there are none."""
    if column is None:
        return {"samples": [], "problem": "Choose a column to see what becomes of the values." if not row.column else ""}
    try:
        found = samples(field, column, row.transform, row.options, TimeRules.from_content(plan.names_of(row.engagement)))
    except BadInput as error:
        return {"samples": [], "problem": f"{error} {error.remedy}"}
    return {"samples": found, "tally": tally(found), "field": field, "problem": ""}


def _entries(row: FieldMap) -> list[AuditEntry]:
    changes = FieldMapChange.objects.filter(field_map=row).select_related("entry").order_by("-entry_id")[:ENTRIES]
    return [change.entry for change in changes]


def _completeness(request: HttpRequest) -> list[dict[str, Any]]:
    """Per engagement what lacks a decision; of one where the list is filtered."""
    chosen = request.GET.get("engagement", "")
    mine = workable_by(request.user).order_by("-pk")
    engagements = mine.filter(pk=int(chosen)) if chosen.isdecimal() else mine[:ENGAGEMENTS]
    found = [(one, completeness.of(one)) for one in engagements]
    return [{"engagement": one, "objects": lines, "rest": sum(line.open + line.lost for line in lines)} for one, lines in found if lines]
