"""How far a run is: counts per phase from its chunks, rate, time left, and why it stands still if it does.

Rates follow what was settled in the last minute; where that is too little to tell, they are averages since the work began. Where nothing
was settled in it, there is no rate, nor a time that would be left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce, Greatest

from loads import staged
from loads.models import Chunk, LedgerEntry, Phase, Run
from loads.tuning import DONE
from mapping import plan

# A worker settles a chunk, or says so, far more often than this.
SILENT_AFTER = timedelta(seconds=60)
RECENT = timedelta(seconds=60)
ENOUGH = 3  # chunks that were settled lately tell a rate: fewer come and go by chance
ROW_COUNTS = ("created", "updated", "equal", "refused", "waiting")
UNDO_COUNTS = ("removed", "restored", "kept", "refused")
RECORD_COUNTS = ("loaded", "merged", "documented", "skipped", "rejected", "held")


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows a second, 0 where nothing tells it, and the seconds that are left at that rate, None where they can't be told."""

    rate: float = 0.0
    left: float | None = None

    @property
    def rate_text(self) -> str:
        """The rate, empty where there is none."""
        if not self.rate:
            return ""
        return f"{self.rate:,.0f} rows/s" if self.rate >= 1 else "under 1 row/s"

    @property
    def left_text(self) -> str:
        """The time left, empty where nothing is left or nothing is known."""
        return f"about {shown_seconds(self.left)} left" if self.left else ""


@dataclass(frozen=True, slots=True)
class Progress:
    """One phase now. rows: outcome -> rows settled so far; done and planned are rows; read: rows of chunks that were read back.

    lately: rows that were settled in the last minute, and in how many chunks. moved_at: when rows were settled or read back last.
    """

    phase: Phase
    rows: Mapping[str, int]
    done: int
    planned: int
    pace: Pace = Pace()
    read: int = 0
    lately: tuple[int, int] = (0, 0)
    moved_at: datetime | None = None

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when every row is settled."""
        if self.phase.state in (Phase.State.BALANCED, Phase.State.UNBALANCED):
            return 100
        return min(99, 100 * self.done // self.planned) if self.planned else 0

    @property
    def name(self) -> str:
        """The phase's name among the page's live figures."""
        return f"phase-{self.phase.number}"

    @property
    def rate_text(self) -> str:
        """Rows a second, empty before the phase begins."""
        return self.pace.rate_text if self.phase.state != Phase.State.WAITING else ""

    @property
    def tuning_text(self) -> str:
        """How many rows go in a call now; where some are created and others changed, of each."""
        several = len(self.phase.tuning) > 1
        sizes = [f"{one['rows_per_call']}{f' {DONE[kind]}' if several else ''}" for kind, one in self.phase.tuning.items()]
        return f"{', '.join(sizes)} a call" if sizes else ""

    @property
    def read_text(self) -> str:
        """How many rows were read back, while it is done and after."""
        read = self.phase.verified.get("rows", self.read)
        return f"{read:,} read back" if read else ""

    @property
    def why_not(self) -> str:
        """Why it can't go on, or which phase it waits for; empty where it can."""
        return self.phase.message or (f"It waits for {self.phase.behind}." if self.phase.behind else "")

    @property
    def records(self) -> list[int]:
        """Records: extracted, then every disposition."""
        return [getattr(self.phase, name) for name in ("extracted", *RECORD_COUNTS)]

    @property
    def row_sums(self) -> list[int | None]:
        """Rows as the phase's sums have them: planned, every outcome, and what the destination counted."""
        return [getattr(self.phase, name) for name in ("planned", *counted(self.phase), "at_destination")]


def counted(phase: Phase) -> tuple[str, ...]:
    """The outcomes that rows of a phase may have."""
    return UNDO_COUNTS if phase.undoes_id else ROW_COUNTS


def phases(run: Run, now: datetime) -> list[Progress]:
    """Every phase of the run in load order. Two queries, however many chunks there are."""
    settled = _settled(run, now)
    return [_progress(phase, settled.get(phase.pk, {}), now) for phase in run.phases.select_related("behind")]


def of_run(phases: Sequence[Progress], now: datetime) -> Pace:
    """The pace of all phases together; where the last minute tells nothing, that of those that load."""
    begun = min((item.phase.started_at for item in phases if item.phase.started_at), default=now)
    lately = (sum(item.lately[0] for item in phases), sum(item.lately[1] for item in phases))
    average = sum(item.pace.rate for item in phases if item.phase.state == Phase.State.LOADING)
    left = sum(item.planned - item.done for item in phases if not item.why_not)
    return _pace(left, lately, (now - begun).total_seconds(), average)


def _pace(left: int, lately: tuple[int, int], elapsed: float, average: float) -> Pace:
    """left: rows; lately: as in Progress; elapsed: seconds since the work began; average: rows a second since."""
    rows, chunks = lately
    rate = rows / min(elapsed, RECENT.total_seconds()) if chunks >= ENOUGH and elapsed > 0 else average
    return Pace(rate, left / rate if rate else None)


def _settled(run: Run, now: datetime) -> dict[int, dict[str, Any]]:
    sums = {name: Sum(name, default=0) for name in {*ROW_COUNTS, *UNDO_COUNTS, "requests", "retries"}}
    done = Sum(F("stop") - F("start"), filter=Q(state__in=Chunk.SENT), default=0)
    read = Sum(F("stop") - F("start"), filter=Q(state=Chunk.State.CHECKED), default=0)
    chunks = Chunk.objects.filter(phase__run=run).order_by().values("phase")
    recent = Q(settled_at__gt=now - RECENT)
    lately = {"rows_lately": Sum(F("stop") - F("start"), filter=recent, default=0), "chunks_lately": Count("pk", filter=recent)}
    moved_at = Greatest(Max("settled_at"), Coalesce(Max("checked_at"), Max("settled_at")))
    rows = chunks.annotate(done=done, read=read, total=Sum(F("stop") - F("start")), moved_at=moved_at, **lately, **sums)
    return {row["phase"]: dict(row) for row in rows}


def _progress(phase: Phase, settled: Mapping[str, Any], now: datetime) -> Progress:
    finished = phase.finished_at is not None
    rows = {name: getattr(phase, name) if finished else settled.get(name, 0) for name in counted(phase)}
    planned = phase.planned if finished else phase.planned or settled.get("total") or 0
    done = planned if finished else settled.get("done", 0)
    elapsed = ((phase.finished_at or now) - phase.started_at).total_seconds() if phase.started_at else 0.0
    lately = (settled.get("rows_lately", 0), settled.get("chunks_lately", 0))
    tells = elapsed > 0 and (finished or lately[1] > 0 or elapsed <= RECENT.total_seconds())
    average = done / elapsed if tells else 0.0
    pace = Pace(average) if finished else _pace(planned - done, lately, elapsed, average)
    return Progress(phase, rows, done, planned, pace, settled.get("read", 0), lately, settled.get("moved_at"))


@dataclass(frozen=True, slots=True)
class Staging:
    """How far staging is: objects of the plan, and ranges of the records of the one in hand, '' where none has any. left: seconds."""

    objects: int
    staged: int
    object_name: str = ""
    ranges: int = 0
    done: int = 0
    left: float | None = None

    @property
    def words(self) -> str:
        """For people."""
        told = f"Records become rows: {self.staged} of the plan's {self.objects} objects are staged"
        if not self.object_name:
            return f"{told}."
        return ", ".join(filter(None, (f"{told}; of {self.object_name} {self.done} of {self.ranges} ranges", self.left_text))) + "."

    @property
    def left_text(self) -> str:
        """The time left of the object in hand, empty where it can't be told."""
        return f"about {shown_seconds(self.left)} left" if self.left else ""


def staging(run: Run, now: datetime) -> Staging:
    """Which objects are staged, and how much of the one in hand."""
    objects = plan.content_of(run.engagement, {"maps": run.parts["maps"]})["maps"]["objects"]
    counts = sum(bool(content["tables"]) for content in objects.values()), len(run.staged)
    left = dict.fromkeys(run.staging_ranges.values_list("number", flat=True))
    first = run.staging_ranges.first()
    if first is None:
        return Staging(*counts)
    files = staged.parts(run, first.object_name, staged.DISPOSITIONS_KIND)
    done = {number: path.stat().st_mtime for path in files if (number := int(path.name.split(".")[-2])) not in left}
    return Staging(*counts, first.object_name, len(done) + len(left), len(done), _left_of(len(left), done.values(), run, now))


def _left_of(ranges: int, done: Iterable[float], run: Run, now: datetime) -> float | None:
    """Seconds until so many ranges are staged, by those that were since the run was taken up; None where these are too few, or long ago."""
    begun = run.taken_up_at.timestamp() if run.taken_up_at else 0.0
    times = sorted(moment for moment in done if moment >= begun)
    if len(times) < 2 or times[0] == times[-1] or now.timestamp() - times[-1] > RECENT.total_seconds():
        return None
    return ranges * (times[-1] - times[0]) / (len(times) - 1)


def standstill(run: Run, now: datetime) -> str:
    """Why the run doesn't move, in words, with what to do; empty while it moves or is done."""
    if run.state == Run.State.DONE:
        return ""
    if run.message:
        return run.message
    if run.state == Run.State.PAUSED:
        return "Paused. Nothing is sent until someone resumes it."
    if run.state in Run.FINISHED:
        return "It stopped without a message. Look at the failed tasks."
    last = run.heartbeat_at or run.created_at
    if now - last > SILENT_AFTER:
        silent = shown_seconds((now - last).total_seconds())
        return f"No sign of life for {silent}. Check that a worker runs (manage.py qcluster); the run goes on where it was."
    return ""


def shown_seconds(seconds: float) -> str:
    """Seconds as people read them: 42 s, 3 min 10 s, 2 h 5 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def exceptions_by_code(run: Run) -> list[dict[str, Any]]:
    """{"code", "outcome", "count"}, the commonest first."""
    rows = LedgerEntry.objects.filter(run=run).order_by().values("code", "outcome").annotate(count=Count("pk"))
    return [dict(row) for row in rows.order_by("-count", "code")]


def totals(run: Run) -> dict[str, int]:
    """Records and rows of the whole run, from its phases."""
    names = dict.fromkeys(("extracted", *RECORD_COUNTS, "planned", *ROW_COUNTS, *UNDO_COUNTS))
    return run.phases.aggregate(**{name: Sum(name, default=0) for name in names})
