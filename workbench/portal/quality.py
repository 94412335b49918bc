"""The data-quality report in the portal: what would fail or lose something, and what the customer decides about it, many groups at once.

Everybody who sees the engagement may read it; the customer's approver decides.
"""

from collections.abc import Sequence
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views import View
from django.views.decorators.http import require_GET

from loads import quality, quality_duties
from loads.models import Run
from loads.quality_choosing import Chosen, chosen, filtered, in_tab, texts
from loads.quality_decisions import decide
from loads.reasons import RULES
from loads.sums import UNSTAGED, differences
from mapping.quality import duties
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role
from workbench.portal.views import visible

PER_PAGE, LISTED = 50, 100
TABS: Sequence[tuple[str, str]] = (
    ("open", "Open"), ("overdue", "Overdue"), ("decided", "Decided"), ("info", "For information"), ("", "All"),
)  # fmt: skip


def may_decide(request: HttpRequest, engagement: Engagement) -> bool:
    """Whether the person is the customer's approver of this engagement."""
    return Role.APPROVER in roles_of(request.user, engagement)


@login_required
@require_GET
def report(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest report of the engagement."""
    engagement = visible(request, slug)
    run = quality.newest(engagement)
    lines, takes = (quality.lines(run), quality.takes_decisions(run)) if run else ([], False)
    approver = may_decide(request, engagement)
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
        "approver": approver,
        "may_decide": approver and takes,
        "may_assign": takes and duties.may_assign(cast(User, request.user), engagement),
        "closed": not takes,
        "replaced": bool(run and not takes and Run.objects.loads().filter(environment=run.environment, pk__gt=run.pk).exists()),
        "outdated": bool(run and quality.is_outdated(run)),
        "total": sum(line.group.records for line in lines),
        "unstaged": UNSTAGED,
        "unexplained": differences(run.sums) if run else [],
    }
    return render(request, "portal/quality.html", context)


def chosen_here(engagement: Engagement, given: QueryDict) -> Chosen:
    """What the page is about, of the newest report. Raises BadInput, Http404."""
    run = quality.newest(engagement)
    if run is None:
        raise Http404("There is no report yet.")
    return chosen(run, given)


def _said(run: Run, changed: int, *, taken_back: bool) -> str:
    """What came of the decisions, and what the run does now."""
    groups = f"{changed} group{'s' * (changed != 1)}"
    said = f"Taken back for {groups}." if taken_back else f"Decided about {groups}."
    newest = Run.objects.loads().filter(environment=run.environment).latest("pk")
    if newest != run:
        return f"{said} That was the last one: a new run prepares its records by what you decided."
    if newest.state != Run.State.PAUSED:
        return f"{said} That was the last one: loading goes on."
    return f"{said} It can be changed here as long as nothing is loaded."


class DecidePage(LoginRequiredMixin, View):
    """One answer for the chosen groups: which they are, how many records, and the answers that fit all of them."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show what the answer would be about."""
        engagement = visible(request, slug)
        try:
            return self.page(request, engagement, chosen_here(engagement, request.GET))
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:quality", slug)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Take the decision."""
        engagement = visible(request, slug)
        if not may_decide(request, engagement):
            raise PermissionDenied("Only the customer's approver decides.")
        try:
            found = chosen_here(engagement, request.POST)
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:quality", slug)
        try:
            changed = decide(found.run, found.answers(request.POST), user=cast(User, request.user), **texts(request.POST))
        except WorkbenchError as error:
            return self.page(request, engagement, found, error=error, status=400)
        messages.success(request, _said(found.run, changed, taken_back=not request.POST.get("choice")))
        return redirect("portal:quality", slug)

    def page(
        self, request: HttpRequest, engagement: Engagement, found: Chosen, error: WorkbenchError | None = None, status: int = 200
    ) -> HttpResponse:
        """Groups, answers and form."""
        context = {
            "engagement": engagement,
            "found": found,
            "listed": found.lines[:LISTED],
            "more": max(0, len(found.lines) - LISTED),
            "decided": sum(line.decision is not None for line in found.lines),
            "given": request.POST,
            "error": error,
            "may_decide": may_decide(request, engagement),
            "closed": not quality.takes_decisions(found.run),
        }
        return render(request, "portal/quality_decide.html", context, status=status)


class DutyPage(LoginRequiredMixin, View):
    """One owner and one day for the chosen groups: who sees to it that they are decided, and until when."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show which groups it would be about."""
        return self._with(request, slug)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Keep it."""
        return self._with(request, slug)

    def _with(self, request: HttpRequest, slug: str) -> HttpResponse:
        engagement = visible(request, slug)
        if not duties.may_assign(cast(User, request.user), engagement):
            raise PermissionDenied("The customer's approver and the engineers say who sees to which data.")
        try:
            found = chosen_here(engagement, request.POST or request.GET)
        except BadInput as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect("portal:quality", slug)
        context, refused = {"engagement": engagement, **quality_duties.page(request, found)}, None
        if request.method == "POST":
            try:
                messages.success(request, f"{quality_duties.said(quality_duties.assign(request, found))}.")
                return redirect("portal:quality", slug)
            except WorkbenchError as error:
                refused = error
        return render(request, "portal/quality_duty.html", {**context, "error": refused}, status=400 if refused else 200)
