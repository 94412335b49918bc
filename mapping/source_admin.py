"""Admin page of what discovery saw of the source: fields with their profiles."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from mapping.models import FieldMap, SourceField
from mapping.plan_admin import bar, percent
from mapping.workshop.completeness import with_decisions
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin


class LinesFilter(DropdownFilter):
    """Fields by whether any field map speaks of them."""

    title = "field maps"
    parameter_name = "lines"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Without a line, with an open one."""
        return [("none", "No field map"), ("open", "Not decided")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """The chosen fields."""
        chosen = {"none": {"has_line": False}, "open": {"is_open": True}}.get(self.value() or "")
        return with_decisions(queryset).filter(**chosen) if chosen else queryset


@admin.register(SourceField)
class SourceFieldAdmin(ReadOnly, WorkbenchAdmin):
    """Fields of the source: how full, how many different values, which types, the commonest values."""

    list_display = ("name", "object_name", "engagement", "declared_type", "fill_bar", "distinct", "shown_types", "samples")
    list_filter = (EngagementFilter, "object_name", LinesFilter)
    list_select_related = ("engagement",)
    list_filter_submit = True
    search_fields = ("name",)
    change_form_template = "admin/workbench/source_field.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The profile as bars and a table."""
        return {
            "field": obj,
            "profile": profile(obj),
            "maps": FieldMap.objects.filter(engagement=obj.engagement, object_name=obj.object_name, source=obj.name),
        }

    @display(description="filled")
    def fill_bar(self, field: SourceField) -> str:
        """Share of records with a value."""
        return bar(field.fill, percent(field.fill))

    @display(description="types")
    def shown_types(self, field: SourceField) -> str:
        """JSON types that were seen; more than one asks for a look."""
        return ", ".join(sorted(field.types))

    @display(description="commonest values")
    def samples(self, field: SourceField) -> str:
        """The three commonest values."""
        return shown_samples(field.top)


def profile(field: SourceField) -> dict[str, Any]:
    """Shares for the page: per JSON type and per commonest value."""
    types = sorted(field.types.items(), key=lambda item: -item[1])
    return {
        "fill": round(field.fill * 100),
        "fill_text": percent(field.fill),
        "empty": field.rows - field.filled,
        "types": [(name, count, *share(count, field.rows)) for name, count in types],
        "top": [(value, count, *share(count, field.filled)) for value, count in field.top],
    }


def share(count: int, whole: int) -> tuple[int, str]:
    """A count's share of the whole as a bar shows it, and in words."""
    part = count / whole if whole else 0.0
    return round(part * 100), percent(part)


def shown_samples(top: list, limit: int = 40) -> str:
    """The three commonest values, each cut to `limit` characters."""
    texts = [str(value) for value, _ in top[:3]]
    return " · ".join(text if len(text) <= limit else text[: limit - 1] + "…" for text in texts)
