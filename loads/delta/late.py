"""What a run would do with rows once all are there, and leaves since somebody edited them: asked about like any other edit of theirs."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from connectors.store import batched
from loads import bindings, staged
from loads.delta import conflicts
from loads.delta.models import KEEP, Conflict
from loads.destination import EDITOR, Destination
from loads.messages import message_of
from loads.messaging import Message
from loads.models import LedgerEntry, Phase
from loads.staged import StagedRow

EDITED = "conflict.edited"
KINDS = (Phase.Kind.STATES, Phase.Kind.LOOKUPS, Phase.Kind.CLOSE)
TOGETHER = 500  # rows that are read at once


def ask(phase: Phase, destination: Destination) -> None:
    """Ask about the rows that a phase left to whoever edited them, column by column, their values proposed to stand; safe to repeat.

    What was asked or decided about the same values stays so; of all else that was decided the phase has made what it is to be.
    """
    message, left = message_of(phase, destination), LedgerEntry.objects.filter(phase=phase, code=EDITED, row_id__isnull=False)
    done = conflicts.of(phase).filter(state=Conflict.State.DECIDED).exclude(row_id__in=left.values("row_id"))
    done.update(run=phase.run)
    for some in batched(left.values_list("row_id", flat=True).iterator(), TOGETHER):
        ids = [row_id for row_id in some if row_id]
        found = list(_asked(phase, message, list(_rows(phase, ids))))
        known = {one.row_id: one for one in conflicts.of(phase).filter(row_id__in=ids, state__in=conflicts.PENDING)}
        same = [known[one.row_id].pk for one in found if one.row_id in known and known[one.row_id].fields == one.fields]
        Conflict.objects.filter(pk__in=same).update(run=phase.run)
        conflicts.keep([one for one in found if one.row_id not in known or known[one.row_id].pk not in same])


def _rows(phase: Phase, ids: Sequence[UUID]) -> Iterator[StagedRow]:
    wanted, late = {str(row_id) for row_id in ids}, bindings.late(phase.run.environment)
    if phase.kind == Phase.Kind.STATES:
        yield from staged.with_states(phase, sorted(wanted))
    else:
        yield from staged.among(phase, sorted(wanted), late=late).values()


def _asked(phase: Phase, message: Message, rows: Sequence[StagedRow]) -> Iterator[Conflict]:
    there = message.there(rows) if rows else {}
    for row in rows:
        now = there.get(row.row_id, {})
        differing = {name: value for name, value in message.disputed(row, now).items() if now and now.get(name) != value}
        if differing:
            yield Conflict(
                environment_id=phase.run.environment_id,
                run=phase.run,
                object_name=phase.object_name,
                source_id=row.source_id,
                table=phase.table,
                kind=phase.kind,
                row_id=UUID(row.row_id),
                fields=[
                    {"column": name, "last": None, "now": now.get(name), "new": value, "proposed": KEEP}
                    for name, value in differing.items()
                ],
                edited_by=str(now.get(EDITOR) or ""),
            )
