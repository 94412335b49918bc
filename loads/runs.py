"""Opening, pausing and resuming runs."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django_q.tasks import async_task

from connectors import landing
from connectors.models import Dataset
from loads import quality
from loads.models import Chunk, Phase, Run
from mapping import objects, plan
from mapping.playbooks import load_playbook
from workbench.engagements import clock, gates, history, signoffs
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Environment, ErasedName, SignOff

logger = logging.getLogger(__name__)
GOING = (Run.State.QUEUED, Run.State.STAGING, Run.State.LOADING)
SILENT = timedelta(seconds=60)  # a run without a sign of life for so long may be taken up again
WORK = "loads.tasks.work"
SMALL_OBJECTS = ("list", "channel", "messageType", "forgotten")
MEMBERS = "listMember"  # of dynamic lists: they say who is of which company


class RunOpen(WorkbenchError):
    """The environment has a run that isn't finished."""

    remedy = "Resume that run or stop it, or wait until it is done."


class NothingExtracted(WorkbenchError):
    """There is no complete extraction to load from."""

    remedy = "Start the extraction first."


class NotCovered(WorkbenchError):
    """The plan was signed anew since the run was opened."""

    remedy = "Open a new run: it uses the versions that are signed now."


class NotInThatState(WorkbenchError):
    """The run can't be paused or resumed from the state it is in."""

    remedy = "Look at the run page: it says what state the run is in and why."


@transaction.atomic
def open_run(environment: Environment, user: User, *, datasets: Mapping[str, int] | None = None, **of_rerun: Any) -> Run:
    """Record a run of the plan as it stands into an environment and queue it. Raises GateClosed, RunOpen, NothingExtracted.

    datasets: those of an earlier run, else the newest. of_rerun: what else a re-run keeps; the kind of a sample.
    """
    engagement = environment.engagement
    if environment.is_production and of_rerun.get("kind") == Run.Kind.SAMPLE:
        raise BadInput("A sample is loaded into a sandbox.", remedy="Choose the sandbox.")
    gates.require("load", engagement, environment)
    parts = plan.covers(plan.current(engagement).values())
    try:
        with transaction.atomic():
            set_aside(environment)
            run = Run.objects.create(
                engagement=engagement,
                environment=environment,
                parts=parts,
                requested_by=user,
                datasets=dict(datasets) if datasets is not None else _newest(engagement),
                **of_rerun,
            )
    except IntegrityError as error:
        raise RunOpen(f"{environment} has an unfinished run.") from error
    history.record(engagement, actor=user, action="opened run", subject=str(run), detail={"key": run.key, "parts": parts})
    queue_work(run)
    return run


def open_instead(run: Run, user: User) -> Run:
    """Open a run in the place of one that loaded nothing; of a re-run a re-run of the same exceptions. Raises what `open_run` raises."""
    if run.rerun_of is None:
        return open_run(run.environment, user, kind=run.kind, scope={name: value for name, value in run.scope.items() if name == "again"})
    return open_run(run.environment, user, datasets=landed(run.rerun_of), rerun_of=run.rerun_of, groups=run.groups)


def landed(run: Run) -> dict[str, int]:
    """The landed datasets of a run by object, without those that staging derives, which is done anew."""
    return {row.object_name: row.pk for row in Dataset.objects.filter(pk__in=run.datasets.values(), derived=False)}


def _newest(engagement: Engagement) -> dict[str, int]:
    """The newest complete dataset of each object that a run stages from, or gives an account of. Raises NothingExtracted."""
    needed = needed_datasets(engagement)
    told = objects.documented(plan.current(engagement)["maps"].content["objects"], load_playbook(engagement.platform))
    names = list(dict.fromkeys([*needed, *told]))
    datasets = landing.newest(engagement, names, purpose=Dataset.Purpose.LOAD)
    if absent := [name for name in needed if name not in datasets]:
        raise NothingExtracted(f"Not extracted yet: {', '.join(absent)}.")
    return {name: datasets[name].pk for name in names if name in datasets}


def set_aside(environment: Environment) -> None:
    """Close a run that stands still before its first row: it was staged or planned by what may be otherwise by now."""
    for run in Run.objects.select_for_update().filter(environment=environment, state=Run.State.PAUSED, measured_at__isnull=False):
        if not quality.has_begun(run):
            said = "Nothing of it was sent: a newer run took its place."
            Run.objects.filter(pk=run.pk).update(state=Run.State.STOPPED, message=said, finished_at=timezone.now())


def needed_datasets(engagement: Engagement) -> list[str]:
    """What a run stages from: people, small answers, and what the confirmed objects are landed as or joined with."""
    maps = plan.current(engagement)["maps"].content["objects"]
    loaded = {name: content for name, content in maps.items() if content["tables"]}
    wanted = {MEMBERS, "user", *loaded, *(name for content in loaded.values() for name in content["record"]["beside"])}
    landed = [rule.name for rule in load_playbook(engagement.platform).datasets]
    return [*SMALL_OBJECTS, "user", *(name for name in landed if name in wanted)]


def queue_work(run: Run) -> None:
    """Queue one worker task per task process, once the surrounding transaction is committed."""
    for _ in range(settings.Q_CLUSTER["workers"]):
        transaction.on_commit(partial(async_task, WORK, run.pk, task_name=f"run {run.pk}"))


def take_up_silent() -> None:
    """Queue the work of runs that should go on and of which nothing was heard, once as long as a run may be silent."""
    silent = Q(heartbeat_at__lt=Now() - SILENT) | Q(heartbeat_at=None, created_at__lt=Now() - SILENT)
    for run in Run.objects.filter(silent, state__in=GOING):
        if Run.objects.filter(silent, pk=run.pk, state__in=GOING).update(heartbeat_at=Now()):
            logger.warning("run %s fell silent; its work is queued again", run.pk)
            queue_work(run)


def pause(run: Run, user: User) -> None:
    """Stop sending after the chunks in flight; one that would go on by itself no longer does. Raises NotInThatState."""
    going = Q(state__in=GOING) | Q(state=Run.State.PAUSED, resume_at__isnull=False)
    if not Run.objects.filter(going, pk=run.pk).update(state=Run.State.PAUSED, message=f"Paused by {user}.", resume_at=None):
        raise NotInThatState(f"{run} isn't going on.")
    history.record(run.engagement, actor=user, action="paused run", subject=str(run))


def stop(run: Run, user: User) -> None:
    """End a run at the next safe point: when the phase in hand is sent whole, read back and balanced. Raises NotInThatState.

    One that stands still between two phases ends at once.
    """
    if Run.objects.filter(pk=run.pk, state__in=GOING).update(stop_asked=str(user)[:150]):
        history.record(run.engagement, actor=user, action="asked to stop run", subject=str(run))
        return
    run.refresh_from_db()
    if run.state != Run.State.PAUSED:
        raise NotInThatState(f"{run} is over.")
    begun = run.phases.filter(state=Phase.State.LOADING).first()
    if begun:
        remedy = "Resume it, then stop it: it ends when that phase is complete."
        raise NotInThatState(f"{run} is paused in the middle of {begun}.", remedy=remedy)
    run.stop_asked = str(user)[:150]
    stop_here(run)
    history.record(run.engagement, actor=user, action="stopped run", subject=str(run))


def stop_here(run: Run) -> None:
    """End a run that was asked to stop, between two phases."""
    phases = list(run.phases.order_by("number"))
    done, parked = sum(phase.balanced for phase in phases), [str(phase) for phase in phases if phase.is_parked and phase.started_at]
    complete = f"{done} of {len(phases)} phases are complete and balanced, and no row of another was sent"
    if parked:
        complete += f" but for what was sent of {', '.join(parked)} before it couldn't go on"
    said = complete if done or parked else "no row was sent"
    message = f"Stopped at a safe point, as {run.stop_asked} asked: {said}. Resume it to go on from here, or open a new run."
    standing = Run.objects.filter(pk=run.pk, state__in=(*GOING, Run.State.PAUSED))
    standing.update(state=Run.State.STOPPED, message=message, finished_at=timezone.now(), stop_asked="", resume_at=None)


@transaction.atomic
def resume(run: Run, user: User | str) -> None:
    """Go on where the run stopped: with the open chunks, and with the phases that were parked.

    user: or what acts in nobody's name. Raises GateClosed, NotCovered, NotInThatState.

    A run whose worker died is taken up too: its chunks' leases run out by themselves.
    """
    if Run.objects.filter(pk=run.pk, state=Run.State.DONE).exists():
        raise NotInThatState(f"{run} is done.")
    if Run.objects.select_related("environment").get(pk=run.pk).is_of_before_refresh:
        said = f"{run.environment} was copied anew after {run} was opened: what its phases wrote may be gone."
        raise NotInThatState(said, remedy="Open a new run: it looks at what is there.")
    newest = Run.objects.filter(environment=run.environment).order_by("-pk").first()
    if newest != run:
        raise NotInThatState(f"{newest} came after it.", remedy="Resume the newest run of the environment, or open a new one.")
    if run.is_rollback:
        gates.require("rollback", run.engagement, run.environment)
    else:
        gates.require("load", run.engagement, run.environment)
        require_covered(run)
        _require_nobody_erased_since(run)
    locked = Run.objects.select_for_update().get(pk=run.pk)
    if locked.is_rollback and locked.measured_at and not locked.agreed_at:
        raise NotInThatState(f"{run} waits for somebody's word.", remedy="Look at its plan, then let it begin.")
    if not locked.is_rollback and locked.measured_at and not quality.has_begun(locked) and quality.is_outdated(locked):
        raise NotInThatState(
            f"Decisions about the data changed what {run} staged.", remedy="Confirm the plan and open a new run: nothing was loaded."
        )
    if locked.state in GOING and locked.heartbeat_at and locked.heartbeat_at > clock.now() - SILENT:
        raise NotInThatState(f"{run} is going on.")
    if locked.state not in GOING:
        cleared = {"message": "", "finished_at": None, "stop_asked": "", "resume_at": None}
        Run.objects.filter(pk=run.pk).update(state=Run.State.QUEUED, **cleared)
        _take_up_parked(run)
    history.record(run.engagement, actor=user, action="resumed run", subject=str(run))
    queue_work(run)


def _take_up_parked(run: Run) -> None:
    """What doesn't balance is read back again, what couldn't go on does with its next chunk, and nothing waits behind either.

    What couldn't be staged is staged.
    """
    if not run.is_rollback:
        run.phases.exclude(object_name__in=Run.objects.values_list("staged", flat=True).get(pk=run.pk)).delete()
    unbalanced = run.phases.filter(state=Phase.State.UNBALANCED)
    Chunk.objects.filter(phase__in=unbalanced, state=Chunk.State.CHECKED).update(state=Chunk.State.DONE)
    for begun, state in ((False, Phase.State.LOADING), (True, Phase.State.WAITING)):
        run.phases.filter(state__in=Phase.PARKED, started_at__isnull=begun).update(state=state, message="", finished_at=None)
    run.phases.exclude(behind=None).update(behind=None)


def _require_nobody_erased_since(run: Run) -> None:
    """Raise NotInThatState where it was staged with somebody who was erased since."""
    if ErasedName.objects.filter(engagement=run.engagement_id, at__gt=run.created_at).exists():
        raise NotInThatState(f"Somebody was erased since {run} was opened.", remedy="Open a new run: it leaves them out.")


def require_covered(run: Run) -> None:
    """Raise NotCovered unless the newest signatures cover the versions that this run uses."""
    used = {part: version["sha256"] for part, version in run.parts.items()}
    kinds = {SignOff.Kind.MATRIX: {part: used[part] for part in plan.MATRIX_PARTS}}
    if run.environment.is_production:
        kinds[SignOff.Kind.SANDBOX] = used
    for kind, hashes in kinds.items():
        if parts := signoffs.uncovered(run.engagement, kind, hashes):
            raise NotCovered(f"{run} uses versions that the newest signature doesn't cover: {', '.join(parts)}.")
