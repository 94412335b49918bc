"""Which phases of a run can go on, at the same time too, and which can't: each of those is parked with what needs its rows.

Objects that can't be staged are parked likewise; then the rest is staged, and nothing is sent. In the end a run with parked phases stands
still and says which they are; resuming takes them up again.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache

from django.db import transaction

from connectors import store
from loads import staged
from loads.models import Phase, Run
from loads.staging import phases
from loads.staging.phases import LATE_KINDS
from mapping import plan
from mapping.objects import comes_after

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
    stuck = [phase]
    for other in phase.run.phases.filter(number__gt=phase.number, state__in=Phase.OPEN).order_by("number"):
        other.run = phase.run
        if any(_needs(other, earlier) for earlier in stuck):
            stuck.append(other)
    return stuck[1:]


def going(run: Run) -> list[Phase]:
    """The open phases that workers may take part in now, in load order: those that need no other open one.

    Phases of one object, and all of a rollback, go one after the other; an object waits for those that the plan has it come after. A run
    that is asked to stop begins none.
    """
    still_open = list(run.phases.filter(state__in=Phase.OPEN, behind=None).order_by("number"))
    for phase in still_open:
        phase.run = run
    if run.stop_asked:
        return [phase for phase in still_open if phase.state == Phase.State.LOADING]
    if run.is_rollback or len(still_open) < 2:
        return still_open[:1]
    before = _before(run.key)

    def waits_for(phase: Phase, earlier: Phase) -> bool:
        return earlier.object_name in {phase.object_name, *before.get(phase.object_name, ())} or _needs(phase, earlier)

    return [phase for place, phase in enumerate(still_open) if not any(waits_for(phase, other) for other in still_open[:place])]


def _needs(phase: Phase, earlier: Phase) -> bool:
    """Whether a phase can't be carried out before an earlier one of its run is complete; in a rollback the load's order is reversed."""
    return _follows(earlier.undone, phase.undone) if phase.run.is_rollback else _follows(phase, earlier)


def _follows(phase: Phase, other: Phase) -> bool:
    """Whether the rows of a phase look up to the other one's; what is done with rows comes after them, and after what is added."""
    is_late = phase.kind in LATE_KINDS
    of_its_own = phase.kind != Phase.Kind.ROWS and (phase.object_name, phase.table) == (other.object_name, other.table)
    return of_its_own or other.table in _parents(phase) or (is_late and phase.table in _parents(other))


@lru_cache(maxsize=64)  # the maps of a run are frozen, and each worker asks for its order in every step
def _before(run_key: str) -> dict[str, set[str]]:
    """Object -> those that the plan has it come after."""
    run = Run.objects.select_related("engagement").get(key=run_key)
    return comes_after(plan.content_of(run.engagement, {"maps": run.parts["maps"]})["maps"]["objects"])


def _parents(phase: Phase) -> frozenset[str]:
    """The tables of the rows that a phase's staged rows look up to."""
    return _parent_tables(phase.run.key).get(phase.pk, frozenset())


@lru_cache(maxsize=16)  # a run's staged files don't change once it loads, and each worker asks about each pair of phases in every step
def _parent_tables(run_key: str) -> dict[int, frozenset[str]]:
    """The same of each phase of a run, by its key. run_key: which nothing else ever has."""
    phases = Phase.objects.filter(run__key=run_key).select_related("run__engagement")
    paths = {phase.pk: {str(path) for path in staged.rows_of(phase)} for phase in phases}
    if not (every := sorted(set().union(*paths.values()))):
        return {}
    with store.reader() as con:
        found = con.execute(
            """SELECT filename, list(DISTINCT split_part(parent, ':', 1))
               FROM (SELECT filename, unnest(parents) AS parent FROM read_parquet(?, filename = true, union_by_name = true))
               GROUP BY filename""",
            [every],
        ).fetchall()
    tables = dict(found)
    return {pk: frozenset(table for path in of_phase for table in tables.get(path, ())) for pk, of_phase in paths.items()}


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
