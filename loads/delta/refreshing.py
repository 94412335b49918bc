"""An environment was copied anew, as sandboxes are: what the crosswalk says of it is held against what is there.

What isn't there is planned again; what is there, be it a copy of production's rows, is known again, and compared value by value by the next
run, since it may hold older values than were applied.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

import pyarrow as pa
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from connectors import store
from loads.delta.models import Conflict
from loads.destination import Destination
from loads.models import Binding, Crosswalk, Run, SchemaPlan
from workbench.engagements import history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Environment

IDS = pa.schema([("row_id", pa.string())])
AT_ONCE = 500


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


def look(environment: Environment, table_name: str) -> tuple[int, int]:
    """(rows that are there, rows that are planned again) of one table, as the crosswalk has it from now on. Safe to repeat.

    What a rollback kept for people is theirs where the copy has it, too.
    """
    known = Crosswalk.objects.filter(environment=environment, table=table_name).exclude(state=Crosswalk.State.REMOVED)
    with store.database() as con:
        store.fill(con, "there", IDS, ((row_id,) for row_id in _ids(environment, table_name)))
        store.fill(
            con, "known", IDS, ((str(row_id),) for row_id in known.order_by().values_list("row_id", flat=True).distinct().iterator())
        )
        con.execute("CREATE TABLE compared AS SELECT k.row_id, t.row_id IS NOT NULL AS found FROM known k LEFT JOIN there t USING (row_id)")
        counts = []
        for found, state in ((True, Crosswalk.State.PRESENT), (False, Crosswalk.State.PLANNED)):
            cursor, count = con.execute("SELECT row_id FROM compared WHERE found = ?", [found]), 0
            while batch := cursor.fetchmany(AT_ONCE):
                _mark(known, [row_id for (row_id,) in batch], state)
                count += len(batch)
            counts.append(count)
    return counts[0], counts[1]


def _mark(known: QuerySet[Crosswalk], row_ids: Sequence[str], state: str) -> None:
    rows = known.filter(row_id__in=[UUID(row_id) for row_id in row_ids])
    stays = Q(state=Crosswalk.State.KEPT) if state == Crosswalk.State.PRESENT else Q(pk__in=[])
    rows.filter(stays).update(applied_hash="", applied_run=None)
    rows.exclude(stays).update(state=state, applied_hash="", applied_run=None)


def _ids(environment: Environment, table_name: str) -> Iterator[str]:
    """Ids of all rows of a table; none where the copy doesn't have the table."""
    destination = Destination(environment)
    try:
        table = destination.table(table_name)
    except BadInput:
        return
    for row in destination.client.rows(table.entity_set, select=[table.primary_id]):
        yield row[table.primary_id].lower()
