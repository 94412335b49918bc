"""Steps of an engagement: asked for by a button, a command or the demo, carried out by a task, one at a time each."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_q.tasks import async_task

from loads.resampling import open_sample
from loads.runs import open_run
from mapping import plan
from workbench.engagements import gates, history
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment
from workbench.pipeline.models import Step

LONG = (Step.Name.DISCOVER, Step.Name.EXTRACT, Step.Name.DELTA)  # what these had done before they failed is worth going on with
UNDER_WAY = (Step.State.QUEUED, Step.State.RUNNING)
STALE = timedelta(days=1)  # what a failed step had done isn't gone on with after so long
CARRY_OUT = "workbench.pipeline.tasks.carry_out"
# What a step must wait for.
GATES = {
    Step.Name.DISCOVER: "discover",
    Step.Name.CHECK: "discover",
    Step.Name.REFRESH: "discover",
    Step.Name.EXTRACT: "extract",
    Step.Name.DELTA: "extract",
    Step.Name.PROVISION: "provision",
    Step.Name.REMOVE: "removal",
    Step.Name.SAMPLE: "load",
    Step.Name.LOAD: "load",
    Step.Name.HANDOFF: "handoff",
    Step.Name.ERASE: "erase",
    Step.Name.PURGE: "purge",
}
PER_ENVIRONMENT = (Step.Name.PROVISION, Step.Name.REMOVE, Step.Name.REFRESH, Step.Name.SAMPLE, Step.Name.LOAD)
RUNS = {Step.Name.SAMPLE: open_sample, Step.Name.LOAD: open_run}


class StepOpen(WorkbenchError):
    """The same step is under way."""

    remedy = "Wait until it is done; its progress is on the engagement's page."


@transaction.atomic
def request(engagement: Engagement, name: str, *, environment: Environment | None = None, user: User) -> Step:
    """Record a step and queue its task; one whose worker fell silent is taken up again, one that failed is gone on with.

    Raises GateClosed, StepOpen, and for a load what `open_run` raises.
    """
    if name in PER_ENVIRONMENT and environment is None:
        raise ValueError(f"{name} needs an environment.")
    if name in GATES:
        gates.require(GATES[Step.Name(name)], engagement, environment)
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    step = _under_way(engagement, name, environment)
    action = "took up" if step else "started"
    step = step or _new(engagement, name, environment, user)
    history.record(engagement, actor=user, action=f"{action} {name}", subject=str(environment or engagement))
    if name in RUNS and environment is not None:
        # The run has its own workers, progress and states; the step only says that it was asked for.
        RUNS[Step.Name(name)](environment, user)
        Step.objects.filter(pk=step.pk).update(state=Step.State.DONE, started_at=timezone.now(), finished_at=timezone.now())
    else:
        transaction.on_commit(partial(async_task, CARRY_OUT, step.pk, task_name=f"{name} {engagement.slug}"))
    return step


@transaction.atomic
def begin(name: str, environment: Environment, asked: Mapping[str, Any], *, user: User) -> None:
    """Record a step that a lower layer asks for and queue its task, see `engagements.background`. Raises StepOpen."""
    engagement = Engagement.objects.select_for_update().get(pk=environment.engagement_id)
    under_way = engagement.steps.filter(environment=environment, name=name, state__in=UNDER_WAY).first()
    if under_way:
        raise StepOpen(f"{under_way.get_name_display()} is under way.")
    step = Step.objects.create(
        engagement=engagement, environment=environment, name=name, requested_by=str(user)[:150], kept={"asked": asked}
    )
    transaction.on_commit(partial(async_task, CARRY_OUT, step.pk, task_name=f"{name} {engagement.slug}"))


@transaction.atomic
def require_none(name: str, engagement: Engagement) -> None:
    """Raises StepOpen while such a step is under way in any environment, see `engagements.background`."""
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    under_way = engagement.steps.filter(name=name, state__in=UNDER_WAY).first()
    if under_way:
        raise StepOpen(f"{under_way.get_name_display()}: a step that is under way would undo this.")


def want_documents(engagement: Engagement, environment: Environment | None, *, by: str) -> None:
    """Queue the writing of what `handoff.at_once` writes; once while one is queued."""
    wanted = {"engagement": engagement, "environment": environment, "name": Step.Name.DOCUMENTS}
    if not Step.objects.filter(**wanted, state=Step.State.QUEUED, worker="", done=[]).exists():
        step = Step.objects.create(**wanted, requested_by=by[:150])
        transaction.on_commit(partial(async_task, CARRY_OUT, step.pk, task_name=f"documents {engagement.slug}"))


def _under_way(engagement: Engagement, name: str, environment: Environment | None) -> Step | None:
    """The same step where its worker fell silent: it is taken up where it stopped. Raises StepOpen where it goes on."""
    step = Step.objects.filter(engagement=engagement, environment=environment, name=name, state__in=UNDER_WAY).first()
    if step and not step.is_silent:
        raise StepOpen(f"{step.get_name_display()} is under way.")
    if step:
        Step.objects.filter(pk=step.pk).update(attempts=0)
    return step


def _new(engagement: Engagement, name: str, environment: Environment | None, user: object) -> Step:
    """A step that begins with what the last one of its kind had done, where that failed lately and the same would be done again."""
    step = Step(engagement=engagement, environment=environment, name=name, requested_by=str(user)[:150], kept={"given": given(engagement)})
    last = Step.objects.filter(engagement=engagement, environment=environment, name=name).first() if name in LONG else None
    if (
        last
        and last.state == Step.State.FAILED
        and last.queued_at > timezone.now() - STALE
        and last.kept.get("given") == step.kept["given"]
    ):
        step.done, step.kept = last.done, last.kept
    step.save()
    return step


def given(engagement: Engagement) -> str:
    """A keyed hash of what parts work from: the source's address and key, the environments' addresses, the names that the plan uses."""
    rows = [(row.kind, row.base_url, "" if row.kind == "dataverse" else row.secret) for row in engagement.connections.all()]
    names = sorted(plan.names_of(engagement).items())
    return salted_hmac("workbench.pipeline.steps", repr((sorted(rows), names)), algorithm="sha256").hexdigest()[:32]
