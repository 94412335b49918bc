"""Phases that can't go on: each is parked with what it needs, those that need its rows wait behind it, and the rest of the run goes on.

So are objects that can't be staged; then the rest is staged, and nothing is sent.

In the end the run stands still and says which they are; resuming takes them up again.
"""

import logging
from collections.abc import Iterable, Sequence

from django.db import transaction

from connectors import store
from loads import staged
from loads.models import Phase, Run
from loads.staging import phases
from loads.staging.phases import LATE_KINDS

logger = logging.getLogger(__name__)
STANDS = (
    "{count} can't go on. All that needs no row of {them} is loaded. {whys} Mend the cause, then resume: the run takes {them} up again."
)
UNSTAGED = (
    "{count} can't be staged. All that needs nothing of {them} is, and nothing is sent before the rest is, since the customer decides "
    "about all of the data. {whys} Mend the cause, then resume: the run stages {them} again."
)


def park(phase: Phase, message: str, *, state: str = Phase.State.BLOCKED) -> None:
    """Part a phase from those that go on, with the phases that need what it loads. message: why, and what to do.

    state: of Phase.PARKED. One that another worker parked or closed meanwhile stays as it is.
    """
    behind = [other.pk for other in _behind(phase)]
    with transaction.atomic():  # nobody takes up one of those behind it before they are known
        if not Phase.objects.filter(pk=phase.pk, state__in=Phase.OPEN).update(state=state, message=message):
            return
        Phase.objects.filter(pk__in=behind, behind=None).update(behind=phase)
    logger.warning("run %s: phase %s is parked, %d wait behind it", phase.run_id, phase.number, len(behind))


def park_object(run: Run, places: Sequence[tuple[str, str]], message: str) -> None:
    """Part an object that can't be staged from those that can. places: object and table of it, and of those that need it. message: why."""
    if phases.block(run, places, message):
        logger.warning("run %s: %s can't be staged, %d wait behind it", run.pk, places[0][0], len(places) - 1)


def _behind(phase: Phase) -> list[Phase]:
    """The open phases that need the rows of a phase, or those of one that does; in load order."""
    order, stuck = _Order(), [phase]
    for other in phase.run.phases.filter(number__gt=phase.number, state__in=Phase.OPEN).order_by("number"):
        other.run = phase.run
        if any(order.needs(other, earlier) for earlier in stuck):
            stuck.append(other)
    return stuck[1:]


class _Order:
    """Which phases of a run come after which, by the rows that they need; what was read of the staged files is kept."""

    def __init__(self) -> None:
        self._tables: dict[int, set[str]] = {}

    def needs(self, phase: Phase, earlier: Phase) -> bool:
        """Whether a phase can't be carried out before an earlier one of its run is complete; in a rollback the load's order is reversed."""
        return self._follows(earlier.undone, phase.undone) if phase.run.is_rollback else self._follows(phase, earlier)

    def _follows(self, phase: Phase, other: Phase) -> bool:
        """Whether the rows of a phase look up to the other one's; what is done with rows comes after them, and after what is added."""
        is_late = phase.kind in LATE_KINDS
        of_its_own = phase.kind != Phase.Kind.ROWS and (phase.object_name, phase.table) == (other.object_name, other.table)
        return of_its_own or other.table in self._parents(phase) or (is_late and phase.table in self._parents(other))

    def _parents(self, phase: Phase) -> set[str]:
        if phase.pk not in self._tables:
            self._tables[phase.pk] = _parent_tables(phase)
        return self._tables[phase.pk]


def _parent_tables(phase: Phase) -> set[str]:
    """The tables of the rows that a phase's rows look up to."""
    if not (paths := [str(path) for path in staged.rows_of(phase)]):
        return set()
    with store.database() as con:
        found = con.execute("SELECT DISTINCT split_part(unnest(parents), ':', 1) FROM read_parquet(?)", [paths]).fetchall()
        return {table for (table,) in found}


def parked(run: Run) -> list[Phase]:
    """The phases that can't go on, in load order."""
    return list(run.phases.filter(state__in=Phase.PARKED).order_by("number"))


def stand_still(run: Run) -> None:
    """Nothing is left but what is parked and what waits behind it: the run pauses and says so."""
    stuck = parked(run)
    whys, them = " ".join(_why(phase) for phase in stuck), "it" if len(stuck) == 1 else "them"
    message = (UNSTAGED if run.state == Run.State.STAGING else STANDS).format(count=_counted(stuck), them=them, whys=whys)
    Run.objects.filter(pk=run.pk, state=run.state).update(state=Run.State.PAUSED, message=message)


def _why(phase: Phase) -> str:
    waits = [str(other) for other in phase.run.phases.filter(behind=phase).order_by("number")]
    behind = f" Behind it wait: {', '.join(waits)}." if waits else ""
    return f"{phase}: {phase.message}{behind}"


def _counted(phases: Iterable[Phase]) -> str:
    count = len(list(phases))
    return f"{count} phase{'s' * (count != 1)}"
