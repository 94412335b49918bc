"""The owners in the portal: the list, an answer for one or for many, and what was answered before.

Everybody who sees the engagement may look; the customer's Dynamics admin answers.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views import View
from django.views.decorators.http import require_GET, require_POST

from mapping.owners import answers, suggestions, tasks
from mapping.owners.answers import Answer, Scope
from mapping.owners.models import OwnerAnswer, OwnerDirectory, OwnerMatch
from mapping.owners.suggestions import Choice
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Environment, Role
from workbench.portal.views import visible

PER_PAGE = 50
LISTED = 100  # owners that the page of an answer names
HISTORY = 20


def may_answer(request: HttpRequest, engagement: Engagement) -> bool:
    """Whether the person is the customer's Dynamics admin of this engagement."""
    return Role.DYNAMICS_ADMIN in roles_of(request.user, engagement)


@login_required
@require_GET
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """The owners at the source: search, states, the likest user for those that are open."""
    engagement = visible(request, slug)
    matches, environment = OwnerMatch.objects.filter(engagement=engagement), suggestions.main_environment(engagement)
    state, text = request.GET.get("state", ""), request.GET.get("q", "").strip()
    found = matches.in_state(state).sought(text)
    page = Paginator(found.in_order().select_related("assignee"), PER_PAGE).get_page(request.GET.get("page"))
    open_ones = [match.source_owner for match in page if match.kind == OwnerMatch.Kind.OPEN]
    best = suggestions.best(environment, open_ones) if environment and open_ones else {}
    context = {
        "engagement": engagement,
        "page": page,
        "rows": [(match, best.get(match.source_owner)) for match in page],
        "state": state,
        "q": text,
        "tabs": tabs(matches),
        "may_answer": may_answer(request, engagement),
        "directories": OwnerDirectory.objects.filter(environment__engagement=engagement).select_related("environment"),
    }
    return render(request, "portal/owners.html", context)


def tabs(matches: QuerySet[OwnerMatch]) -> list[tuple[str, str, int, int]]:
    """(state, label, owners, records), all first."""
    found = [("", "All", matches), *((state, label, matches.in_state(state)) for state, label in OwnerMatch.State.choices)]  # type: ignore[attr-defined]
    counted = [(state, label, rows.aggregate(owners=Count("pk"), records=Sum("records", default=0))) for state, label, rows in found]
    return [(state, label, counts["owners"], counts["records"]) for state, label, counts in counted]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The owners that a page is about. fields: what the page sends back to mean the same ones."""

    matches: QuerySet[OwnerMatch]
    fields: Sequence[tuple[str, str]]


def chosen(engagement: Engagement, given: Any) -> Chosen:
    """The owners that were ticked, or all that the list's filter shows. Raises BadInput where there are none."""
    matches = OwnerMatch.objects.filter(engagement=engagement)
    if given.get("all"):
        fields = [("all", "1"), ("state", given.get("state", "")), ("q", given.get("q", ""))]
        found = Chosen(matches.in_state(given.get("state", "")).sought(given.get("q", "")), fields)
    else:
        ids = [each for each in given.getlist("owner") if each.isdecimal()][: PER_PAGE * 2]
        found = Chosen(matches.filter(pk__in=ids), [("owner", each) for each in ids])
    if not found.matches.exists():
        remedy = "Tick the owners that are to get the same answer, if the list still shows some."
        raise BadInput("No owner is chosen, or those that were are answered by now.", remedy=remedy)
    return found


class AnswerPage(LoginRequiredMixin, View):
    """One answer for the owners that were chosen: who they are, who could own, and the answer itself."""

    def get(self, request: HttpRequest, slug: str, pk: int | None = None) -> HttpResponse:
        """Show the choice."""
        engagement = visible(request, slug)
        try:
            return self.page(request, engagement, self.scope_of(request, engagement, pk))
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:owners", slug)

    def post(self, request: HttpRequest, slug: str, pk: int | None = None) -> HttpResponse:
        """Give the answer to exactly the owners that were shown."""
        engagement = visible(request, slug)
        if not may_answer(request, engagement):
            raise PermissionDenied("Only the customer's Dynamics admin answers.")
        try:
            found = self.scope_of(request, engagement, pk)
        except BadInput as error:  # somebody, or the same button a moment ago, answered all that the list's filter showed
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:owners", slug)
        try:
            answer = self.answer(request, engagement, found)
            signed, shown = request.POST.get("signed") == "on", request.POST.get("shown", "")
            answers.give(engagement, found.matches, answer, by=cast(User, request.user), shown=shown, signed=signed)
        except WorkbenchError as error:
            return self.page(request, engagement, found, error=error, status=400)
        where = "the owner's page" if pk else "the page of any of these owners"
        messages.success(request, f"Answered: {answer.name}. It can be taken back on {where}.")
        return redirect("portal:owner", slug, pk) if pk else redirect("portal:owners", slug)

    def scope_of(self, request: HttpRequest, engagement: Engagement, pk: int | None) -> Chosen:
        """The owner of the address, or those that were chosen in the list. Raises BadInput."""
        if pk is not None:
            match = get_object_or_404(OwnerMatch, engagement=engagement, pk=pk)
            return Chosen(OwnerMatch.objects.filter(pk=match.pk), [])
        return chosen(engagement, request.POST if request.method == "POST" else request.GET)

    def answer(self, request: HttpRequest, engagement: Engagement, found: Chosen) -> Answer:
        """What the form says. Raises BadInput."""
        environment = suggestions.main_environment(engagement)
        owners = list(found.matches.values_list("source_owner", flat=True))
        choice = suggestions.chosen(environment, request.POST.get("choice", ""), owners) if environment else None
        if choice is None:
            raise BadInput("Nobody is chosen.", remedy="Choose a user or a team of the list.")
        if choice.problem:
            raise answers.OwnerDoesNotFit(f"{choice.principal} can't own these rows: {choice.problem}")
        kind = choice.kind
        if kind == OwnerMatch.Kind.USER and request.POST.get("as") == OwnerMatch.Kind.SUCCESSOR:
            kind = OwnerMatch.Kind.SUCCESSOR
        return Answer(kind, choice.name, request.POST.get("note", "")[:2_000])

    def page(
        self, request: HttpRequest, engagement: Engagement, found: Chosen, error: WorkbenchError | None = None, status: int = 200
    ) -> HttpResponse:
        """Owners, candidates, form and history."""
        scope = answers.scope(found.matches)
        one = scope.matches[0] if len(scope.matches) == 1 else None
        environment = suggestions.main_environment(engagement)
        context = {
            "engagement": engagement,
            "scope": scope,
            "one": one,
            "listed": scope.matches[:LISTED],
            "more": max(0, len(scope.matches) - LISTED),
            "fields": found.fields,
            "who": request.GET.get("who", request.POST.get("who", "")).strip(),
            "environment": environment,
            "choices": candidates_for(environment, scope, request.GET.get("who", request.POST.get("who", ""))),
            "given": request.POST,
            "error": error,
            "may_answer": may_answer(request, engagement),
            "past": past(one) if one else [],
            "beside": OwnerMatch.objects.beside(one).in_order() if one else [],
            "address": request.path,
        }
        return render(request, "portal/owner.html", context, status=status)


def candidates_for(environment: Environment | None, scope: Scope, text: str) -> list[Choice]:
    """Who is found by the text; without one, who is suggested."""
    if environment is None:
        return []
    owners = [match.source_owner for match in scope.matches]
    if text.strip():
        return suggestions.search(environment, text, owners)
    return suggestions.suggest(environment, owners[0] if len(owners) == 1 else "")


def past(match: OwnerMatch) -> list[tuple[OwnerAnswer, int]]:
    """The newest answers of an owner, each with how many owners it was given to in one go."""
    rows = list(match.answers.all()[:HISTORY])
    sizes = dict(OwnerAnswer.objects.filter(batch__in=[row.batch for row in rows]).values_list("batch").annotate(Count("pk")).order_by())
    return [(row, sizes[row.batch]) for row in rows]


@login_required
@require_POST
def read_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Have users and teams read again, once something was mended in Dynamics 365."""
    engagement = visible(request, slug)
    if not may_answer(request, engagement):
        raise PermissionDenied("Only the customer's Dynamics admin has users and teams read again.")
    tasks.want(engagement, request.user)
    messages.success(request, "Users and teams are being read again. Load this page again in a minute.")
    return redirect("portal:owners", slug)


@login_required
@require_POST
def take_back(request: HttpRequest, slug: str, batch: uuid.UUID) -> HttpResponse:
    """Put back what one answer replaced, for all owners that it was given to."""
    engagement = visible(request, slug)
    if not may_answer(request, engagement):
        raise PermissionDenied("Only the customer's Dynamics admin answers.")
    try:
        back, left = answers.take_back(engagement, batch, by=cast(User, request.user))
    except BadInput as error:
        messages.error(request, f"{error} {error.remedy}")
    else:
        kept = f" {left} were answered anew since and stay as they are." if left else ""
        messages.success(request, f"Taken back for {back} owner{'s' * (back != 1)}.{kept}")
    return redirect(reverse("portal:owners", args=[slug]))
