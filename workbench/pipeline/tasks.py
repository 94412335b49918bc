"""Tasks of the pipeline: each carries out one step. Takes ids only."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

from django.db.models import Q
from django.utils import timezone

from loads import bindings, provisioning
from reports import documents
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Environment
from workbench.pipeline import discovery, extraction
from workbench.pipeline.models import Step

logger = logging.getLogger(__name__)
SILENT = timedelta(minutes=3)
Progress = Callable[[str], None]


def carry_out(step_id: int) -> None:
    """Do one step; a failure is kept with a message that says what to do."""
    now = timezone.now()
    free = Q(state=Step.State.QUEUED) | Q(state=Step.State.RUNNING, heartbeat_at__lt=now - SILENT)
    # A task may be delivered twice: only one of the two takes the step.
    if not Step.objects.filter(free, pk=step_id).update(state=Step.State.RUNNING, started_at=now, heartbeat_at=now, message=""):
        return
    step = Step.objects.select_related("engagement", "environment__engagement", "environment__connection").get(pk=step_id)
    try:
        STEPS[step.name](step, lambda text: _progress(step_id, text))
    except WorkbenchError as error:
        _finish(step_id, Step.State.FAILED, f"{error} {error.remedy}")
        logger.warning("step %s failed: %s", step_id, type(error).__name__)
    except Exception:
        _finish(step_id, Step.State.FAILED, "An unexpected error; the task's log has it. Start the step again: it goes on where it stopped.")
        logger.exception("step %s failed", step_id)
        raise
    else:
        _finish(step_id, Step.State.DONE, "")


def _progress(step_id: int, text: str) -> None:
    Step.objects.filter(pk=step_id).update(progress=text[:300], heartbeat_at=timezone.now())


def _finish(step_id: int, state: str, message: str) -> None:
    Step.objects.filter(pk=step_id).update(state=state, message=message, finished_at=timezone.now())


def _discover(step: Step, progress: Progress) -> None:
    discovery.discover(step.engagement, actor=step.requested_by, progress=progress)


def _extract(step: Step, progress: Progress) -> None:
    extraction.extract_all(step.engagement, actor=step.requested_by, progress=progress)


def _provision(step: Step, progress: Progress) -> None:
    environment = cast(Environment, step.environment)    # `steps.request` lets no provisioning in without one
    progress("comparing the schema")
    provisioning.provision(environment, actor=step.requested_by)
    progress("binding names")
    bindings.bind(environment, actor=step.requested_by)


def _hand_off(step: Step, progress: Progress) -> None:
    progress("writing documents")
    documents.write_handoff(step.engagement)


STEPS: Mapping[str, Callable[[Step, Progress], None]] = {
    Step.Name.DISCOVER: _discover,
    Step.Name.EXTRACT: _extract,
    Step.Name.PROVISION: _provision,
    Step.Name.HANDOFF: _hand_off,
}
