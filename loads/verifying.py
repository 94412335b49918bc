"""Reading everything back again that a run wrote, at any time after: nothing of the run is changed by it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from loads import callers
from loads.destination import RUN_ID, Destination
from loads.flight import Flight, Underway
from loads.models import Phase, Run
from loads.verification import Compared, ReadBack, Tally, column_name, jobs, verdicts_of, written
from mapping import plan

SHOWN = 20
LOOK_S = 1.0


@dataclass(slots=True)
class Found:
    """What was read of one phase. missing: rows that aren't there; later: rows that another run wrote since, which aren't compared.

    differing: (source id, columns that hold something else than was sent), the first few.
    """

    phase: Phase
    tally: Tally = field(default_factory=Tally)
    missing: int = 0
    later: int = 0
    differing: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every row is there as it was sent."""
        return not self.tally.wrong_rows

    def take(self, back: ReadBack, read: Sequence[Compared], own: str) -> None:
        """Count rows that were read. own: the read form of the column that holds the key of the run that wrote a row last."""
        for row, meant, there in read:
            if there is not None and own in meant and there.get(own) != meant[own]:
                self.later += 1
                continue
            wrong = back.wrong(meant, there)
            self.tally.take_rows(1, verdicts_of((tuple(meant), row.literal, row.lossy, tuple(wrong))))
            self.missing += there is None
            if wrong and len(self.differing) < SHOWN:
                self.differing.append((row.source_id, [] if there is None else sorted(map(column_name, wrong))))


def read_again(run: Run, said: Callable[[Found], None] = lambda found: None) -> Iterator[Found]:
    """What stands at the destination now of each phase that wrote rows. Raises what the service or the store raises."""
    quiet = plan.content_of(run.engagement, run.parts)["maps"]["quiet_load"]
    destination = Destination(run.environment, quiet=quiet == "bypass")
    destination.left_out = callers.left_out(run)
    for phase in run.phases.filter(kind=Phase.Kind.ROWS).exclude(table=""):
        phase.run = run
        yield _read(phase, destination, said)


def _read(phase: Phase, destination: Destination, said: Callable[[Found], None]) -> Found:
    found, table = Found(phase), destination.table(phase.table)
    stamp = destination.stamp(phase.table, phase.run.key)
    back, own = ReadBack(destination.client, table, stamp), destination.own(RUN_ID)

    def settle(underway: Underway) -> None:
        found.take(back, underway.results, own)
        said(found)

    with Flight(destination.clients) as flight:
        for chunk in phase.chunks.order_by("number").iterator():
            while not flight.has_room:
                flight.land(LOOK_S)
            chunk.phase = phase
            flight.start(Underway(chunk, jobs(back, written(chunk, phase)), settle))
        while flight.underway:
            flight.land(LOOK_S)
    return found
