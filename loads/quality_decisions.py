"""Decisions about the data-quality report of a run: taken while the run waits for them; with the last one it goes on by itself."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from loads import quality, runs
from loads.models import Run
from loads.quality import Line
from mapping import plan
from mapping.quality import deciding
from mapping.quality.deciding import Said
from mapping.workshop.tables import Known
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

STAYS = "Every group of the data-quality report is decided. The run doesn't go on by itself: {reason}"


class ReportClosed(WorkbenchError):
    """The run no longer waits for decisions: those that it had are what its records were loaded by, and what is signed."""

    remedy = "The decisions stand as they are. Ask the engineer if the next run is to have another one."


Answers = Sequence[tuple[str, Sequence[Line]]]  # choice, '' to take decisions back; the groups that get it


def decide(run: Run, answers: Answers, *, user: User, value: str = "", comment: str = "", said: Said | None = None) -> int:
    """Decide about groups of a run's report; how many decisions changed. With nothing left open the run goes on.

    said: whose decision an engineer records. Of a report that is closed an engineer alone records decisions: they concern the next run.

    Raises BadInput, MayNotDecide, ReportClosed; then nothing is decided.
    """
    with transaction.atomic():
        Engagement.objects.select_for_update().get(pk=run.engagement_id)  # before the run, as whoever opens one
        locked = Run.objects.select_for_update(of=("self",)).select_related("engagement", "environment__engagement").get(pk=run.pk)
        if not (said and quality.newest(locked.engagement) == locked) and not quality.takes_decisions(locked):
            raise ReportClosed(f"{run} doesn't wait for decisions: its report is closed.")
        for choice, chosen in answers:
            require_possible(locked, chosen, choice, value)
        changed = sum(
            deciding.decide(
                locked.engagement, [line.subject for line in chosen], choice, user=user, value=value, comment=comment, said=said
            )
            for choice, chosen in answers
        )
        plan.revise(locked.engagement, ["quality"], actor=user)
        if changed and quality.takes_decisions(locked) and quality.waits(locked) and not quality.open_lines(locked):
            _go_on(locked, user)
    return changed


def require_possible(run: Run, chosen: Sequence[Line], choice: str, value: str) -> None:
    """Raises BadInput where one of the groups doesn't offer the answer, or the default doesn't fit an environment as it was last read."""
    maps, subjects = plan.content_of(run.engagement, {"maps": run.parts["maps"]})["maps"], [line.subject for line in chosen]
    for environment in run.engagement.environments.order_by("kind"):
        deciding.require_possible(subjects, choice, value, maps, Known(run.engagement, environment))


def _go_on(run: Run, user: User) -> None:
    """Resume the run, or where decisions changed what it staged put a new one in its place; say why where neither can be.

    The plan part holds nothing but the decisions, so that who took the last one has confirmed it.
    """
    plan.confirm(run.engagement, ["quality"], user=user)
    try:
        with transaction.atomic():
            if quality.is_outdated(run):
                runs.open_instead(run, user)
            else:
                runs.resume(run, user)
    except WorkbenchError as error:
        Run.objects.filter(pk=run.pk).update(message=STAYS.format(reason=f"{error} {error.remedy}"))
