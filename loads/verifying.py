"""Reading everything back again that a run wrote and did, at any time after: nothing of the run is changed by it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from loads import callers, causes, ledger, staged
from loads.destination import RUN_ID, Destination
from loads.flight import Flight, Underway
from loads.models import Chunk, Phase, Run
from loads.reading_back import Seen, comparison, jobs, seen, verdicts_of, written
from loads.verification import Tally, column_name
from mapping import plan
from workbench.engagements.errors import WorkbenchError

SHOWN = 20
LOOK_S = 1.0


@dataclass(slots=True)
class Found:
    """What was read of one phase. missing: what isn't there; later: rows in which a later run had a hand since, which aren't compared.

    unread: rows that couldn't be read, and the problem that kept them from it.
    differing: (source id, columns that hold something else than was sent), the first few; no columns where there is nothing. edited: the
    same of rows that somebody else changed.
    """

    phase: Phase
    tally: Tally = field(default_factory=Tally)
    missing: int = 0
    later: int = 0
    unread: int = 0
    problem: str = ""
    differing: list[tuple[str, list[str]]] = field(default_factory=list)
    edited: list[tuple[str, list[str]]] = field(default_factory=list)

    def take(self, rows: Sequence[Seen], own: str) -> None:
        """Count rows that were read. own: the read form of the column that holds the key of the run that wrote a row last."""
        done_since = _done_since(self.phase, [one.row.row_id for one in rows if one.differing])
        for one in rows:
            there = one.found
            if one.row.row_id in done_since or (there is not None and own in one.meant and there.get(own) != one.meant[own]):
                self.later += 1
                continue
            self.tally.take_rows(1, verdicts_of(one.shape))
            self.missing += there is None
            into = self.edited if one.edited else self.differing
            if one.differing and len(into) < SHOWN:
                into.append((one.row.source_id, [] if there is None else sorted(map(column_name, one.differing))))


def _done_since(phase: Phase, row_ids: Sequence[str]) -> set[str]:
    """Of rows that aren't as a late phase left them, those with which a later run did something since: that run answers for them."""
    if phase.kind == Phase.Kind.ROWS or not row_ids:
        return set()
    later = Phase.objects.filter(run__environment=phase.run.environment_id, run_id__gt=phase.run_id, table=phase.table, undoes=None)
    found: set[str] = set()
    for one in later.exclude(kind=Phase.Kind.ROWS).exclude(started_at=None).select_related("run__engagement"):
        found |= staged.acted_on(one, row_ids) - {str(row_id) for row_id in ledger.absent(one, map(UUID, row_ids))}
    return found


def read_again(run: Run, said: Callable[[Found], None] = lambda found: None) -> Iterator[Found]:
    """What stands at the destination now of each phase that wrote or did something.

    A phase that can't be read, or only in part, says so. Raises what all of them would meet, see `loads.causes`.
    """
    quiet = plan.content_of(run.engagement, run.parts)["maps"]["quiet_load"]
    destination = Destination(run.environment, quiet=quiet == "bypass")
    destination.left_out = callers.left_out(run)
    for phase in run.phases.exclude(table=""):
        phase.run = run
        yield _read(phase, destination, said)


def _read(phase: Phase, destination: Destination, said: Callable[[Found], None]) -> Found:
    found = Found(phase)
    back, own = comparison(phase, destination), destination.own(RUN_ID)

    def settle(underway: Underway) -> None:
        found.take(seen(back, underway.results, destination), own)
        said(found)

    try:
        with Flight(destination.clients) as flight:
            for chunk in phase.chunks.filter(state__in=Chunk.SENT).order_by("number").iterator():
                while not flight.has_room:
                    flight.land(LOOK_S)
                chunk.phase = phase
                flight.start(Underway(chunk, jobs(back, written(chunk, phase)), settle))
            while flight.underway:
                flight.land(LOOK_S)
    except WorkbenchError as error:
        if not causes.concerns_phase(error, last_try=True):
            raise
        found.problem, found.unread = causes.told(error), max(0, _sent(phase) - found.tally.rows - found.later)
    return found


def _sent(phase: Phase) -> int:
    """The rows of a phase that are to be read: what was written, and what was done or found done."""
    names = ("created", "updated") if phase.kind == Phase.Kind.ROWS else ("created", "updated", "equal")
    counts = ledger.totals(phase)
    return sum(counts[name] for name in names)
