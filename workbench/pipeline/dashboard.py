"""The admin's first page: each engagement with where it stands, what needs attention and whose move it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest

from loads.delta.models import Conflict
from loads.desk import asking
from workbench.engagements.access import workable_by
from workbench.engagements.models import Engagement, Role
from workbench.pipeline.way import DONE, FAILED, READY, RUNNING, Stage, way

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """An engagement on the page. now: the stages that are under way or can be; moves: (role, how many things wait for it)."""

    engagement: Engagement
    done: int
    of: int
    now: Sequence[Stage]
    moves: Sequence[tuple[str, int]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the engagements that the person works on."""
    rows = workable_by(request.user).order_by("name", "pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return context | {"title": "Engagements", "page": page, "standings": [standing(engagement) for engagement in page]}


def standing(engagement: Engagement) -> Standing:
    """Where an engagement stands, in one line."""
    stages = way(engagement)
    now = [stage for stage in stages if stage.state in (RUNNING, FAILED, READY)]
    moves = Counter(item.move for stage in now if stage.shows_missing for item in stage.missing)
    moves[Role.ENGINEER] += sum(stage.may_start for stage in now)
    moves[Role.ENGINEER] += Conflict.objects.filter(environment__engagement=engagement, state=Conflict.State.OPEN).count()
    moves[Role.APPROVER] += asking.waiting_in(engagement)[0]
    done = sum(stage.state == DONE for stage in stages)
    return Standing(engagement, done, len(stages), now, [(role, count) for role, count in moves.items() if count])
