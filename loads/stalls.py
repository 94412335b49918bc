"""Why nothing moves though workers live: since when nothing was settled, and what it waits for."""

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet

from loads import staged
from loads.leases import LEASE
from loads.models import Chunk, Phase, Run, StagingRange
from loads.progress import SILENT_AFTER, Progress, shown_seconds

AFTER = timedelta(seconds=60)
TENS = 10  # seconds: who follows a run is told anew so often
UNRENEWED = timedelta(seconds=45)  # workers renew their leases every 20 s
ALIVE = timedelta(seconds=15)  # a caller that said nothing for so long has no request out


def stalled(run: Run, phases: list[Progress], now: datetime) -> str:
    """Since when nothing was settled, and why; '' while it moves, where no worker is heard of, and while nobody is at it."""
    heard = run.heartbeat_at
    if run.state not in (Run.State.STAGING, Run.State.LOADING) or heard is None or now - heard > SILENT_AFTER:
        return ""
    still = now - _moved_at(run, phases)
    if still <= AFTER:
        return ""
    staging = "planned" if run.is_rollback else "staged"
    what, why = (staging, _why_staging) if run.state == Run.State.STAGING else ("settled", _why_loading)
    told = waits(run, now) or why(run, now)
    return f"Nothing {what} for {shown_seconds(still.total_seconds() // TENS * TENS)}: {told[:1].lower()}{told[1:]}"


def waits(run: Run, now: datetime) -> str:
    """Which application users were asked to wait by the service, and until when."""
    told: dict[str, datetime] = {}
    for caller in run.callers.filter(held_until__gt=now).select_related("connection"):
        if caller.held_until:
            told[caller.connection.name] = max(caller.held_until, told.get(caller.connection.name, caller.held_until))
    return " ".join(
        f"The service asked {name} to wait until {until:%H:%M:%S} UTC; it goes on by itself then." for name, until in told.items()
    )


def _moved_at(run: Run, phases: list[Progress]) -> datetime:
    """When something was staged, settled, read back or closed last, or the run was taken up."""
    moments = [run.created_at, run.taken_up_at, run.measured_at]
    if run.state == Run.State.STAGING:
        moments.append(_written_at(run))
    else:
        moments += [moment for item in phases for moment in (item.moved_at, item.phase.started_at, item.phase.finished_at)]
    return max(moment for moment in moments if moment)


def _written_at(run: Run) -> datetime | None:
    """When a staged file was complete last."""
    times = (path.stat().st_mtime for path in staged.folder(run).glob("*.parquet"))
    return max((datetime.fromtimestamp(moment, UTC) for moment in times), default=None)


def _why_loading(run: Run, now: datetime) -> str:
    held = Chunk.objects.filter(phase__run=run, state__in=(Chunk.State.LEASED, Chunk.State.CHECKING))
    if silent := _of_silent_workers(held, "chunk", now):
        return silent
    if held.exists():
        return _out(run, now)
    phase = run.phases.filter(state=Phase.State.LOADING, behind=None).order_by("number").first()
    if phase is None or phase.chunks.exclude(state=Chunk.State.CHECKED).exists():
        return "No worker has a chunk in hand; the next task takes one."
    return f"The sums of {phase} are taken, and the destination is counted; {_lease(run, now)}"


def _why_staging(run: Run, now: datetime) -> str:
    if silent := _of_silent_workers(run.staging_ranges.exclude(lease_until=None), "range", now):
        return silent
    if taken := run.staging_ranges.first():
        return f"Workers build the rows of {taken.object_name}; each of its ranges takes longer than that."
    if run.is_rollback:
        return f"One worker reads what the destination holds of the load's rows; {_lease(run, now)}"
    if run.measured_at:
        return f"All is staged; the load is rehearsed against the destination; {_lease(run, now)}"
    return f"One worker decides on all records of an object at once, or reads what the destination holds; {_lease(run, now)}"


def _of_silent_workers(held: QuerySet[Chunk] | QuerySet[StagingRange], what: str, now: datetime) -> str:
    """What belongs to workers that renew their leases no more, and until when; '' where there is none."""
    silent = held.filter(lease_until__lt=now + LEASE - UNRENEWED).order_by("lease_until")
    last = silent.last()
    if last is None or last.lease_until is None:
        return ""
    count = silent.count()
    return f"A worker that fell silent holds {count} {what}{'s' * (count != 1)}; others take over by {last.lease_until:%H:%M:%S} UTC."


def _lease(run: Run, now: datetime) -> str:
    if run.lease_until is None or run.lease_until <= now:
        return "the next task does it."
    if run.lease_until < now + LEASE - UNRENEWED:
        return f"the worker that does it fell silent, and another one may from {run.lease_until:%H:%M:%S} UTC."
    return "its worker is at it."


def _out(run: Run, now: datetime) -> str:
    """What the requests of the live callers wait for, as they say."""
    told = run.callers.filter(at__gt=now - ALIVE).exclude(waits_for="").select_related("connection")
    said = "; ".join(f"{caller.connection.name} has {caller.waits_for}" for caller in told)
    return f"The service is slow: {said}." if said else "Its rows are prepared, or the answers to its requests are worked on."
