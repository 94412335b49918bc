"""Admin pages of field maps: the list with what is still open, one map's workshop, and decisions about many that show their scope first."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db.models import BigIntegerField, JSONField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from mapping.models import FieldMap, SourceField
from mapping.plan_admin import PlanRowAdmin, bar, percent
from mapping.schema import spec_from_dict
from mapping.source_admin import shown_samples
from mapping.transforms import TRANSFORMS
from mapping.workshop import decisions
from mapping.workshop.checking import Checker
from mapping.workshop.pages import WorkshopPages
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.scoped_admin import EngagementFilter

DECISIONS = {
    FieldMap.State.CONFIRMED: "Confirm",
    FieldMap.State.LEFT: "Leave behind",
    FieldMap.State.DEFERRED: "Defer",
    FieldMap.State.PROPOSED: "Back to proposed",
}
REASON = "Why it goes there, or why it is left behind; the customer reads it."
COMMENT = "What who decides wants to be read with the decision."
NEW_COLUMN = "The column to make, where it doesn't exist yet."
DECIDING = frozenset({"engagement", "object_name", "source", "table", "column", "transform", "options", "new_column", "state"})
LONGEST = 120  # characters of a reason in the list
LABELS = {"proposed": "warning", "confirmed": "success", "left": "info", "deferred": "danger"}


class NoneIsBlank(forms.JSONField):
    """JSON whose nothing is an empty field."""

    def prepare_value(self, value: Any) -> Any:
        """What the field shows."""
        return "" if value is None else super().prepare_value(value)


def is_named(given: Any) -> bool:
    """Whether something that was entered as JSON is an object that the database can keep: not with NaN or a number beyond all."""
    try:
        json.dumps(given, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(given, dict)


class FieldMapForm(forms.ModelForm):
    """A field map; says in words what the database would refuse."""

    transform = forms.ChoiceField(
        choices=[(info.name, f"{info.name}: {info.summary}") for info in TRANSFORMS.values()], widget=UnfoldAdminSelectWidget
    )
    column = forms.CharField(
        required=False,
        max_length=60,
        help_text="Logical name of the destination column.",
        widget=UnfoldAdminTextInputWidget(attrs={"list": "columns", "autocomplete": "off"}),
    )

    reason = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), help_text=REASON)
    comment = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text=COMMENT)

    new_column = NoneIsBlank(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), help_text=NEW_COLUMN)

    class Meta:
        model = FieldMap
        fields = "__all__"  # noqa: DJ007 - the page's fieldsets choose

    def clean_options(self) -> dict:
        """Options are named."""
        given = self.cleaned_data.get("options") or {}
        if not is_named(given):
            raise forms.ValidationError('Write one JSON object, such as {"true_words": ["ja"]}, or nothing.')
        return given

    def clean_new_column(self) -> dict | None:
        """A column that can be made, or none."""
        spec = self.cleaned_data.get("new_column")
        if not spec:
            return None
        if not is_named(spec):
            raise forms.ValidationError("Write one JSON object that describes the column, or nothing.")
        try:
            spec_from_dict(spec)
        except WorkbenchError as error:
            raise forms.ValidationError(f"{error} {error.remedy}") from error
        return spec

    def clean(self) -> dict:
        """A confirmed map has a column, one left behind a reason."""
        data = super().clean() or {}
        if data.get("state") == FieldMap.State.LEFT and not (data.get("reason") or "").strip():
            self.add_error("reason", "A field that is left behind needs a reason.")
        if data.get("state") == FieldMap.State.CONFIRMED and not data.get("column"):
            self.add_error("column", "A confirmed map needs a column.")
        return data

    def _post_clean(self) -> None:
        """What could never load can't be confirmed here either: the map is checked as it would be kept, where that changes."""
        super()._post_clean()  # type: ignore[misc]
        row, changed = self.instance, DECIDING & set(self.changed_data)
        if changed and not self.errors and row.state == FieldMap.State.CONFIRMED and (why := Checker([row]).why_not(row)):
            self.add_error("column", why)


@admin.register(FieldMap)
class FieldMapAdmin(WorkshopPages, PlanRowAdmin):
    """Where each source field goes. Confirming many shows what would change before anything does."""

    plan_part = "maps"
    form = FieldMapForm
    list_display = ("shown_source", "shown_target", "shown_state", "shown_reason", "fill_bar", "decided")
    list_filter = (EngagementFilter, "state", "object_name", "table", "transform")
    list_filter_submit = True
    list_fullwidth = True
    list_before_template = "admin/workbench/completeness.html"
    search_fields = ("source", "column", "alias")
    actions = ("confirm_maps", "leave_maps", "defer_maps", "reopen_maps")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("engagement", "object_name"),
                    ("source", "table"),
                    ("column", "transform"),
                    ("state", "alias"),
                    "reason",
                    "comment",
                )
            },
        ),
        ("How", {"fields": ("options", "new_column"), "classes": ("tab",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the profile of each source field beside it."""
        field = SourceField.objects.filter(engagement=OuterRef("engagement"), object_name=OuterRef("object_name"), name=OuterRef("source"))
        return (
            super()
            .get_queryset(request)
            .select_related("engagement")
            .annotate(
                profile_rows=Subquery(field.values("rows")[:1], output_field=BigIntegerField()),
                profile_filled=Subquery(field.values("filled")[:1], output_field=BigIntegerField()),
                profile_top=Subquery(field.values("top")[:1], output_field=JSONField()),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: FieldMap | None = None) -> tuple[str, ...]:
        """A map stays with its source field and table."""
        return ("engagement", "object_name", "source", "table") if obj else ()

    def save_model(self, request: HttpRequest, obj: FieldMap, form: Any, change: bool) -> None:
        """Save the map as a decision, so that it can be undone."""
        decisions.change(obj, user=request.user)
        request.__dict__.setdefault("touched_engagements", {})[obj.engagement_id] = obj.engagement

    def get_urls(self) -> list[URLPattern]:
        """With the page that applies a decision."""
        return [path("decide/", self.admin_site.admin_view(self.decide_view), name="mapping_fieldmap_decide"), *super().get_urls()]

    @admin.action(description="Confirm…")
    def confirm_maps(self, request: HttpRequest, maps: QuerySet) -> HttpResponse:
        """Show what confirming these would change."""
        return self.scope_page(request, maps, FieldMap.State.CONFIRMED)

    @admin.action(description="Leave behind…")
    def leave_maps(self, request: HttpRequest, maps: QuerySet) -> HttpResponse:
        """Show what leaving these behind would change; asks for the reason."""
        return self.scope_page(request, maps, FieldMap.State.LEFT)

    @admin.action(description="Defer…")
    def defer_maps(self, request: HttpRequest, maps: QuerySet) -> HttpResponse:
        """Show what putting these off would change."""
        return self.scope_page(request, maps, FieldMap.State.DEFERRED)

    @admin.action(description="Back to proposed…")
    def reopen_maps(self, request: HttpRequest, maps: QuerySet) -> HttpResponse:
        """Show what taking decisions back would change."""
        return self.scope_page(request, maps, FieldMap.State.PROPOSED)

    def scope_page(self, request: HttpRequest, maps: QuerySet, state: FieldMap.State, error: str = "") -> HttpResponse:
        """The page that lists what would change, before anything does."""
        found = decisions.scope(FieldMap.objects.filter(pk__in=maps.values("pk")), state)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{DECISIONS[state]}: field maps",
            "opts": self.opts,
            "scope": found,
            "groups": [
                ("Would change", [(row, "") for row in found.changes]),
                ("Can't be confirmed", [(one.row, one.why) for one in found.impossible]),
                ("Stay as they are", [(row, "") for row in found.unchanged]),
            ],
            "state": state,
            "verb": DECISIONS[state],
            "needs_reason": state == FieldMap.State.LEFT,
            "ids": ",".join(str(pk) for pk in maps.values_list("pk", flat=True)),
            "error": error,
            "reason": request.POST.get("reason", ""),
            "comment": request.POST.get("comment", ""),
        }
        return TemplateResponse(request, "admin/workbench/decide_maps.html", context)

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Apply a decision to exactly the maps that the scope page listed."""
        if request.method != "POST":
            return redirect(reverse("admin:mapping_fieldmap_changelist"))
        state, reason, comment = (request.POST.get(name, "") for name in ("state", "reason", "comment"))
        ids = [int(pk) for pk in request.POST.get("ids", "").split(",") if pk.isdecimal()]
        if state not in FieldMap.State.values:
            raise BadRequest("Unknown decision.")
        maps = FieldMap.objects.filter(pk__in=super().get_queryset(request).filter(pk__in=ids).values("pk"))
        try:
            entries = decisions.decide(maps, state, user=request.user, reason=reason, comment=comment)
        except WorkbenchError as error:
            return self.scope_page(request, maps, FieldMap.State(state), f"{error} {error.remedy}")
        self.say_changed(request, DECISIONS[FieldMap.State(state)], entries)
        one = "back" in request.POST and len(ids) == 1
        return redirect(reverse("admin:mapping_fieldmap_change", args=ids) if one else reverse("admin:mapping_fieldmap_changelist"))

    @display(description="source field", ordering="source", header=True)
    def shown_source(self, row: FieldMap) -> tuple[str, str]:
        """Object and field, and beneath it its commonest values, from the profile."""
        return format_html("{}.<wbr>{}", row.object_name, row.source), shown_samples(vars(row)["profile_top"] or [])

    @display(description="destination", ordering="column", header=True)
    def shown_target(self, row: FieldMap) -> tuple[str, str]:
        """Table and column, and beneath it the transform, whether it is made new and what the offer called it."""
        target = f"{row.table}.{row.column}" if row.column else "no column"
        new = f"new {row.new_column.get('kind', '')} column" if row.new_column else ""
        return target, " · ".join(filter(None, (row.transform, new, f"offer: {row.alias}" if row.alias else "")))

    @display(description="state", label=LABELS, ordering="state")
    def shown_state(self, row: FieldMap) -> tuple[str, str]:
        """State, coloured."""
        return row.state, row.get_state_display()

    @display(description="score and reason", ordering="score", header=True)
    def shown_reason(self, row: FieldMap) -> tuple[str, str]:
        """The chance that the proposed column is right, and why, not longer than a few lines; the map's own page has all of it."""
        reason = row.reason if len(row.reason) <= LONGEST else f"{row.reason[: LONGEST - 1]}…"
        return ("" if row.score is None else percent(row.score)), reason

    @display(description="decided", ordering="decided_at")
    def decided(self, row: FieldMap) -> str:
        """Who decided last, when, and the comment."""
        if not row.decided_at:
            return "–"
        said = f": {row.comment}" if row.comment else ""
        return f"{row.decided_by}, {row.decided_at:%Y-%m-%d %H:%M}{said}"

    @display(description="filled")
    def fill_bar(self, row: FieldMap) -> str:
        """Share of records with a value, from the profile."""
        profile = vars(row)  # annotated by get_queryset
        if not profile["profile_rows"]:
            return "not profiled"
        share = profile["profile_filled"] / profile["profile_rows"]
        return bar(share, percent(share))
