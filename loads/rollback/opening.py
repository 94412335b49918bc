"""Asking for a rollback, and letting it begin."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from connectors.dataverse import directory
from loads import runs
from loads.destination import Destination
from loads.models import Chunk, Phase, Run
from loads.rollback.scope import Scope
from workbench.engagements import gates, history
from workbench.engagements.errors import WorkbenchError

WHOLE = Scope()
WRITTEN = (Phase.Kind.ROWS, Phase.Kind.LOOKUPS)  # whose rows are put back by writing columns of the phase's table


class NothingToUndo(WorkbenchError):
    """Nothing was sent of what is to be taken back."""

    remedy = "Choose phases, tables or records of which something was loaded."


class RightsMissing(WorkbenchError):
    """The application user may not do what the plan needs."""

    remedy = "Add the privileges to the application user's role, then let the rollback begin again."


@transaction.atomic
def open_rollback(load: Run, user: User, scope: Scope = WHOLE) -> Run:
    """Record the rollback of a load and queue its plan; nothing is sent before `agree`.

    Raises GateClosed, BadInput, NotInThatState, NothingToUndo, RunOpen. A load that stands still ends here: it can't be resumed afterwards.
    """
    gates.require("rollback", load.engagement, load.environment)
    locked = Run.objects.select_for_update().get(pk=load.pk)
    _require_at_rest(locked)
    scope.require_in(locked)
    if not scope.to_undo(locked):
        raise NothingToUndo(f"Of {scope.words()} of {load} nothing was sent.")
    if locked.state == Run.State.PAUSED:
        said = "It was stopped to be rolled back."
        Run.objects.filter(pk=load.pk).update(state=Run.State.STOPPED, message=said, finished_at=timezone.now())
    runs.set_aside(load.environment)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                engagement=load.engagement, environment=load.environment, kind=Run.Kind.ROLLBACK, undoes=load, scope=scope.content(),
                parts=load.parts, requested_by=user,
            )  # fmt: skip
    except IntegrityError as error:
        raise runs.RunOpen(f"{load.environment} has an unfinished run.") from error
    history.record(load.engagement, actor=user, action="planned rollback", subject=str(load), detail={"scope": scope.content()})
    runs.queue_work(run)
    return run


def _require_at_rest(load: Run) -> None:
    if load.is_rollback:
        raise runs.NotInThatState(f"{load} is a rollback.", remedy="To load again what it took back, open a new run.")
    if load.state in runs.GOING:
        raise runs.NotInThatState(f"{load} is going on.", remedy="Pause it, and wait for the chunks in hand.")
    leased = Chunk.objects.filter(phase__run=load, lease_until__gt=Now(), state=Chunk.State.LEASED)
    until: datetime | None = leased.order_by("-lease_until").values_list("lease_until", flat=True).first()
    if until:
        raise runs.NotInThatState(f"A worker is still at a chunk of {load}.", remedy=f"Try again after {until:%H:%M:%S} UTC.")


def agree(run: Run, user: User) -> None:
    """Let a planned rollback begin. Raises NotInThatState, RightsMissing; then nothing was sent."""
    if not run.is_rollback or run.agreed_at or run.measured_at is None or run.state != Run.State.PAUSED:
        raise runs.NotInThatState(f"{run} doesn't wait for anybody's word.", remedy="Look at the run's page: it says what it waits for.")
    require_rights(run)
    with transaction.atomic():
        waiting = Run.objects.filter(pk=run.pk, state=Run.State.PAUSED, agreed_at=None)
        if not waiting.update(state=Run.State.LOADING, message="", agreed_by=user, agreed_at=timezone.now()):
            raise runs.NotInThatState(f"{run} doesn't wait any more.")
        counts = {name: sum(phase.outlook.get(name, 0) for phase in run.phases.all()) for name in ("remove", "restore", "keep")}
        history.record(run.engagement, actor=user, action="began rollback", subject=str(run), detail=counts)
        runs.queue_work(run)


def require_rights(run: Run) -> None:
    """Raise RightsMissing where the application user may not remove or write rows as the plan needs, asked of the environment."""
    needed: dict[str, set[str]] = {}
    for phase in run.phases.all():
        rights = needed.setdefault(phase.table, set())
        rights |= {"Delete"} if phase.outlook.get("remove") else set()
        rights |= {"Write"} if phase.outlook.get("restore") and phase.kind in WRITTEN else set()
    client = Destination(run.environment).client
    held = directory.privileges(client, client.who_am_i()["UserId"])
    told = []
    for table, names in directory.table_privileges(client, [table for table, rights in needed.items() if rights]).items():
        lacking = sorted(right.lower() for right in needed[table] if right in names and names[right] not in held)
        told += [f"{' and '.join(lacking)} rows of {table}"] if lacking else []
    if told:
        raise RightsMissing(f"In {run.environment} the application user may not: {'; '.join(told)}.")
