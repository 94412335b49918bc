"""The pipeline app."""

import logging
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import transaction

from workbench.engagements.errors import WorkbenchError

logger = logging.getLogger(__name__)
READ_BY = ("split", "consent", "time", "owners")  # the plan parts that the keys of people depend on


class PipelineConfig(AppConfig):
    """The sequence of an engagement; it has the reports written when a run ends."""

    name = "workbench.pipeline"
    label = "pipeline"
    verbose_name = "Pipeline"

    def ready(self) -> None:
        """Write a run's documents once nobody works on it any more, and keep the preview's keys made when the plan changes."""
        from django.db.models.signals import post_migrate, post_save  # needs the models loaded

        from loads.losses.models import LossDecision
        from loads.signals import measured, run_finished, run_stands
        from mapping.models import PlanVersion
        from workbench.engagements import background
        from workbench.engagements.models import SignOff

        background.register(begin, require_none)
        post_migrate.connect(look_every_minute, sender=self, dispatch_uid="look for what fell silent")
        measured.connect(report_quality, weak=False, dispatch_uid="data quality of the run")
        run_stands.connect(report, weak=False, dispatch_uid="reconciliation of the run so far")
        run_finished.connect(report, weak=False, dispatch_uid="reconciliation of the run")
        run_finished.connect(measure, weak=False, dispatch_uid="forecasts by what the run measured")
        run_finished.connect(write_documents, weak=False, dispatch_uid="documents of the run")
        post_save.connect(certify, sender=SignOff, weak=False, dispatch_uid="certificate of the signature")
        post_save.connect(report_decision, sender=LossDecision, weak=False, dispatch_uid="documents with the decision about losses")
        post_save.connect(prepare, sender=PlanVersion, weak=False, dispatch_uid="keys of the preview")


def begin(name: str, environment: Any, asked: Any, *, user: Any) -> None:
    """Have a step carried out that a lower layer asks for."""
    from workbench.pipeline import steps  # needs the models loaded

    steps.begin(name, environment, asked, user=user)


def require_none(name: str, engagement: Any) -> None:
    """Refuse what such a step would undo while it is under way."""
    from workbench.pipeline import steps  # needs the models loaded

    steps.require_none(name, engagement)


def look_every_minute(sender: object, **kwargs: object) -> None:
    """Have the queue look every minute for steps and runs that nobody goes on with. The queue keeps nothing of it."""
    from django_q.models import Schedule  # needs the models loaded

    wanted = {"schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1, "kwargs": repr({"q_options": {"save": False}})}
    Schedule.objects.update_or_create(name="what fell silent", func="workbench.pipeline.tasks.take_up_silent", defaults=wanted)


def report(sender: object, run: Any, **kwargs: object) -> None:
    """Write the report of a run. A report that can't be written stops no run: the hand-off writes those that are missing."""
    from reports import reconciliation  # needs the models loaded

    run.refresh_from_db(fields=["state"])
    try:
        reconciliation.write(run)
    except WorkbenchError as error:
        logger.warning("the report of run %s isn't written: %s", run.pk, type(error).__name__)


def write_documents(sender: object, run: Any, **kwargs: object) -> None:
    """Have the documents of a run written, for the customer to read before signing."""
    from workbench.pipeline import steps  # needs the models loaded

    if settings.DOCUMENTS_AT_ONCE:
        steps.want_documents(run.engagement, run.environment, by=f"run {run.pk}")


def certify(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """Have the certificate of a signature written."""
    from workbench.pipeline import steps  # needs the models loaded

    if created and settings.DOCUMENTS_AT_ONCE:
        steps.want_documents(instance.engagement, None, by=str(instance.signed_by))


def report_decision(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """Have the documents of a run written with what the customer said about its losses."""
    from workbench.pipeline import steps  # needs the models loaded

    if created and settings.DOCUMENTS_AT_ONCE:
        steps.want_documents(instance.run.engagement, instance.run.environment, by=instance.decided_by)


def report_quality(sender: object, run: Any, **kwargs: object) -> None:
    """Write the data-quality report of a run, for the customer to decide by. The pages show the same without it."""
    from reports import quality  # needs the models loaded

    try:
        quality.write(run)
        quality.write_workbook(run)
    except WorkbenchError as error:
        logger.warning("the data-quality report of run %s isn't written: %s", run.pk, type(error).__name__)


def measure(sender: object, run: Any, **kwargs: object) -> None:
    """A sandbox run says how many rows there are and how large: the forecasts are made anew."""
    from loads.checks import refresh  # needs the models loaded

    if not (run.environment.is_production or run.is_sample):
        refresh(run.engagement, actor="sandbox run")


def prepare(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """A new version of a part that says how people are read: their keys are made anew, beside the request."""
    from workbench.pipeline.tasks import want_keys  # needs the models loaded

    if created and instance.part in READ_BY:
        transaction.on_commit(partial(want_keys, instance.engagement_id), robust=True)
