"""The form that gives groups of the data-quality report an owner and a day, as the pages of the portal and the admin show it."""

from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, QueryDict

from loads.quality_choosing import Chosen
from mapping.quality import duties
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

LISTED = 100


class DutyForm(forms.Form):
    """Who sees to it, and until which day."""

    owner = forms.ModelChoiceField(queryset=User.objects.none(), label="Who sees to it", empty_label="Choose a person")
    due_on = forms.DateField(label="Until which day (UTC)", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))

    def __init__(self, engagement: Engagement, data: QueryDict | None = None) -> None:
        """Offer the members of the engagement."""
        super().__init__(data)
        cast(forms.ModelChoiceField, self.fields["owner"]).queryset = duties.members(engagement)
        for field in self.fields.values():
            field.widget.attrs["class"] = "mw-field"


def assign(request: HttpRequest, found: Chosen) -> int:
    """Give exactly the groups that the page showed what its form says; how many changed. Raises what `duties.assign` raises, BadInput."""
    found.require_shown(request.POST)
    form = DutyForm(found.run.engagement, request.POST)
    if not form.is_valid():
        raise BadInput("The person, or the day, is missing.", remedy="Choose who sees to it and enter the day.")
    keys = [line.subject.key for line in found.lines]
    return duties.assign(found.run.engagement, keys, **form.cleaned_data, user=cast(User, request.user))


def said(changed: int) -> str:
    """What came of it."""
    return f"{changed} group{'s' * (changed != 1)} {'has' if changed == 1 else 'have'} an owner and a day"


def page(request: HttpRequest, found: Chosen) -> dict[str, Any]:
    """What the page shows."""
    return {
        "run": found.run,
        "found": found,
        "listed": found.lines[:LISTED],
        "more": max(0, len(found.lines) - LISTED),
        "form": DutyForm(found.run.engagement, request.POST if request.method == "POST" else None),
    }
