"""The admin page where an engineer records what the customer said about the losses of a run, say on the telephone."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from loads.losses import deciding
from loads.losses.models import Loss, LossDecision
from loads.models import Run
from loads.quality_admin import SaidForm
from loads.quality_choosing import TEXT_AT_MOST
from workbench.engagements.signoffs import content_hash


def record(request: HttpRequest, run: Run) -> LossDecision:
    """Record what the form says, about exactly the losses that were shown. Raises what `decide` raises."""
    given, said = request.POST, SaidForm(run.engagement, request.POST).said()
    comment = given.get("comment", "")[:TEXT_AT_MOST]
    shown, user = given.get("shown", ""), cast(User, request.user)
    return deciding.decide(run, given.get("choice", ""), user=user, shown_sha256=shown, comment=comment, said=said)


def page(request: HttpRequest, run: Run) -> dict[str, Any]:
    """What the page shows."""
    return {
        "form": SaidForm(run.engagement, request.POST) if request.method == "POST" else SaidForm(run.engagement),
        "given": request.POST,
        "choices": deciding.Choice.choices,
        **panel(run),
    }


def panel(run: Run) -> dict[str, Any]:
    """The losses with the decision, as the run's page shows them too."""
    told = deciding.content(run)
    return {
        "run": run,
        "losses": list(Loss.objects.filter(run=run)),
        "lost": told["values"],
        "loss_sha256": content_hash(told),
        "loss_decision": deciding.decision_of(run),
        "records_losses": run.state == Run.State.DONE and not run.is_sample and bool(told["losses"]),
    }
