"""Steps of an engagement: asked for by a button, a command or the demo, carried out by a task, one at a time each."""

from functools import partial

from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from loads.runs import open_run
from workbench.engagements import gates, history
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment
from workbench.pipeline.models import Step

# What a step must wait for; discovery waits for nothing.
GATES = {Step.Name.EXTRACT: "extract", Step.Name.PROVISION: "provision", Step.Name.LOAD: "load"}
PER_ENVIRONMENT = (Step.Name.PROVISION, Step.Name.LOAD)


class StepOpen(WorkbenchError):
    """The same step is under way."""

    remedy = "Wait until it is done; its progress is on the engagement's page."


@transaction.atomic
def request(engagement: Engagement, name: str, *, environment: Environment | None = None, user) -> Step:
    """Record a step and queue its task. Raises GateClosed, StepOpen, and for a load what `open_run` raises."""
    if name in PER_ENVIRONMENT and environment is None:
        raise ValueError(f"{name} needs an environment.")
    if name in GATES:
        gates.require(GATES[Step.Name(name)], engagement, environment)
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    under_way = Step.objects.filter(engagement=engagement, environment=environment, name=name, state__in=(Step.State.QUEUED, Step.State.RUNNING))
    if under_way.exists():
        raise StepOpen(f"{Step.Name(name).label} is under way.")
    step = Step.objects.create(engagement=engagement, environment=environment, name=name, requested_by=str(user))
    history.record(engagement, actor=user, action=f"started {name}", subject=str(environment or engagement))
    if name == Step.Name.LOAD and environment is not None:
        # The run has its own workers, progress and states; the step only says that it was asked for.
        open_run(environment, user)
        Step.objects.filter(pk=step.pk).update(state=Step.State.DONE, started_at=timezone.now(), finished_at=timezone.now())
    else:
        transaction.on_commit(partial(async_task, "workbench.pipeline.tasks.carry_out", step.pk, task_name=f"{name} {engagement.slug}"))
    return step
