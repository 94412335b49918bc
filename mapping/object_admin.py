"""Admin pages of the source's objects as discovery saw them, and of its event types."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from mapping.models import EventType, FieldMap, SourceObject
from mapping.plan_admin import bar, percent
from mapping.source_admin import share
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin

FIGURES_IN_LIST = 4
NARROW = 3  # columns of a table that stands beside another


@admin.register(SourceObject)
class SourceObjectAdmin(ReadOnly, WorkbenchAdmin):
    """What the source has, object by object."""

    list_display = ("title", "engagement", "shown_records", "shown_figures", "taken")
    list_filter = (EngagementFilter,)
    list_select_related = ("engagement", "dataset")
    list_filter_submit = True
    search_fields = ("title", "object_name")
    change_form_template = "admin/workbench/source_object.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Figures and tables, cell by cell."""
        types = reverse("admin:mapping_eventtype_changelist")
        return {
            "object": obj,
            "figures": obj.content.get("figures", []),
            "groups": [list(group) for _, group in groupby(map(shown_table, obj.content.get("tables", [])), lambda table: table["narrow"])],
            "types": f"{types}?engagement={obj.engagement_id}&object_name={obj.object_name}" if has_types(obj) else "",
        }

    @display(description="records", ordering="records")
    def shown_records(self, row: SourceObject) -> str:
        """Records at the source."""
        return f"{row.records:,}"

    @display(description="seen")
    def shown_figures(self, row: SourceObject) -> str:
        """The most telling figures."""
        figures = row.content.get("figures", [])[1 : FIGURES_IN_LIST + 1]
        return " · ".join(f"{label}: {value:,}" if isinstance(value, int) else f"{label}: {value}" for label, value in figures)

    @display(description="looked at", ordering="dataset__started_at")
    def taken(self, row: SourceObject) -> SafeString:
        """When the object was landed."""
        return moment(row.dataset.started_at)


def moment(value: datetime) -> SafeString:
    """A moment of UTC on one line."""
    return format_html('<span class="mw-nowrap">{}</span>', f"{value:%Y-%m-%d %H:%M}")


def day(value: datetime | None) -> SafeString:
    """A day of UTC on one line; a dash for none."""
    return format_html('<span class="mw-nowrap">{}</span>', f"{value:%Y-%m-%d}" if value else "–")


def has_types(row: SourceObject) -> bool:
    """Whether records of the object are counted by name."""
    return EventType.objects.filter(engagement=row.engagement_id, object_name=row.object_name).exists()


def shown_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """A summary's table as the page lays it out: which columns are figures, shares as bars."""
    numbers = [_is_number(table["rows"], place) for place in range(len(table["head"]))]
    head = [{"text": text, "number": numbers[place] and place not in table["shares"]} for place, text in enumerate(table["head"])]
    rows = [[_cell(value, place in table["shares"], numbers[place]) for place, value in enumerate(row)] for row in table["rows"]]
    return {**table, "head": head, "rows": rows, "narrow": len(head) <= NARROW}


def _is_number(rows: Sequence[Sequence[Any]], place: int) -> bool:
    cells = [row[place] for row in rows if row[place] is not None]
    return bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)


def _cell(value: Any, is_share: bool, is_number: bool) -> dict[str, Any]:
    if is_share and isinstance(value, (int, float)):
        return {"text": percent(value), "share": round(value * 100)}
    return {"text": value, "number": is_number}


@admin.register(EventType)
class EventTypeAdmin(ReadOnly, WorkbenchAdmin):
    """Event types: how many of each, since when, and what their payloads hold."""

    list_display = ("shown_name", "shown_count", "share_bar", "first", "last", "shown_keys", "flattens", "object_name", "engagement")
    list_filter = (EngagementFilter, "object_name")
    list_select_related = ("engagement",)
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("name",)
    change_form_template = "admin/workbench/event_type.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The keys with their shares as bars."""
        names, lost = [key["name"] for key in obj.keys], share(obj.unflattenable, obj.samples)
        found = FieldMap.objects.filter(engagement=obj.engagement, object_name=obj.object_name, source__in=names)
        maps = {row.source: row for row in found}
        keys = [{**shown_key(key, obj.samples), "map": maps.get(key["name"])} for key in obj.keys]
        return {"type": obj, "keys": keys, "share": percent(obj.share), "lost": lost[1]}

    @display(description="event", ordering="name")
    def shown_name(self, row: EventType) -> str:
        """The name, blank written out."""
        return str(row)

    @display(description="events", ordering="count")
    def shown_count(self, row: EventType) -> str:
        """How many, exactly."""
        return f"{row.count:,}"

    @display(description="share", ordering="share")
    def share_bar(self, row: EventType) -> str:
        """Of all events of the object."""
        return bar(row.share, percent(row.share))

    @display(description="first", ordering="first_at")
    def first(self, row: EventType) -> SafeString:
        """The day of the first one."""
        return day(row.first_at)

    @display(description="last", ordering="last_at")
    def last(self, row: EventType) -> SafeString:
        """The day of the last one."""
        return day(row.last_at)

    @display(description="keys")
    def shown_keys(self, row: EventType) -> str:
        """How many keys the payloads have."""
        return f"{len(row.keys) + row.keys_left_out:,}"

    @display(description="payloads", label={"flat": "success", "partly": "warning", "never": "danger"})
    def flattens(self, row: EventType) -> tuple[str, str]:
        """Whether the payloads can become columns."""
        if not row.unflattenable:
            return "flat", "flat"
        words = f"{percent(row.unflattenable / row.samples)} not flat"
        return ("never" if row.unflattenable == row.samples else "partly"), words


def shown_key(key: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """A payload key with its share of the samples and its types, the commonest first."""
    part, words = share(key["samples"], samples)
    types = sorted(key["types"].items(), key=lambda item: (-item[1], item[0]))
    return {**key, "share": part, "words": words, "types": types}
