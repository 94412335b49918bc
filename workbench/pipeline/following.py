"""Waiting for a step that workers carry out, with its progress told."""

import time
from collections.abc import Callable

from workbench.engagements.errors import WorkbenchError
from workbench.pipeline.models import Step

LOOK_S = 0.1
SILENT = "Nothing is heard of a worker: start one with manage.py qcluster."


class StepFailed(WorkbenchError):
    """A step that was waited for failed."""

    remedy = "Do what the message says, then start the step again."


def carry_through(step: Step, say: Callable[[str], None]) -> None:
    """See a step through in this process, whether workers run or not: what another worker holds is waited for. Raises StepFailed."""
    from workbench.pipeline.tasks import carry_out  # the tasks load every layer

    while step.is_under_way:
        carry_out(step.pk)
        said = step.progress
        step.refresh_from_db()
        if step.is_under_way:
            time.sleep(LOOK_S)
        if step.progress and step.progress != said:
            say(f"{step.get_name_display()}: {step.progress}")
    follow(step, say)


def follow(step: Step, say: Callable[[str], None]) -> None:
    """Wait until a step is done. Raises StepFailed."""
    environment = f" ({step.environment.get_kind_display().lower()})" if step.environment else ""
    title, said = f"{step.get_name_display()}{environment}", ""
    while True:
        step.refresh_from_db()
        told = SILENT if step.is_silent else step.progress
        if told and told != said:
            said = told
            say(f"{title}: {said}")
        if not step.is_under_way:
            break
        time.sleep(LOOK_S)
    if step.state == Step.State.FAILED:
        raise StepFailed(f"{title} failed: {step.message}")
    say(f"{title}: done")
