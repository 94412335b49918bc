"""What arrives with less than the source held, run by run: read by everybody, accepted or refused by the customer's approver."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views import View

from loads.losses import deciding
from loads.losses.models import Loss
from loads.models import Run
from mapping.quality.deciding import MayNotDecide
from workbench.engagements.access import roles_of
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment, Role
from workbench.engagements.signoffs import ChangedMeanwhile, content_hash
from workbench.portal.throttle import client_address
from workbench.portal.views import visible

STATUSES: dict[type, int] = {MayNotDecide: 403, ChangedMeanwhile: 409}


class LossForm(forms.Form):
    """The hash of what the page showed, the answer, the word that it was read where it is accepted, and a comment."""

    shown_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    choice = forms.ChoiceField(choices=deciding.Choice.choices)
    read = forms.BooleanField(required=False)
    comment = forms.CharField(required=False, max_length=2_000)

    def clean(self) -> dict[str, Any]:
        """Who accepts says that they have read it."""
        given = super().clean() or {}
        if given.get("choice") == deciding.Choice.ACCEPTED and not given.get("read"):
            self.add_error("read", "Tick the box to say that you have read this page.")
        return given


@dataclass(frozen=True, slots=True)
class Line:
    """A run that the page offers, with whether its losses wait."""

    run: Run
    waits: bool


def lines(engagement: Engagement) -> list[Line]:
    """Runs whose losses count and that have any, those that wait first."""
    runs = [run for kind in Environment.Kind.values for run in deciding.to_accept(engagement, kind)]
    lossy = set(Loss.objects.filter(run__in=runs).order_by().values_list("run_id", flat=True).distinct())
    found = [Line(run, any(deciding.missing(run))) for run in runs if run.pk in lossy]
    return sorted(found, key=lambda line: (not line.waits, -line.run.pk))


class LossesPage(LoginRequiredMixin, View):
    """The losses of one run, with the decision about them."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show them."""
        return self.page(request, visible(request, slug))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Accept or refuse them as they were shown."""
        engagement = visible(request, slug)
        run, form = self.chosen(request, lines(engagement)), LossForm(request.POST)
        if run is None:
            raise Http404("There is nothing to decide about.")
        if not form.is_valid():
            return self.page(request, engagement, form=form, status=400)
        given = form.cleaned_data
        try:
            deciding.decide(
                run,
                given["choice"],
                user=cast(User, request.user),  # whoever sees the page has signed in
                shown_sha256=given["shown_sha256"],
                comment=given["comment"],
                address=client_address(request),
            )
        except WorkbenchError as error:
            return self.page(request, engagement, form=form, error=error, status=STATUSES.get(type(error), 400))
        messages.success(
            request, "Accepted." if given["choice"] == deciding.Choice.ACCEPTED else "Refused. The engineer reads your comment."
        )
        return redirect(f"{reverse('portal:losses', args=[slug])}?run={run.pk}")

    def chosen(self, request: HttpRequest, offered: Sequence[Line]) -> Run | None:
        """The run that was asked for, else the first that waits. Raises Http404 for one that isn't offered."""
        wanted = request.GET.get("run")
        if wanted is None:
            return offered[0].run if offered else None
        found = next((line.run for line in offered if str(line.run.pk) == wanted), None)
        if found is None:
            raise Http404("There is no such run with losses.")
        return found

    def page(
        self,
        request: HttpRequest,
        engagement: Engagement,
        form: LossForm | None = None,
        error: WorkbenchError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """Everything that the page shows."""
        offered = lines(engagement)
        run = self.chosen(request, offered)
        approver = Role.APPROVER in roles_of(request.user, engagement)
        context: dict[str, Any] = {
            "engagement": engagement,
            "lines": offered,
            "run": run,
            "form": form,
            "error": error,
            "approver": approver,
        }
        if run is not None:
            told, decision = deciding.content(run), deciding.decision_of(run)
            context |= {
                "content": told,
                "objects": [(name, list(rows)) for name, rows in groupby(told["losses"], key=lambda row: row["object"])],
                "kinds": counts(told["losses"]),
                "words": dict(Loss.KINDS),
                "sha256": content_hash(told),
                "decision": decision,
                "earlier": None if decision else run.loss_decisions.first(),
                "may_decide": approver and (decision is None or decision.choice == deciding.Choice.REFUSED),
                "statement": deciding.STATEMENT,
            }
        return render(request, "portal/losses.html", context, status=status)


def counts(losses: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """Values by kind, in words."""
    return [(label, sum(row["values"] for row in losses if row["kind"] == kind)) for kind, label in Loss.KINDS]
