"""An environment was copied anew, as sandboxes are: what the crosswalk says of it is held against what is there.

What isn't there is planned again; what is there, be it a copy of production's rows, is known again, and compared value by value by the next
run, since it may hold older values than were applied.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from loads.delta.models import Conflict
from loads.destination import Destination
from loads.models import Binding, Crosswalk, Run, SchemaPlan
from workbench.engagements import history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Environment

AT_ONCE = 500
# What becomes of a row that is there: of a kept one nothing.
PRESENT = Case(When(state=Crosswalk.State.KEPT, then=F("state")), default=Value(Crosswalk.State.PRESENT))


@dataclass(frozen=True, slots=True)
class Looked:
    """How far the rows of a table are looked up. after: of the crosswalk's entries. there, planned: rows; whole: all were looked up."""

    after: int = 0
    there: int = 0
    planned: int = 0
    whole: bool = False

    def further(self, entries: Sequence[int], there: int, planned: int) -> "Looked":
        """After some more entries; none: that was all."""
        return Looked(max(entries, default=self.after), self.there + there, self.planned + planned, not entries)


class RunUnfinished(WorkbenchError):
    """A run of the environment isn't finished."""

    remedy = "Resume the run until it is done, or open a new one that takes its place, then say again that the environment was refreshed."


def begin(environment: Environment, *, actor: object) -> list[str]:
    """Close what rests on the environment as it was: its schema and its bindings are to be made anew. Returns the tables to look at.

    Raises RunUnfinished.
    """
    open_run = Run.objects.filter(environment=environment).exclude(state__in=Run.FINISHED).first()
    if open_run:
        raise RunUnfinished(f"{open_run} is {open_run.get_state_display().lower()}.")
    with transaction.atomic():
        Environment.objects.filter(pk=environment.pk).update(refreshed_at=timezone.now())
        SchemaPlan.objects.filter(environment=environment).update(provisioned_at=None)
        Binding.objects.filter(environment=environment).delete()
        pending = (Conflict.State.OPEN, Conflict.State.DECIDED)
        Conflict.objects.filter(environment=environment, state__in=pending).update(state=Conflict.State.GONE)
        history.record(environment.engagement, actor=actor, action="environment was refreshed", subject=str(environment))
    return tables(environment)


def tables(environment: Environment) -> list[str]:
    """The tables that the crosswalk knows rows of."""
    names = Crosswalk.objects.filter(environment=environment).order_by("table").values_list("table", flat=True)
    return list(names.distinct())


def look(environment: Environment, table_name: str, looked: Looked, until: float) -> Looked:
    """Look up rows of one table that the crosswalk knows, as it has them from now on. until: of time.monotonic; safe to repeat.

    looked: how far it is. What a rollback kept for people is theirs where the copy has it, too. Raises what the service raises.
    """
    known = Crosswalk.objects.filter(environment=environment, table=table_name).exclude(state=Crosswalk.State.REMOVED)
    destination = Destination(environment)
    while not looked.whole:
        some = list(known.filter(pk__gt=looked.after).order_by("pk").values_list("pk", "row_id")[:AT_ONCE])
        there = _there(destination, table_name, [str(row_id) for _, row_id in some])
        for found, state in ((True, PRESENT), (False, Value(Crosswalk.State.PLANNED))):
            names = [pk for pk, row_id in some if (str(row_id) in there) is found]
            known.filter(pk__in=names).update(state=state, applied_hash="", applied_run=None)
        looked = looked.further([pk for pk, _ in some], len(there), len({row_id for _, row_id in some}) - len(there))
        if time.monotonic() > until:
            break
    return looked


def _there(destination: Destination, table_name: str, row_ids: list[str]) -> set[str]:
    """Those of the rows that are there; none where the copy doesn't have the table."""
    try:
        table = destination.table(table_name)
    except BadInput:
        return set()
    return destination.client.present(table.entity_set, table.primary_id, row_ids)
