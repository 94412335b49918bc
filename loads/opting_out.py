"""Refusals of consent in rows that a person edited: written whatever is decided about the row, read back, and told beside its outcome."""

from collections.abc import Iterator, Sequence
from functools import partial
from uuid import UUID

from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.metadata import Table
from loads.destination import Destination
from loads.flight import Job
from loads.ledger import OPTED_OUT
from loads.models import LedgerEntry, Phase
from loads.reasons import REFUSAL_LIMIT, reason
from loads.staged import StagedRow
from loads.verification import ReadBack, column_name
from loads.writer import BESIDE, Written, answered, parts, sizes

WRITTEN, NOT_WRITTEN = OPTED_OUT
OTHERWISE = "It was written, and read back as it was before."


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow]) -> Iterator[Job]:
    """The calls that write a chunk's refusals. rows: with the refused columns alone; they aren't stamped, since they aren't loaded."""
    table = destination.table(phase.table)
    for part in parts(_edited(rows), sizes(destination.client, table)[1].size):
        yield partial(_opted_out, part, table)


def _opted_out(rows: list[StagedRow], table: Table, client: Client) -> list[Written]:
    """What came of each refusal, beside what comes of its row. Raises Retryable."""

    def operation(row: StagedRow) -> Operation:
        # Whichever version there is: the stricter answer stands against whatever anybody did to the row meanwhile.
        return Operation("PATCH", f"{table.entity_set}({row.row_id})", dict(row.values), {"If-Match": "*"})

    outcomes = answered(client, rows, operation)
    read = ReadBack(client, table, {}).differing([row for row, outcome in outcomes if outcome.ok])
    differing = {row.row_id: columns for row, columns in read}
    return [Written(row, BESIDE, _told(row, outcome, differing.get(row.row_id, set()))) for row, outcome in outcomes]


def _told(row: StagedRow, outcome: Outcome, differing: set[str]) -> dict[str, str]:
    if not outcome.ok:
        detail = f"{outcome.code or outcome.status}: {outcome.message}"[:REFUSAL_LIMIT]
        return reason(NOT_WRITTEN, field=", ".join(row.values), detail=detail)
    if differing:
        return reason(NOT_WRITTEN, field=", ".join(sorted(map(column_name, differing))), detail=OTHERWISE)
    return reason(WRITTEN, field=", ".join(row.values))


def written(phase: Phase, rows: Sequence[StagedRow]) -> list[StagedRow]:
    """Of a phase's rows those into which a refusal was written, and nothing else."""
    edited = _edited(rows)
    if not edited:
        return []
    failed = LedgerEntry.objects.filter(phase=phase, code=NOT_WRITTEN, row_id__in=[UUID(row.row_id) for row in edited])
    missing = {str(row_id) for row_id in failed.values_list("row_id", flat=True)}
    return [row for row in edited if row.row_id not in missing]


def _edited(rows: Sequence[StagedRow]) -> list[StagedRow]:
    return [row for row in rows if row.action == "conflict" and row.values]
