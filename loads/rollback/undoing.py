"""A rollback carried out: rows removed and restored by the version that was read, and what was done with rows taken back.

Between plan and deed people go on working. A row whose version moved on is looked at again, and so is what hangs under a row that is about
to be removed, since a new child doesn't change its parent's version: what somebody touched is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.metadata import Table
from loads import bindings, carrying_out, staged
from loads.destination import Destination
from loads.flight import Job
from loads.ledger import Settlement
from loads.models import Chunk, Phase
from loads.reasons import VERSION_MISMATCH, reason, refusal
from loads.rollback.hanging import look_under
from loads.rollback.late import back_of
from loads.rollback.rows import RowJudge, holds, runs_of
from loads.rollback.standing import Carried
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE
from loads.staged import StagedRow
from loads.staging.rows import STATE
from loads.tuning import DELETE, UPDATE, RowsPerCall, rows_per_call
from loads.writer import Written, answered, parts, revised, sizes

MISSING, FORBIDDEN = "0x80040217", "0x80040227"
TOGETHER = 250  # rows of which it is asked at once what hangs under them
REMOVED, RESTORED, KEPT, REFUSED = "removed", "restored", "kept", "refused"


def ready(chunk: Chunk, rows: list[StagedRow], settlement: Settlement) -> list[StagedRow]:
    """The rows to remove or restore; those that the plan keeps are settled with its reason."""
    for row in rows:
        if row.action == KEEP:
            settlement.add(chunk, row, KEPT, dict(row.values))
    return [row for row in rows if row.action != KEEP]


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow]) -> Iterator[Job]:
    """The calls that take a chunk's rows back, each safe to repeat. What they need of the database is read here, before them."""
    if phase.kind not in Phase.LINKING:
        destination.table(phase.table)
    if phase.kind != Phase.Kind.ROWS:
        for part in back_of(phase, destination).parts(rows):
            yield partial(_taken_back, destination, phase, part)
        return
    ground = _Ground(phase, destination, phase.undone, Carried(phase), bindings.late(destination.environment), runs_of(phase.run.load))
    for act, action in ((_Undoing.remove, REMOVE), (_Undoing.restore, RESTORE)):
        for part in parts([row for row in rows if row.action == action], TOGETHER):
            yield partial(_undone, act, ground, part)


def used(destination: Destination, table: str, counts: Mapping[str, int]) -> dict[str, RowsPerCall]:
    """Kind of call -> how many rows go in one, of the kinds that made these outcomes."""
    removing, restoring = _sizes(destination.client, destination.table(table))
    return ({DELETE: removing} if counts[REMOVED] else {}) | ({UPDATE: restoring} if counts[RESTORED] else {})


def _sizes(client: Client, table: Table) -> tuple[RowsPerCall, RowsPerCall]:
    """How many rows are removed in a call, and how many restored."""
    return rows_per_call(client.base_url, table.name, DELETE), sizes(client, table)[1]


def _taken_back(destination: Destination, phase: Phase, rows: list[StagedRow], client: Client) -> list[Written]:
    written = carrying_out.carry_out(back_of(phase, destination, client), rows)
    return [replace(one, outcome=RESTORED) if one.outcome == "equal" else one for one in written]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the calls of a chunk share, read before them: none of them asks the database."""

    phase: Phase
    destination: Destination
    undone: Phase
    standing: Carried
    late: Mapping[str, str]
    runs: Mapping[str, str]


def _undone(
    act: Callable[["_Undoing", list[StagedRow]], list[Written]], ground: _Ground, rows: list[StagedRow], client: Client
) -> list[Written]:
    return act(_Undoing(ground, client), rows)


class _Undoing:
    """Takes rows of one phase back."""

    def __init__(self, ground: _Ground, client: Client) -> None:
        self.ground, self.client = ground, client
        self.judge = RowJudge(ground.undone, ground.destination, client, ground.runs)
        self.table = self.judge.table
        self._removing, self._restoring = _sizes(client, self.table)

    def remove(self, rows: list[StagedRow]) -> list[Written]:
        """Rows under which nothing of others hangs, by the version that was planned on."""
        ids = [row.row_id for row in rows]
        under = look_under(self.ground.destination, self.client, self.table.name, ids, self.ground.standing)
        kept = [row for row in rows if row.row_id in under.others]
        written = [Written(row, KEPT, reason("rollback.built_upon", detail=under.words(row.row_id))) for row in kept]
        for part in parts([row for row in rows if row.row_id not in under.others], self._removing.size):
            written += self._sent(part, self._deletion, self._removed, self._removing)
        return written

    def restore(self, rows: list[StagedRow]) -> list[Written]:
        """Rows by the version that was planned on, read back afterwards."""
        written: list[Written] = []
        for part in parts(rows, self._restoring.size):
            written += self._confirmed(self._sent(part, self._update, self._restored, self._restoring))
        return written

    def _sent(
        self,
        rows: list[StagedRow],
        operation: Callable[[StagedRow], Operation | ChangeSet],
        written: Callable[[StagedRow, Outcome], Written],
        size: RowsPerCall,
    ) -> list[Written]:
        """Rows by the version that was planned on; those that moved on are looked at, and sent once more where nobody touched them."""
        outcomes = self._revised(answered(self.client, rows, operation, size=size))
        moved = [row for row, outcome in outcomes if outcome.code == VERSION_MISMATCH]
        settled, again = self._looked_at(moved) if moved else ({}, [])
        outcomes = [(row, outcome) for row, outcome in outcomes if outcome.code != VERSION_MISMATCH]
        outcomes += self._revised(answered(self.client, again, operation))
        return [*settled.values(), *(written(row, outcome) for row, outcome in outcomes)]

    def _looked_at(self, rows: Sequence[StagedRow]) -> tuple[dict[str, Written], list[StagedRow]]:
        """What is known of rows whose version moved on, and those to be sent by their new version."""
        load = staged.among(self.ground.undone, [row.row_id for row in rows], late=self.ground.late)
        found = self.judge.read([load[row.row_id] for row in rows])
        settled, again = dict[str, Written](), list[StagedRow]()
        for row in rows:
            there = found.get(row.row_id)
            if row.action == RESTORE and there is not None and self._is_back(row, there):
                settled[row.row_id] = Written(row, RESTORED)  # our own write, whose answer was lost
            elif there is not None and (why := self.judge.touched(load[row.row_id], there)):
                settled[row.row_id] = Written(row, KEPT, why)
            else:
                again.append(replace(row, etag=there["@odata.etag"] if there else None))
        return settled, again

    def _is_back(self, row: StagedRow, found: Mapping[str, Any]) -> bool:
        return all(key in found for key in row.before or {}) and holds(self.table, row.before or {}, found)

    def _address(self, row: StagedRow) -> str:
        return f"{self.table.entity_set}({row.row_id})"

    def _deletion(self, row: StagedRow) -> Operation:
        return Operation("DELETE", self._address(row), None, {"If-Match": row.etag or "*"})

    def _update(self, row: StagedRow) -> Operation:
        return Operation("PATCH", self._address(row), dict(row.values), {"If-Match": row.etag or "*"})

    def _revised(self, outcomes: list[tuple[StagedRow, Outcome]]) -> list[tuple[StagedRow, Outcome]]:
        """Products on sale, and retired ones, are changed under revision and end in the state that they have."""
        return revised(self.client, self.table, outcomes, lambda row: {key: row.values[key] for key in row.values if key not in STATE})

    def _removed(self, row: StagedRow, outcome: Outcome) -> Written:
        """A row that isn't there any more is removed, whoever did it."""
        if outcome.ok or outcome.code == MISSING:
            return Written(row, REMOVED)
        if outcome.code == FORBIDDEN:
            return Written(row, KEPT, reason("rollback.built_upon", detail=outcome.message))
        return Written(row, REFUSED, refusal(outcome))

    def _restored(self, row: StagedRow, outcome: Outcome) -> Written:
        return Written(row, RESTORED) if outcome.ok else Written(row, REFUSED, refusal(outcome))

    def _confirmed(self, written: list[Written]) -> list[Written]:
        """Restored rows are read back: one that holds something else than before is listed."""
        rows = [one.row for one in written if one.outcome == RESTORED]
        if not rows:
            return written
        select = sorted({key for row in rows for key in row.before or {}})
        read = self.client.retrieve(self.table.entity_set, self.table.primary_id, [row.row_id for row in rows], select)
        found = {row[self.table.primary_id].lower(): row for row in read}
        return [self._compared(one, found.get(one.row.row_id)) if one.outcome == RESTORED else one for one in written]

    def _compared(self, written: Written, found: Mapping[str, Any] | None) -> Written:
        before = written.row.before or {}
        differing = [key for key, value in before.items() if not holds(self.table, {key: value}, found or {})]
        if not differing and found is not None:
            return written
        return Written(written.row, REFUSED, reason("rollback.differs", detail=", ".join(differing)))
