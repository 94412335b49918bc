"""Records that wait for somebody's word, in the portal: which row, which person and which table they are.

Everybody who sees the engagement may read them; the customer's approver answers. A re-run of the engineer's carries the answers out.
"""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views import View
from django.views.decorators.http import require_GET

from loads import quality
from loads.desk import asking, groups, remedying
from loads.desk.groups import Group
from loads.models import Run
from loads.quality_choosing import TEXT_AT_MOST
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement
from workbench.pipeline.models import Step
from workbench.portal.quality import may_decide
from workbench.portal.views import visible


@login_required
@require_GET
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """What is asked about records of the newest run, a group of records for each question."""
    engagement = visible(request, slug)
    run = quality.newest(engagement)
    found = asking.asked(run) if run else []
    step = Step.objects.filter(engagement=engagement, name=Step.Name.ANSWER).exclude(state=Step.State.DONE).first()
    context = {"engagement": engagement, "run": run, "groups": found, "approver": may_decide(request, engagement), "step": step}
    return render(request, "portal/held.html", context)


class AnswerPage(LoginRequiredMixin, View):
    """A group's records beside what they may be answered: one answer for all, or one for each."""

    def get(self, request: HttpRequest, slug: str, key: str) -> HttpResponse:
        """Show the records."""
        engagement = visible(request, slug)
        run, group = _group(engagement, key)
        return self.page(request, engagement, run, group)

    def post(self, request: HttpRequest, slug: str, key: str) -> HttpResponse:
        """Keep the answers, or take those of the group back."""
        engagement = visible(request, slug)
        if not may_decide(request, engagement):
            raise PermissionDenied("Only the customer's approver answers.")
        run, group = _group(engagement, key)
        try:
            messages.success(request, _answered(request, run, group))
        except WorkbenchError as error:
            return self.page(request, engagement, run, group, error=error, status=400)
        return redirect("portal:held", slug)

    def page(
        self, request: HttpRequest, engagement: Engagement, run: Run, group: Group, error: WorkbenchError | None = None, status: int = 200
    ) -> HttpResponse:
        """Records, rows and forms."""
        context = {
            "engagement": engagement,
            "run": run,
            "group": group,
            "asked": asking.page_of(run, group, request.GET.get("page")),
            "may_decide": may_decide(request, engagement),
            "error": error,
        }
        return render(request, "portal/held_group.html", context, status=status)


def _group(engagement: Engagement, key: str) -> tuple[Run, Group]:
    run = quality.newest(engagement)
    group = groups.find(run, key) if run else None
    if run is None or group is None or not group.asks:
        raise Http404("Nothing is asked about such records any more.")
    return run, group


def _answered(request: HttpRequest, run: Run, group: Group) -> str:
    """Do what the form says; what was done, in words. Raises BadInput, and what the service raises where rows are picked by a rule."""
    user, comment = cast(User, request.user), request.POST.get("comment", "")[:TEXT_AT_MOST]
    if "take_back" in request.POST:
        count = remedying.take_back(run, group, user=user)
        return f"{count:,} answer{'s were' if count != 1 else ' was'} taken back."
    if "each" in request.POST:
        count = remedying.answer(run, group, asking.answers(request.POST.dict()), user=user, comment=comment)
    else:
        given = remedying.give_all(run, group, request.POST.get("choice", ""), user=user, comment=comment)
        if given is None:
            return f"{group.records:,} records get this answer, so many at a time. This page says how far it is."
        count = given
    return f"{count:,} record{'s have' if count != 1 else ' has'} an answer. The engineer loads them again by it."
