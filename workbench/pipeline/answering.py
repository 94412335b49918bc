"""One remedy for all records of a large group, as a step: so many records at a time, then the plan is confirmed with them."""

import time

from django.contrib.auth.models import User
from django.db import transaction

from loads.desk import groups, remedying
from loads.desk.groups import Group
from loads.models import Run
from mapping.quality.remedies import PICKED, ROW
from workbench.engagements.errors import WorkbenchError
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work


class GroupGone(WorkbenchError):
    """The records that were to get a remedy aren't exceptions of the run any more."""

    remedy = "Open the exceptions of the environment's newest run, and answer there."


def parts(step: Step) -> list[Part]:
    """The records, then the plan."""
    return [Part("records", _give), Part("plan", _confirm)]


def _asked(work: Work) -> tuple[Run, Group]:
    asked = work.kept["asked"]
    run = Run.objects.select_related("engagement", "environment__engagement", "environment__connection").get(pk=asked["run"])
    group = groups.find(run, asked["group"])
    if group is None:
        raise GroupGone(f"{run} has no such group of records any more.")
    return run, group


def _give(work: Work) -> bool:
    asked, (run, group) = work.kept["asked"], _asked(work)
    while True:
        some = remedying.some_of_group(run, group, asked["choice"], asked["value"], after=work.kept.get("after", 0))
        if not some.entries:
            return True
        with transaction.atomic():  # the answers and how far it is: both stand, or neither
            count = remedying.keep(run, some.given, by=work.actor, but_since=work.step.queued_at)
            seen = work.kept.get("seen", 0) + len(some.entries)
            work.keep(after=some.entries[-1].pk, records=work.kept.get("records", 0) + count, seen=seen)
        work.progress(f"{work.kept['seen']:,} of {group.records:,} records")
        if time.monotonic() >= work.time.until:
            return False


def _confirm(work: Work) -> None:
    asked, (run, group) = work.kept["asked"], _asked(work)
    user, count = User.objects.get(pk=asked["user"]), work.kept.get("records", 0)
    counts = {ROW if asked["choice"] in PICKED else asked["choice"]: count}
    if not work.kept.get("confirmed"):
        with transaction.atomic():
            remedying.confirm(run, group, counts, user=user, comment=asked["comment"])
            work.keep(confirmed=True)
    work.progress(f"{count:,} record{'s have' if count != 1 else ' has'} it")
