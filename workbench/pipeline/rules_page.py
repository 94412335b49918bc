"""The admin page of the plan's rules: leads who bought, unknown consent, payloads of events; counts before anything is saved."""

from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.db import transaction

from mapping import choosing, plan
from mapping.rule_previews import RULES
from workbench.engagements import history
from workbench.engagements.models import Engagement

LABELS = {
    "purchasing_leads": "Leads who bought",
    "purchases_become": "Purchases become",
    "consent_unknown": "Consent of people whose profile says nothing",
    "unflattenable": "Payloads that no column can hold",
    "events_become": "Events become",
    "departed": "Records that the source deletes or merges after they were loaded",
    "event_budget": "New columns on the table of events, at most",
    "event_volume": "Events above which a table of their own is worth it",
}
MOST = 10**9


class RulesForm(forms.Form):
    """The rules' answers, as the plan has them or as they are to be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """A field per rule."""
        super().__init__(*args, **kwargs)
        for name, answers in RULES.items():
            self.fields[name] = (
                forms.ChoiceField(choices=list(answers.items()), label=LABELS[name])
                if answers is not None
                else forms.IntegerField(min_value=0, max_value=MOST, label=LABELS[name])
            )
            self.fields[name].widget.attrs["class"] = "mw-field"

    def names(self) -> dict[str, str]:
        """The answers as the engagement's options keep them; the form must be valid."""
        return {name: str(self.cleaned_data[name]) for name in RULES}


@transaction.atomic
def save(engagement: Engagement, names: dict[str, str], user: User) -> list[str]:
    """Keep the answers; the plan parts that they change get a new version. Returns those parts' names."""
    before = plan.names_of(engagement)
    changed = {name: value for name, value in names.items() if before[name] != value}
    if not changed:
        return []
    engagement.options = {**engagement.options, **changed}
    engagement.save(update_fields=["options"])
    detail = {name: {"was": before[name], "is": value} for name, value in changed.items()}
    history.record(engagement, actor=user, action="changed rules", subject=", ".join(sorted(changed)), detail=cast(dict[str, Any], detail))
    choosing.carry_out(engagement, actor=user)
    if "event_budget" in changed:
        choosing.budget_anew(engagement, actor=user)
    parts = sorted(set(plan.current(engagement)) & set(plan.changed_since(engagement)))
    plan.revise(engagement, parts, actor=user)
    return parts
