"""The data-quality report in the portal: what would fail or lose something, and what the customer decides about it, many groups at once.

Everybody who sees the engagement may read it; the customer's approver decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views import View
from django.views.decorators.http import require_GET

from loads import quality
from loads.models import Run
from loads.quality import Line
from loads.reasons import RULES, rule_of
from mapping.quality import rules
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role
from workbench.portal.views import visible

PER_PAGE, LISTED = 50, 100
PROPOSED = "proposed"  # for each group the answer that is proposed for it
TABS: Sequence[tuple[str, str]] = (("open", "Open"), ("decided", "Decided"), ("info", "For information"), ("", "All"))


def may_decide(request: HttpRequest, engagement: Engagement) -> bool:
    """Whether the person is the customer's approver of this engagement."""
    return Role.APPROVER in roles_of(request.user, engagement)


def in_tab(line: Line, tab: str) -> bool:
    """Whether a tab shows a group."""
    return {"open": line.is_open, "decided": line.decision is not None, "info": not line.asks}.get(tab, True)


def filtered(lines: Sequence[Line], query: Mapping[str, str]) -> list[Line]:
    """The groups that the list's filters show."""
    return [
        line
        for line in lines
        if in_tab(line, query.get("show", ""))
        and query.get("object", "") in ("", line.group.object_name)
        and query.get("rule", "") in ("", rule_of(line.group.code))
    ]


@login_required
@require_GET
def report(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest report of the engagement."""
    engagement = visible(request, slug)
    run = quality.newest(engagement)
    lines = quality.lines(run) if run else []
    show = request.GET.get("show", "open" if any(line.is_open for line in lines) else "")
    query = {"show": show, "object": request.GET.get("object", ""), "rule": request.GET.get("rule", "")}
    context = {
        "engagement": engagement,
        "run": run,
        "page": Paginator(filtered(lines, query), PER_PAGE).get_page(request.GET.get("page")),
        "tabs": [(key, label, [line for line in lines if in_tab(line, key)]) for key, label in TABS],
        "query": query,
        "objects": sorted({line.group.object_name for line in lines}),
        "rules": RULES.items(),
        "may_decide": may_decide(request, engagement),
        "outdated": bool(run and quality.is_outdated(run)),
        "total": sum(line.group.records for line in lines),
    }
    return render(request, "portal/quality.html", context)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The groups that a page is about. fields: what the page sends back to mean the same ones."""

    run: Run
    lines: Sequence[Line]
    fields: Sequence[tuple[str, str]]

    @property
    def digest(self) -> str:
        """Stands for exactly these groups as they are counted now."""
        told = [(line.group.pk, line.group.records) for line in self.lines]
        return sha256(repr(sorted(told)).encode()).hexdigest()

    @property
    def records(self) -> int:
        """Records of all groups; one with several problems counts in each."""
        return sum(line.group.records for line in self.lines)

    @property
    def choices(self) -> list[rules.Choice]:
        """The answers that all groups offer."""
        offered = [[choice.name for choice in line.choices] for line in self.lines]
        return [choice for name, choice in rules.CHOICES.items() if all(name in names for names in offered)]

    @property
    def proposed(self) -> list[tuple[rules.Choice, list[Line]]]:
        """What is proposed, with the groups that it is proposed for."""
        by_choice: dict[str, list[Line]] = {}
        for line in self.lines:
            by_choice.setdefault(line.choices[0].name, []).append(line)
        return [(rules.CHOICES[name], lines) for name, lines in by_choice.items()]


def chosen(engagement: Engagement, given: Any) -> Chosen:
    """The groups that were ticked, or all that the list's filters show, as far as they ask for a decision. Raises BadInput, Http404."""
    run = quality.newest(engagement)
    if run is None:
        raise Http404("There is no report yet.")
    lines = [line for line in quality.lines(run) if line.asks]
    if given.get("all"):
        query = {name: given.get(name, "") for name in ("show", "object", "rule")}
        found, fields = filtered(lines, query), [("all", "1"), *query.items()]
    else:
        ticked = set(given.getlist("group"))
        found = [line for line in lines if str(line.group.pk) in ticked]
        fields = [("group", str(line.group.pk)) for line in found]
    if not found:
        raise BadInput("No group is chosen that asks for a decision.", remedy="Tick the lines that are to get the same answer.")
    return Chosen(run, found, fields)


class DecidePage(LoginRequiredMixin, View):
    """One answer for the chosen groups: which they are, how many records, and the answers that fit all of them."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show what the answer would be about."""
        engagement = visible(request, slug)
        try:
            return self.page(request, engagement, chosen(engagement, request.GET))
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:quality", slug)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Take the decision."""
        engagement = visible(request, slug)
        if not may_decide(request, engagement):
            raise PermissionDenied("Only the customer's approver decides.")
        try:
            found = chosen(engagement, request.POST)
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:quality", slug)
        try:
            changed = self.decide(request, found)
        except WorkbenchError as error:
            return self.page(request, engagement, found, error=error, status=400)
        said = f"Decided about {changed} group{'s' * (changed != 1)}." if request.POST.get("choice") else f"Taken back for {changed}."
        messages.success(request, f"{said} It can be changed here.")
        return redirect("portal:quality", slug)

    def decide(self, request: HttpRequest, found: Chosen) -> int:
        """What the form says, about exactly the groups that were shown. Raises BadInput, MayNotDecide."""
        if request.POST.get("shown") != found.digest:
            raise BadInput("The report changed while this page was open.", remedy="Read the groups again: they are shown as they are now.")
        choice, user = request.POST.get("choice", ""), cast(User, request.user)
        given: dict[str, Any] = {
            "user": user,
            "value": request.POST.get("value", "")[:2_000],
            "comment": request.POST.get("comment", "")[:2_000],
        }
        if choice == PROPOSED:
            return sum(quality.decide(found.run, lines, answer.name, **given) for answer, lines in found.proposed)
        if choice and choice not in rules.CHOICES:
            raise BadInput("No answer is chosen.", remedy="Choose one of the answers.")
        return quality.decide(found.run, found.lines, choice, **given)

    def page(
        self, request: HttpRequest, engagement: Engagement, found: Chosen, error: WorkbenchError | None = None, status: int = 200
    ) -> HttpResponse:
        """Groups, answers and form."""
        context = {
            "engagement": engagement,
            "found": found,
            "listed": found.lines[:LISTED],
            "more": max(0, len(found.lines) - LISTED),
            "loaded": quality.has_begun(found.run),
            "decided": sum(line.decision is not None for line in found.lines),
            "given": request.POST,
            "error": error,
            "may_decide": may_decide(request, engagement),
        }
        return render(request, "portal/quality_decide.html", context, status=status)
