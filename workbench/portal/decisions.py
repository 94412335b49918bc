"""The page of decisions: what checks found and ask the customer, by subject, decided one by one or many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from django import forms
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views import View

from mapping.checks import registry
from mapping.checks.deciding import MayNotDecide, choice_of, decide, waiting_for
from mapping.models import DiscoveryFinding, FindingQuerySet
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role
from workbench.portal.views import visible

SHOWN, PER_PAGE = 12, 100
STATUSES: Mapping[type, int] = {MayNotDecide: 403, BadInput: 400}


class DecisionForm(forms.Form):
    """An answer to ticked findings, or to all of a check that are still open."""

    check = forms.CharField(max_length=120)
    keys = forms.CharField(required=False)
    every = forms.BooleanField(required=False)
    decision = forms.CharField(max_length=30)
    comment = forms.CharField(required=False, max_length=2_000)


@dataclass(frozen=True, slots=True)
class Row:
    """One subject of a check, wherever it was found."""

    findings: Sequence[DiscoveryFinding]

    @property
    def first(self) -> DiscoveryFinding:
        """Stands for all of them."""
        return self.findings[0]

    @property
    def places(self) -> str:
        """Where it was found, in words."""
        return ", ".join(finding.environment.get_kind_display() if finding.environment else "Source" for finding in self.findings)

    @property
    def answers(self) -> str:
        """What was decided, where that differs between places with the place; empty where nothing is."""
        told = {(choice.label if (choice := choice_of(finding)) else "") for finding in self.findings}
        if len(told) == 1:
            return told.pop()
        return ", ".join(f"{Row([one]).places}: {Row([one]).answers.lower() or 'open'}" for one in self.findings)

    @property
    def decided(self) -> DiscoveryFinding | None:
        """One that is decided, for who decided and why."""
        return next((finding for finding in self.findings if finding.decision), None)


@dataclass(frozen=True, slots=True)
class Card:
    """A check with its question, its choices and the findings that ask."""

    check: registry.Check
    page: Page
    open_count: int
    mine: bool

    @property
    def who(self) -> str:
        """Whose decision it is, in words."""
        return Role(self.check.decision.who).label if self.check.decision else ""


def asking(engagement: Engagement) -> FindingQuerySet:
    """The engagement's findings that ask for a decision."""
    return DiscoveryFinding.objects.filter(engagement=engagement, asks=True)


def cards(engagement: Engagement, roles: set[str], query: Mapping[str, str]) -> list[Card]:
    """The checks that ask something, in the registry's order; of one alone a page of its findings, of several the first few."""
    found = asking(engagement).select_related("environment").order_by("check_name", "subject", "environment__kind", "pk")
    if query.get("check"):
        found = found.filter(check_name=query["check"])
    if query.get("show") != "all" and not query.get("check"):
        found = found.filter(key__in=asking(engagement).undecided().values("key"))
    made = []
    for name, rows in groupby(found, key=lambda finding: finding.check_name):
        check = registry.of(name)
        subjects = [Row(list(same)) for _, same in groupby(rows, key=lambda finding: finding.key)]
        pages = Paginator(subjects, PER_PAGE if query.get("check") else SHOWN)
        undecided = sum(any(not finding.decision for finding in row.findings) for row in subjects)
        mine = check.decision is not None and check.decision.who in roles
        made.append(Card(check, pages.get_page(query.get("page")), undecided, mine))
    order = registry.places()
    return sorted(made, key=lambda card: (not card.mine, order.get(card.check.name, len(order))))


class DecisionsPage(LoginRequiredMixin, View):
    """What is to be decided, and what was."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The page."""
        return self.page(request, visible(request, slug))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Take a decision about the ticked findings, or about all that are open of a check."""
        engagement = visible(request, slug)
        form = DecisionForm(request.POST)
        keys = request.POST.getlist("keys")
        if not form.is_valid() or not (keys or form.cleaned_data["every"]):
            return self.page(request, engagement, "Tick at least one line and choose an answer.", 400)
        given = form.cleaned_data
        findings = asking(engagement).filter(check_name=given["check"])
        findings = findings.undecided() if given["every"] else findings.filter(key__in=keys)
        try:
            decide(findings, given["decision"], user=cast(User, request.user), comment=given["comment"])
        except WorkbenchError as error:
            return self.page(request, engagement, f"{error} {error.remedy}", STATUSES.get(type(error), 400))
        return redirect(request.get_full_path())

    def page(self, request: HttpRequest, engagement: Engagement, error: str = "", status: int = 200) -> HttpResponse:
        """Everything that the page shows."""
        roles = roles_of(request.user, engagement)
        found = cards(engagement, roles, request.GET.dict())
        context: dict[str, Any] = {
            "engagement": engagement,
            "cards": found,
            "alone": bool(request.GET.get("check")),
            "all": request.GET.get("show") == "all",
            "mine": waiting_for(engagement, roles),
            "asked": asking(engagement).exists(),
            "error": error,
            "here": reverse("portal:decisions", args=[engagement.slug]),
        }
        return render(request, "portal/decisions.html", context, status=status)
