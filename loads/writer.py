"""The writer: rows to Dataverse by the message that fits, with exactly one outcome per row.

New rows go by CreateMultiple with their ids given, where the table has that message. After an unknown outcome, or when a
chunk is taken over, by UpsertMultiple, so that nothing doubles; rows that carry the run's mark by then are done. A refused
call, or one that the table has no message for, is taken apart by one `$batch` that goes on after errors: the good rows land
and each bad one is named with the service's own reason. Existing rows go by PATCH with the version that was read.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from connectors.dataverse.batch import FAILED, MOST, ChangeSet
from connectors.dataverse.client import Client, Operation, Outcome, Target, joined
from connectors.dataverse.columns import BULK
from connectors.dataverse.errors import DataverseRefused, LogicFailed, TooMuchAtOnce, meaning_of
from connectors.dataverse.metadata import Table
from connectors.http import HttpRefused, OutcomeUnknown, ServerFailed, Throttled
from loads import missing, tuning
from loads.destination import Destination
from loads.flight import Job
from loads.models import Phase
from loads.reasons import VERSION_MISMATCH, refusal
from loads.staged import Body, StagedRow
from loads.tuning import BATCH, CREATE, UPDATE, RowsPerCall, rows_per_call
from loads.verification import BIND, ReadBack
from workbench.engagements.errors import Retryable

PUT_OFF = 429
OF_THE_WHOLE = (400, 413, FAILED)  # answers to a batch that say something of what is in it, not of who sends it
TRIES, FIRST_WAIT_S, PARTS = 4, 0.25, 4
BESIDE = "beside"
NEEDS_REVISION = "0x8004f995"  # of a product that is active
RETIRED = 1  # statecode of a product
ON_SALE, UNDER_REVISION = {"statecode": 0, "statuscode": 1}, {"statecode": 3, "statuscode": 3}


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one row: created, updated or refused with a reason ({"code", "field", "detail", "severity"}).

    BESIDE: something that was done with a row whose outcome is another one; the reason says what.
    """

    row: StagedRow
    outcome: str
    reason: dict[str, str] | None = None


class Writer:
    """Writes staged rows of one table; `stamp` is {run id column: run key}, sent with every row."""

    def __init__(self, client: Client, table: Table, stamp: dict[str, str]) -> None:
        """Keep what every call needs."""
        self.client, self.table, self.stamp = client, table, stamp
        self.creating, self.updating = sizes(client, table)

    def create(self, rows: list[StagedRow]) -> list[Written]:
        """One Written per row, of rows that can't be there yet. Raises Retryable where the service can't be reached.

        Then rows stay unsettled, and `upsert` writes them again without doubling any.
        """
        if "Create" not in self.table.bulk:
            return self._one_by_one(rows)
        try:
            self.client.create_multiple(self.table.name, self.table.entity_set, [self._target(row) for row in rows])
        except OutcomeUnknown:
            self.creating.failed(len(rows), self.client.governor.last_s)
            return [one for part in parts(rows, self.creating.size) for one in self.upsert(part)]  # of a size that is smaller by now
        except TooMuchAtOnce:
            self.creating.failed(len(rows), self.client.governor.last_s)
            return self._one_by_one(rows)
        except DataverseRefused:  # at the first bad row: how long all would have taken is unknown
            return self._one_by_one(rows)
        self.creating.took(len(rows), self.client.governor.last_s)
        return [Written(row, "created") for row in rows]

    def take_over(self, rows: list[StagedRow]) -> list[Written]:
        """One Written per row, of rows of which an attempt that was cut off may have made some. Raises Retryable, as `create`.

        Those that carry the run's mark are done: nothing that people changed in them since is written over, and reading back tells of it.
        """
        there = self._marked(rows) if self.stamp else set()
        left = [row for row in rows if row.row_id not in there]
        return [Written(row, "created") for row in rows if row.row_id in there] + (self.upsert(left) if left else [])

    def _marked(self, rows: list[StagedRow]) -> set[str]:
        key, ids = self.table.primary_id, [row.row_id for row in rows]
        found = self.client.retrieve(self.table.entity_set, key, ids, [key, *self.stamp])
        return {row[key].lower() for row in found if all(row.get(name) == value for name, value in self.stamp.items())}

    def upsert(self, rows: list[StagedRow]) -> list[Written]:
        """One Written per row, of rows that may be there already. Raises Retryable, as `create`."""
        if not self.table.bulk.issuperset(BULK):
            return self._one_by_one(rows)
        try:
            self.client.upsert_multiple(self.table.name, self.table.entity_set, [self._target(row) for row in rows])
        except (DataverseRefused, ServerFailed):
            return self._one_by_one(rows)
        return [Written(row, "created") for row in rows]

    def _target(self, row: StagedRow) -> Target:
        """Id, values and stamp; values that are JSON already stay as they are."""
        own = {self.table.primary_id: row.row_id, **self.stamp}
        return joined(own, row.values.raw) if isinstance(row.values, Body) else {**row.values, **own}

    def _body(self, row: StagedRow) -> dict[str, Any]:
        """Values and stamp of one row; a lookup is emptied by its property alone (facts, section 2)."""
        values = {key.removesuffix(BIND) if value is None else key: value for key, value in row.values.items()}
        return {**values, **self.stamp}

    def _address(self, row: StagedRow) -> str:
        return f"{self.table.entity_set}({row.row_id})"

    def _one_by_one(self, rows: list[StagedRow]) -> list[Written]:
        """Each row by its own PATCH, which creates what is missing; the service says of each what it thinks of it."""
        outcomes = self._revised(answered(self.client, rows, lambda row: Operation("PATCH", self._address(row), self._body(row))))
        return [Written(row, "created") if outcome.ok else Written(row, "refused", refusal(outcome)) for row, outcome in outcomes]

    def update(self, rows: list[StagedRow]) -> list[Written]:
        """One Written per row that was there before, each on the version that was read. Raises Retryable, as `create`."""

        def operation(row: StagedRow) -> Operation:
            return Operation("PATCH", self._address(row), self._body(row), {"If-Match": row.etag or "*"})

        outcomes = self._revised(answered(self.client, rows, operation, size=self.updating))
        changed = [row for row, outcome in outcomes if outcome.code == VERSION_MISMATCH]
        ours = self._already_written(changed) if changed else set()
        return [
            Written(row, "updated") if outcome.ok or row.row_id in ours else Written(row, "refused", refusal(outcome))
            for row, outcome in outcomes
        ]

    def _revised(self, outcomes: list[tuple[StagedRow, Outcome]]) -> list[tuple[StagedRow, Outcome]]:
        return revised(self.client, self.table, outcomes, self._body)

    def _already_written(self, rows: list[StagedRow]) -> set[str]:
        """Rows whose version moved because our own earlier write, whose answer was lost, did move it."""
        return {row.row_id for row, others in ReadBack(self.client, self.table, self.stamp).differing(rows) if not others}


def revised(
    client: Client, table: Table, outcomes: list[tuple[StagedRow, Outcome]], body: Callable[[StagedRow], Mapping[str, Any]]
) -> list[tuple[StagedRow, Outcome]]:
    """The outcomes, those rows written again that the service changes only under revision: products on sale, and retired ones.

    Opened, changed and back in the state that it had, all in one change set on the version that was read: nobody's edit since is
    written over, and whatever is refused or killed, no product stays under revision. A retired one is revised by way of active.
    """
    refused = [row for row, outcome in outcomes if outcome.code == NEEDS_REVISION]
    if not refused:
        return outcomes
    retired = _retired(client, table, refused)

    def revision(row: StagedRow) -> ChangeSet:
        bodies: list[Mapping[str, Any]] = [UNDER_REVISION, body(row), ON_SALE]
        if row.row_id in retired:
            bodies = [ON_SALE, *bodies, retired[row.row_id]]
        versions = [row.etag or "*", *("*" for _ in bodies[1:])]
        address = f"{table.entity_set}({row.row_id})"
        return tuple(Operation("PATCH", address, one, {"If-Match": version}) for one, version in zip(bodies, versions, strict=True))

    settled = {row.row_id: outcome for row, outcome in answered(client, refused, revision)}
    return [(row, settled.get(row.row_id, outcome)) for row, outcome in outcomes]


def _retired(client: Client, table: Table, rows: list[StagedRow]) -> dict[str, dict[str, Any]]:
    """Row id -> state and status of those products that are retired."""
    select, ids = ["statecode", "statuscode"], [row.row_id for row in rows]
    found = client.retrieve(table.entity_set, table.primary_id, ids, [table.primary_id, *select])
    return {row[table.primary_id].lower(): {name: row[name] for name in select} for row in found if row["statecode"] == RETIRED}


def answered(
    client: Client,
    rows: Sequence[StagedRow],
    operation: Callable[[StagedRow], Operation | ChangeSet],
    *,
    repeatable: bool = True,
    size: RowsPerCall | None = None,
) -> list[tuple[StagedRow, Outcome]]:
    """An outcome per row: done, or refused for what the row is. What may pass is sent again a few times, fewer at once where it failed.

    repeatable: each may be carried out twice, as by primary key: a version that moved on is looked into afterwards. Else those alone are
    sent again of which it is sure that nothing was done; OutcomeUnknown is raised where it isn't. size: learns from how long calls take.
    Raises Throttled where the service goes on to put rows off, and ServerFailed where it goes on to fail.
    """
    settled: dict[str, Outcome] = {}
    left, at_once = list(rows), len(rows)
    for attempt in range(TRIES if rows else 0):
        if attempt:
            time.sleep(FIRST_WAIT_S * 2**attempt)  # a pause that the service asks for is kept by the governor
        for part in [left[start : start + at_once] for start in range(0, len(left), at_once)]:
            outcomes = _outcomes(client, [operation(row) for row in part], repeatable=repeatable, size=size)
            settled |= {row.row_id: outcome for row, outcome in zip(part, outcomes, strict=True)}
        left = [row for row in left if _may_pass(settled[row.row_id], attempt)]
        if not left:
            return [(row, settled[row.row_id]) for row in rows]
        at_once = _at_once([settled[row.row_id] for row in left], attempt, repeatable=repeatable)
    if left:
        raise _failed([settled[row.row_id] for row in left])
    return []


def _may_pass(outcome: Outcome, attempt: int) -> bool:
    """Whether the same operation may be answered otherwise when it is sent again (facts, section 11)."""
    if outcome.status == PUT_OFF or meaning_of(outcome.code).kind is TooMuchAtOnce or outcome.in_doubt:
        return True
    is_odd = meaning_of(outcome.code).kind is LogicFailed or outcome.status == FAILED  # *assumed*: it kept nothing, nor did the above
    return is_odd and attempt == 0  # once more


def _at_once(outcomes: Sequence[Outcome], attempt: int, *, repeatable: bool) -> int:
    """How many of the operations that are left go in one request: ever fewer where the service failed, so that one can't bring all down."""
    if not repeatable and any(outcome.in_doubt for outcome in outcomes):
        raise OutcomeUnknown(f"{len(outcomes)} operations may have been carried out.")
    if all(outcome.status == PUT_OFF for outcome in outcomes):
        return len(outcomes)
    return -(-len(outcomes) // PARTS ** (attempt + 1))


def _failed(outcomes: Sequence[Outcome]) -> Retryable:
    """What to raise of operations that could still pass: none of them is a refusal."""
    if put_off := [outcome for outcome in outcomes if outcome.status == PUT_OFF]:
        return Throttled(f"{len(put_off)} operations were put off {TRIES} times.", retry_after_s=put_off[0].retry_after_s)
    statuses = ", ".join(str(status) for status in sorted({outcome.status for outcome in outcomes}))
    return ServerFailed(f"{len(outcomes)} operations of a batch were answered {statuses}, {TRIES} times.", status=outcomes[0].status)


def _outcomes(client: Client, operations: list[Operation | ChangeSet], *, repeatable: bool, size: RowsPerCall | None) -> list[Outcome]:
    """One outcome per operation; a batch that is refused as a whole, such as one that is too large, is sent again in halves.

    Where the service failed at several as a whole, that says nothing of any one of them.
    """
    if sum(len(one) if isinstance(one, tuple) else 1 for one in operations) > MOST:
        return _halved(client, operations, repeatable=repeatable, size=size)
    try:
        return _timed(client, operations, repeatable=repeatable, size=size)
    except HttpRefused as refused:
        if refused.status not in OF_THE_WHOLE:
            raise
        whole = refused
    if whole.status == FAILED and not repeatable:
        raise OutcomeUnknown(f"{len(operations)} operations may have been carried out.")
    if len(operations) == 1:
        said = (whole.code, whole.row_message) if isinstance(whole, DataverseRefused) else ("", "")
        return [Outcome(whole.status, *said)]
    if whole.status == FAILED:
        return [Outcome(FAILED)] * len(operations)
    return _halved(client, operations, repeatable=repeatable, size=size)


def _timed(client: Client, operations: list[Operation | ChangeSet], *, repeatable: bool, size: RowsPerCall | None) -> list[Outcome]:
    """The outcomes of one batch. Raises what `Client.batch` raises."""
    size = size or RowsPerCall()  # nobody learns
    try:
        outcomes = client.batch(operations, repeatable=repeatable, divisible=True)
    except Retryable:
        size.failed(len(operations), client.governor.last_s)
        raise
    size.took(len(operations), client.governor.last_s)
    return outcomes


def _halved(client: Client, operations: list[Operation | ChangeSet], *, repeatable: bool, size: RowsPerCall | None) -> list[Outcome]:
    half = len(operations) // 2
    halves = (operations[:half], operations[half:])
    return [outcome for part in halves for outcome in _outcomes(client, part, repeatable=repeatable, size=size)]


def sizes(client: Client, table: Table) -> tuple[RowsPerCall, RowsPerCall]:
    """How many rows are created in a call, and how many are changed."""
    begin, why = tuning.first(table)
    return (
        rows_per_call(client.base_url, table.name, CREATE, begin, why),
        rows_per_call(client.base_url, table.name, UPDATE, min(begin, BATCH)),
    )


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow], *, again: bool) -> Iterator[Job]:
    """The calls that write a chunk's rows. again: rows may be there already from an attempt that was cut off."""
    table, stamp = destination.table(phase.table), destination.stamp(phase.table, phase.run.key)
    creates = [row for row in rows if row.action == "create"]
    updates = [row for row in rows if row.action == "update"]
    creating, updating = sizes(destination.client, table)
    write = Writer.take_over if again else Writer.create
    written = [(write, part) for part in parts(creates, creating.size)]
    for act, part in (*written, *((Writer.update, part) for part in parts(updates, updating.size))):
        yield partial(_written, act, part, destination, table, stamp)


def used(destination: Destination, table: str, counts: Mapping[str, int]) -> dict[str, RowsPerCall]:
    """Kind of call -> how many rows go in one, of the kinds that made these outcomes."""
    creating, updating = sizes(destination.client, destination.table(table))
    return ({CREATE: creating} if counts["created"] else {}) | ({UPDATE: updating} if counts["updated"] else {})


def _written(
    act: Callable[[Writer, list[StagedRow]], list[Written]],
    rows: list[StagedRow],
    destination: Destination,
    table: Table,
    stamp: dict[str, str],
    client: Client,
) -> list[Written]:
    return missing.named(destination, client, table, act(Writer(client, table, stamp), rows))


def parts(rows: Sequence[StagedRow], size: int) -> Iterator[list[StagedRow]]:
    """The rows in runs of at most so many, all about equally long."""
    count = -(-len(rows) // size)
    for number in range(count):
        yield list(rows[len(rows) * number // count : len(rows) * (number + 1) // count])
