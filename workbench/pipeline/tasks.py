"""Tasks of the pipeline: each takes part in one step for a while, then queues itself. Takes ids only."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, cast

from django.db.models.functions import Now
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.tasks import async_task

from connectors import landing
from connectors.models import Dataset
from loads import bindings, causes, provisioning, runs
from loads.delta import refreshing
from loads.removal import carrying_out
from loads.removal.models import SchemaRemoval, newest
from loads.removal.survey import name_of
from mapping.discovery.keys import PERSON, make_files, ready_files
from workbench.engagements.errors import WorkbenchError, place_of
from workbench.engagements.models import Engagement, Environment
from workbench.pipeline import answering, deciding, discovery, extraction, further, handoff, leases
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work, go_on, started

logger = logging.getLogger(__name__)
CARRY_OUT = "workbench.pipeline.tasks.carry_out"
ATTEMPTS = 5  # tasks in a row that were cut off before the step's next part was done


class TaskFailed(WorkbenchError):
    """What the queue keeps of an unexpected error: its type and place, since its words may name a person."""


def carry_out(step_id: int) -> None:
    """Take part in a step; a failure is kept with a message that says what to do.

    A task may be delivered twice, or again after its worker was killed: only one worker holds the step, and a silent one loses it.
    """
    step = leases.take(step_id, leases.worker_name())
    if step is None:
        return
    try:
        with leases.beating(step):
            more = _take_part(step)
    except leases.LeaseLost:
        logger.warning("step %s was taken over by another worker", step_id)
    except TimeoutException:
        logger.warning("step %s was cut off by the time limit of tasks", step_id)
        queue(step)
    except WorkbenchError as error:
        _finish(step, Step.State.FAILED, f"{error} {error.remedy}")
        logger.warning("step %s failed: %s", step_id, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - raised again below, without its words
        said = f"step {step_id} failed: {type(error).__name__} at {place_of(error)}"
        logger.error("%s", said)
        happened, look = causes.met(error) or ("An unexpected error; the log has its place.", "")
        again = f"{look}, then start the step again" if look else "Start the step again"
        _finish(step, Step.State.FAILED, f"{happened} {again}: it goes on where it stopped.")
        raise TaskFailed(said) from None
    else:
        if more:
            queue(step)
        else:
            _finish(step, Step.State.DONE, "")


def _take_part(step: Step) -> bool:
    if step.attempts > ATTEMPTS:
        remedy = "Look at the workers' memory and at TASK_TIMEOUT_S, then start the step again: it goes on where it stopped."
        raise WorkbenchError(f"The step was cut off {ATTEMPTS} times at the same place.", remedy=remedy)
    more = go_on(started(step), (PARTS.get(step.name) or further.parts_of(step.name))(step))
    if more:
        leases.keep(step, attempts=0)
    return more


def queue(step: Step) -> None:
    """Give the step back and queue a task that goes on with it."""
    held = Step.objects.filter(pk=step.pk, worker=step.worker, state=Step.State.RUNNING)
    if held.update(state=Step.State.QUEUED, worker="", heartbeat_at=Now()):
        async_task(CARRY_OUT, step.pk, task_name=f"{step.name} {step.engagement.slug}")


def take_up_silent() -> None:
    """Queue what should go on and gave no sign of life for as long as a lease lasts: its task was lost, and nobody else would notice.

    So it is where a process ended between giving a step back and queueing the next task, where the database refused either of them, and
    where a worker died with a task of a queue that delivers no second time, as Redis does.
    """
    for step in Step.objects.filter(leases.silent(), state__in=(Step.State.QUEUED, Step.State.RUNNING)).select_related("engagement"):
        if leases.take_back(step):
            logger.warning("step %s fell silent; it is queued again", step.pk)
            async_task(CARRY_OUT, step.pk, task_name=f"{step.name} {step.engagement.slug}")
    runs.take_up_silent()


def _finish(step: Step, state: str, message: str) -> None:
    held = Step.objects.filter(pk=step.pk, worker=step.worker, state=Step.State.RUNNING)
    held.update(state=state, message=message, finished_at=timezone.now())


def want_keys(engagement_id: int) -> None:
    """Queue the making of the discovery's keys where the rules by which they are read have changed."""
    engagement = Engagement.objects.get(pk=engagement_id)
    dataset = landing.latest(engagement, PERSON, Dataset.Purpose.DISCOVERY)
    if dataset and ready_files(engagement, Dataset.Purpose.DISCOVERY) is None:
        async_task("workbench.pipeline.tasks.make_keys", engagement_id, task_name=f"keys of {engagement.slug}")


def make_keys(engagement_id: int) -> None:
    """Make the keys that the preview of the matrix shows."""
    engagement = Engagement.objects.get(pk=engagement_id)
    try:
        make_files(engagement, Dataset.Purpose.DISCOVERY)
    except Exception as error:  # noqa: BLE001 - raised again below, without its words
        said = f"keys of engagement {engagement_id} failed: {type(error).__name__} at {place_of(error)}"
        logger.error("%s", said)
        raise TaskFailed(said) from None


def _provision(step: Step) -> list[Part]:
    environment = cast(Environment, step.environment)  # `steps.request` lets no provisioning in without one
    return [Part("schema", partial(_schema, environment=environment)), Part("names", partial(_names, environment=environment))]


def _schema(work: Work, *, environment: Environment) -> None:
    work.progress("comparing the schema")
    provisioning.provision(environment, actor=work.actor)


def _names(work: Work, *, environment: Environment) -> None:
    work.progress("binding names")
    bindings.bind(environment, actor=work.actor)


def _remove(step: Step) -> list[Part]:
    """The removal that was agreed to when the step began, component by component."""
    begun = step.kept.get("removal")
    found = SchemaRemoval.objects.get(pk=begun) if begun else newest(cast(Environment, step.environment))
    removal = cast(SchemaRemoval, found)  # `steps.request` lets no removal in without a plan
    named = [(name_of(one["kind"], one["table"], one["column"]), one) for one in removal.to_remove]
    parts = [Part(name, partial(_remove_one, removal=removal, name=name, planned=one)) for name, one in named]
    return [
        Part("begin", partial(_begin_removal, removal=removal)),
        *parts,
        Part("finish", partial(_finish_removal, removal=removal)),
    ]


def _begin_removal(work: Work, *, removal: SchemaRemoval) -> None:
    work.progress("asking for the rights that it takes")
    work.keep(removal=removal.pk)
    carrying_out.begin(removal)


def _remove_one(work: Work, *, removal: SchemaRemoval, name: str, planned: dict[str, Any]) -> None:
    work.progress(f"looking at {name}")
    work.progress(f"{name}: {carrying_out.remove(removal, planned)}")


def _finish_removal(work: Work, *, removal: SchemaRemoval) -> None:
    work.progress("publishing")
    carrying_out.finish(removal, actor=work.actor)


def _refresh(step: Step) -> list[Part]:
    environment = cast(Environment, step.environment)
    parts = [Part(f"table {table}", partial(_look, environment=environment, table=table)) for table in refreshing.tables(environment)]
    return [Part("begin", partial(_begin_refresh, environment=environment)), *parts]


def _begin_refresh(work: Work, *, environment: Environment) -> None:
    work.progress("closing what rests on the environment as it was")
    refreshing.begin(environment, actor=work.actor)


def _look(work: Work, *, environment: Environment, table: str) -> bool:
    looked = refreshing.look(environment, table, refreshing.Looked(**work.kept.get(table, {})), work.time.until)
    work.keep(**{table: asdict(looked)})
    work.progress(f"{table}: {looked.there} rows are there, {looked.planned} are planned again")
    return looked.whole


PARTS: Mapping[str, Callable[[Step], list[Part]]] = {
    Step.Name.DISCOVER: discovery.parts,
    Step.Name.CHECK: discovery.checks,
    Step.Name.EXTRACT: extraction.parts,
    Step.Name.DELTA: extraction.parts,
    Step.Name.PROVISION: _provision,
    Step.Name.REMOVE: _remove,
    Step.Name.DOCUMENTS: handoff.at_once,
    Step.Name.REFRESH: _refresh,
    Step.Name.HANDOFF: handoff.parts,
    Step.Name.ANSWER: answering.parts,
    Step.Name.DECIDE: deciding.parts,
}
