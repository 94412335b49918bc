"""What the pages of the plan share: an edit makes a new version of its part, and bars show how full a field is."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mapping import plan
from workbench.engagements.models import Engagement
from workbench.engagements.scoped_admin import WorkbenchAdmin


class PlanRowAdmin(WorkbenchAdmin):
    """Rows that people edit and that plan versions are made of: once saved, their part gets a new version."""

    plan_part = ""

    def note(self, request: HttpRequest, engagement: Engagement, verb: str, obj: Any, changes: dict[str, Any] | None = None) -> None:
        """Record the change, and remember whose plan it touches."""
        super().note(request, engagement, verb, obj, changes)
        touched = request.__dict__.setdefault("touched_engagements", {})
        touched[engagement.pk] = engagement

    def after_changes(self, request: HttpRequest) -> None:
        """Make the new versions, once per list or form that was saved."""
        for engagement in request.__dict__.pop("touched_engagements", {}).values():
            [version] = plan.revise(engagement, [self.plan_part], actor=request.user)
            if not hasattr(version, "confirmation"):
                messages.info(
                    request,
                    f"{engagement}: plan part '{version.part}' is now version {version.version}, which nobody has confirmed or signed yet.",
                )


def bar(share: float, text: str) -> SafeString:
    """A bar for a share of 0 to 1, with its figure in words for those who don't see it."""
    return format_html(
        '<span class="mw-fill"><progress max="100" value="{}" aria-hidden="true"></progress> {}</span>', round(share * 100), text
    )


def percent(share: float) -> str:
    """A share of 0 to 1 as people read it: only nothing is 0 %, only all is 100 %."""
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{share:.0%}".replace("%", " %")
