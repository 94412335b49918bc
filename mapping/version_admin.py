"""Admin pages of plan versions: what each froze, and how it differs from the one before."""

import difflib
import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from mapping.models import PlanVersion
from mapping.workshop.versions import differences
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin

DIFF_LINES = 2_000
TOLD = 1_000
DIGITS = 10


@admin.register(PlanVersion)
class PlanVersionAdmin(ReadOnly, WorkbenchAdmin):
    """Frozen versions; they are confirmed on the engagement's page."""

    list_display = ("__str__", "engagement", "shown_confirmed", "created_at", "created_by", "short_hash")
    list_filter = (EngagementFilter, "part")
    list_select_related = ("engagement", "confirmation__confirmed_by")
    list_filter_submit = True
    ordering = ("-created_at", "-pk")
    change_form_template = "admin/workbench/plan_version.html"

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The content, and what differs from the version before, or from another that was asked for; of the maps also in words."""
        others = PlanVersion.objects.filter(engagement=obj.engagement, part=obj.part).exclude(pk=obj.pk)
        asked = request.GET.get("against", "")
        before = others.filter(version=int(asked) if asked.isdecimal() and len(asked) < DIGITS else obj.version - 1).first()
        told = differences(before.content, obj.content) if before and obj.part == "maps" else []
        return {
            "version": obj,
            "before": before,
            "others": others.defer("content"),
            "diff": diff(before, obj),
            "told": told[:TOLD],
            "told_count": len(told),
            "content_text": pretty(obj)[:200_000],
        }

    @display(description="confirmed", boolean=False)
    def shown_confirmed(self, version: PlanVersion) -> str:
        """Who confirmed it, and when."""
        if not hasattr(version, "confirmation"):
            return "not confirmed"
        return f"{version.confirmation.confirmed_by}, {version.confirmation.confirmed_at:%Y-%m-%d %H:%M}"

    @display(description="SHA-256")
    def short_hash(self, version: PlanVersion) -> str:
        """The first twelve digits."""
        return version.sha256[:12]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without the contents, which can be large; a version's own page loads its own."""
        return super().get_queryset(request).defer("content")


def pretty(version: PlanVersion) -> str:
    """A version's content as indented JSON."""
    return json.dumps(version.content, indent=1, ensure_ascii=False, sort_keys=True)


def diff(before: PlanVersion | None, after: PlanVersion) -> list[tuple[str, str]]:
    """Lines that differ, each with `add`, `del` or `same`; at most DIFF_LINES."""
    if before is None:
        return []
    lines = difflib.unified_diff(pretty(before).splitlines(), pretty(after).splitlines(), lineterm="", n=1)
    kinds = {"+": "add", "-": "del"}
    found = []
    for line in lines:
        if not line.startswith(("---", "+++", "@@")):
            found.append((kinds.get(line[0], "same"), line))
        if len(found) == DIFF_LINES:
            break
    return found
