"""The admin page where an engineer records what the customer decided about groups of the data-quality report, say on the telephone."""

from datetime import date
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone

from loads import quality
from loads.quality_choosing import Chosen, texts
from loads.quality_decisions import decide
from mapping.quality.deciding import Said
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement, Role

LISTED = 200


def approvers(engagement: Engagement) -> QuerySet[User]:
    """The customer's people whose decisions they are."""
    return User.objects.filter(memberships__engagement=engagement, memberships__role=Role.APPROVER).order_by("username")


class SaidForm(forms.Form):
    """Who of the customer said it, and on which day."""

    said_by = forms.ModelChoiceField(queryset=User.objects.none(), label="Who of the customer decided", empty_label="Choose a person")
    said_on = forms.DateField(label="On which day (UTC)", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))

    def __init__(self, engagement: Engagement, data: QueryDict | None = None) -> None:
        """Offer the approvers, and today."""
        super().__init__(data, initial={"said_on": timezone.now().date()})
        cast(forms.ModelChoiceField, self.fields["said_by"]).queryset = approvers(engagement)
        for field in self.fields.values():
            field.widget.attrs["class"] = "mw-field"

    def said(self) -> Said:
        """What the form says. Raises BadInput."""
        if not self.is_valid():
            raise BadInput("Who decided, or when, is missing.", remedy="Choose the person and enter the day: the history keeps both.")
        return Said(cast(User, self.cleaned_data["said_by"]), cast(date, self.cleaned_data["said_on"]))


def record(request: HttpRequest, found: Chosen) -> int:
    """Record what the form says, about exactly the groups that were shown. Raises what `decide` raises."""
    said = SaidForm(found.run.engagement, request.POST).said()
    return decide(found.run, found.answers(request.POST), user=cast(User, request.user), said=said, **texts(request.POST))


def page(request: HttpRequest, found: Chosen) -> dict[str, Any]:
    """What the page shows."""
    return {
        "run": found.run,
        "found": found,
        "listed": found.lines[:LISTED],
        "more": max(0, len(found.lines) - LISTED),
        "decided": sum(line.decision is not None for line in found.lines),
        "closed": not quality.takes_decisions(found.run),
        "form": SaidForm(found.run.engagement, request.POST) if request.method == "POST" else SaidForm(found.run.engagement),
        "given": request.POST,
    }
