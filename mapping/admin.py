"""Admin pages of the working plan: what goes where, and the frozen versions."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import CharField, Count, Field, Q, Sum
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from mapping import (  # noqa: F401 - they register their pages
    fieldmap_admin,
    finding_admin,
    object_admin,
    owner_admin,
    plan,
    source_admin,
    version_admin,
)
from mapping.confirm_admin import ConfirmedInBulk
from mapping.journeys import admin as journeys_admin  # noqa: F401 - it registers its pages
from mapping.models import ObjectMap, OrganisationList, SplitRule
from mapping.plan_admin import PlanRowAdmin
from mapping.split import normalise_stage
from mapping.workshop.confirming import OBJECT_MAPS, ORGANISATION_LISTS
from workbench.engagements import signoffs
from workbench.engagements.access import workable_by
from workbench.engagements.models import SignOff
from workbench.engagements.scoped_admin import EngagementFilter


class ObjectMapForm(forms.ModelForm):
    """An object map; its tables are a list of names."""

    class Meta:
        model = ObjectMap
        fields = ("engagement", "object_name", "tables", "cardinality", "note", "confirmed")

    def clean_tables(self) -> list[str]:
        """Logical names; nothing is documented only."""
        given = self.cleaned_data["tables"] or []
        if not (isinstance(given, list) and all(isinstance(name, str) and name.strip() for name in given)):
            raise forms.ValidationError('Write a list of logical names, such as ["contact", "lead"], or [].')
        return given


@admin.register(ObjectMap)
class ObjectMapAdmin(ConfirmedInBulk):
    """Which tables each source object becomes."""

    plan_part = "maps"
    form = ObjectMapForm
    kind, of = OBJECT_MAPS.kind, OBJECT_MAPS
    list_display = ("object_name", "engagement", "shown_tables", "cardinality", "confirmed", "note")
    list_editable = ("confirmed",)
    list_filter = (EngagementFilter, "confirmed")
    list_select_related = ("engagement",)
    list_filter_submit = True

    def get_readonly_fields(self, request: HttpRequest, obj: ObjectMap | None = None) -> tuple[str, ...]:
        """A map stays with its engagement and object."""
        return ("engagement", "object_name") if obj else ()

    @display(description="tables")
    def shown_tables(self, row: ObjectMap) -> str:
        """Logical names of the tables."""
        return ", ".join(map(str, row.tables)) or "none: documented only"


class SplitRuleForm(forms.ModelForm):
    """A line of the matrix; the stage is kept as the split compares it."""

    class Meta:
        model = SplitRule
        fields = ("engagement", "stage", "outcome")

    def clean_stage(self) -> str:
        """Trimmed and case-folded."""
        return normalise_stage(self.cleaned_data["stage"])


@admin.register(SplitRule)
class SplitRuleAdmin(PlanRowAdmin):
    """The split matrix: every stage that discovery saw, with its people, and where they go."""

    plan_part = "split"
    form = SplitRuleForm
    list_display = ("shown_stage", "engagement", "people", "outcome")
    list_display_links = None
    list_editable = ("outcome",)
    list_filter = (EngagementFilter, "outcome")
    list_select_related = ("engagement",)
    list_filter_submit = True
    list_per_page = 100
    search_fields = ("stage",)
    list_before_template = "admin/workbench/split_summary.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Stages that discovery hasn't seen may be decided ahead of time."""
        return super().has_add_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list under a summary per engagement."""
        return super().changelist_view(request, {"split_summary": split_summary(request), **(extra_context or {})})

    @display(description="lifecycle stage", ordering="stage")
    def shown_stage(self, rule: SplitRule) -> str:
        """The stage, blank written out."""
        return rule.stage or "(blank)"

    @display(description="people in discovery", ordering="observed")
    def people(self, rule: SplitRule) -> str:
        """People with this stage."""
        return f"{rule.observed:,}"


def split_summary(request: HttpRequest) -> list[dict]:
    """Per engagement: people per outcome, and whether the customer has signed; of one engagement where the list is filtered."""
    chosen = request.GET.get("engagement", "")
    engagements = workable_by(request.user).filter(split_rules__isnull=False).distinct()
    if chosen.isdecimal():
        engagements = engagements.filter(pk=chosen)
    totals = {
        f"to_{outcome or 'open'}": Sum("split_rules__observed", filter=Q(split_rules__outcome=outcome), default=0)
        for outcome in SplitRule.Outcome.values
    }
    return [
        {
            "engagement": row,
            "counts": [(label, getattr(row, f"to_{outcome or 'open'}")) for outcome, label in SplitRule.Outcome.choices],
            "stages": row.stages,
            "signed": signoffs.latest(row, SignOff.Kind.MATRIX),
            "changed": signoffs.uncovered(row, SignOff.Kind.MATRIX, plan.hashes(row, ("split",))),
        }
        for row in engagements.annotate(stages=Count("split_rules"), **totals)[:5]
    ]


@admin.register(OrganisationList)
class OrganisationListAdmin(ConfirmedInBulk):
    """Lists that the rule takes for organisations; a confirmed one becomes an account."""

    plan_part = "companies"
    kind, of = ORGANISATION_LISTS.kind, ORGANISATION_LISTS
    list_display = ("list_id", "list_name", "engagement", "organisation", "confirmed")
    list_editable = ("organisation", "confirmed")
    list_filter = (EngagementFilter, "confirmed")
    list_select_related = ("engagement",)
    list_filter_submit = True
    search_fields = ("list_name", "organisation", "list_id")

    def get_readonly_fields(self, request: HttpRequest, obj: OrganisationList | None = None) -> tuple[str, ...]:
        """What the source said stays."""
        return ("engagement", "list_id", "list_name") if obj else ()

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        """Names are one line, though they may be long."""
        if db_field.name == "organisation":
            kwargs["widget"] = self.formfield_overrides[CharField]["widget"]
        return super().formfield_for_dbfield(db_field, request, **kwargs)
