"""Admin pages of journeys: steps that engineers enter, and the definition files that were given."""

from io import BytesIO
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet, TextField
from django.forms import BaseInlineFormSet
from django.http import FileResponse, Http404, HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from mapping.journeys import entered, keeping
from mapping.journeys.models import EnteredJourney, EnteredStep, JourneyDefinition
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, ScopedInline, WorkbenchAdmin


class StepFormSet(BaseInlineFormSet):
    """The steps of a journey, which must fit together."""

    def clean(self) -> None:
        """Name everything that doesn't fit, once each row is sound by itself."""
        super().clean()
        if any(self.errors):
            return
        gone = set(self.deleted_forms)
        rows = [form.instance for form in self.forms if form not in gone and (form.has_changed() or form.instance.pk)]
        if found := entered.problems(rows):
            raise ValidationError(found)


class EnteredStepInline(ScopedInline):
    """Steps in the order of their numbers; the paths of a branch share one number."""

    model = EnteredStep
    formset = StepFormSet
    engagement_path = "journey__engagement"
    extra = 3
    hide_title = True
    fields = ("number", "kind", "channel", "campaign", "template", "catalog", "item", "wait", "condition", "target", "note")
    ordering = ("number", "pk")

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Nothing is chosen beforehand: else a row that nobody filled in would count as a step."""
        kwargs["choices"] = db_field.get_choices(include_blank=True, blank_choice=[("", "Select value")])
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A step that was a mistake goes; the history keeps that it was there."""
        return self.has_change_permission(request, obj)


@admin.register(EnteredJourney)
class EnteredJourneyAdmin(WorkbenchAdmin):
    """Journeys as an engineer reads them off the platform's own pages."""

    list_display = ("journey_id", "name", "engagement", "trigger", "step_count", "complete")
    list_filter = (EngagementFilter, "complete")
    list_select_related = ("engagement",)
    list_filter_submit = True
    search_fields = ("journey_id", "name")
    inlines = (EnteredStepInline,)
    fields = (
        "engagement", ("journey_id", "name"), ("trigger", "reentry"), "names", ("lifetime", "at_once"), "complete", "note",
    )  # fmt: skip
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With how many steps each has: the paths of one step count once."""
        return super().get_queryset(request).annotate(numbers=Count("steps__number", distinct=True))

    def get_readonly_fields(self, request: HttpRequest, obj: EnteredJourney | None = None) -> tuple[str, ...]:
        """A journey stays with its engagement."""
        return ("engagement",) if obj else ()

    @display(description="steps", ordering="numbers")
    def step_count(self, row: EnteredJourney) -> int:
        """How many steps were entered."""
        return int(getattr(row, "numbers", 0))


@admin.register(JourneyDefinition)
class JourneyDefinitionAdmin(ReadOnly, WorkbenchAdmin):
    """Definition files as they were given; the newest version counts."""

    list_display = ("version", "engagement", "file_name", "journeys", "steps", "size", "given_by", "given_at", "download")
    list_filter = (EngagementFilter,)
    list_select_related = ("engagement",)
    list_filter_submit = True
    search_fields = ("file_name", "sha256")

    def get_urls(self) -> list[URLPattern]:
        """With the file itself."""
        view = self.admin_site.admin_view(self.file_view)
        return [path("<int:pk>/file/", view, name="mapping_journeydefinition_file"), *super().get_urls()]

    @display(description="as it was given")
    def download(self, row: JourneyDefinition) -> str:
        """A link to the file."""
        return format_html('<a href="{}">Download</a>', reverse("admin:mapping_journeydefinition_file", args=[row.pk]))

    def file_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file byte for byte, as a download under a name of our own and never shown in the admin's origin."""
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404("There is no such file.")
        try:
            content = keeping.content(row)
        except keeping.DefinitionGone as error:
            raise Http404(f"{error} {error.remedy}") from error
        name = f"{row.engagement.slug}-journey-definitions-{row.version}.json"
        return FileResponse(BytesIO(content), as_attachment=True, filename=name, content_type="application/octet-stream")
