"""Rows that are created with a file: a small one goes with its row, a larger one block by block, so that none is in memory whole."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from connectors.dataverse import files
from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused, LogicFailed, RowExists
from connectors.dataverse.files import BLOCK, HELD, TABLES
from connectors.files import FileLost, StoredFile
from connectors.http import OutcomeUnknown
from loads.destination import Destination
from loads.flight import Job
from loads.models import Phase
from loads.reasons import reason, refusal
from loads.staged import StagedRow
from loads.tuning import BATCH
from loads.weights import size, weighed
from loads.writer import TRIES, Written, answered
from workbench.engagements.errors import Retryable


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow], *, again: bool) -> Iterator[Job]:
    """The calls that create rows with their files. again: rows may be there already from an attempt that was cut off."""
    small = [row for row in rows if size(phase.table, row) < BLOCK]
    for part in weighed(small, partial(size, phase.table), BATCH, BLOCK):
        yield partial(_whole, destination, phase, part)
    for row in rows:
        if size(phase.table, row) >= BLOCK:
            yield partial(_by_blocks, destination, phase, row, again)


def _whole(destination: Destination, phase: Phase, rows: list[StagedRow], client: Client) -> list[Written]:
    return _Sender(destination, phase, client).whole(rows)


def _by_blocks(destination: Destination, phase: Phase, row: StagedRow, again: bool, client: Client) -> list[Written]:
    return [_Sender(destination, phase, client).by_blocks(row, again=again)]


class _Sender:
    """Creates rows of one phase with their files."""

    def __init__(self, destination: Destination, phase: Phase, client: Client) -> None:
        self.client, self.table = client, destination.table(phase.table)
        self._stamp, self._slug = destination.stamp(phase.table, phase.run.key), phase.run.engagement.slug
        self._content = TABLES[phase.table].content

    def whole(self, rows: list[StagedRow]) -> list[Written]:
        """Small files with their rows, by primary key, so that each may be sent twice."""
        with HELD:
            texts, lost = dict[str, str](), list[StagedRow]()
            for row in rows:
                try:
                    texts[row.row_id] = files.whole(self._file(row))
                except FileLost:
                    lost.append(row)

            def operation(row: StagedRow) -> Operation:
                body = {**self._body(row), self._content: texts[row.row_id]}
                return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", body)

            outcomes = answered(self.client, [row for row in rows if row.row_id in texts], operation)
        return [*map(_lost, lost), *(_written(row, outcome) for row, outcome in outcomes)]

    def by_blocks(self, row: StagedRow, *, again: bool) -> Written:
        """A large file; where an answer got lost, or the service failed, it is read whether the row is there. Raises Retryable."""
        if again and self._is_there(row):
            return Written(row, "created")
        for _ in range(TRIES - 1):
            with suppress(OutcomeUnknown, LogicFailed):
                return self._sent(row)
            if self._is_there(row):
                return Written(row, "created")
        try:
            return self._sent(row)
        except LogicFailed as refused:
            return _refused(row, refused)

    def _sent(self, row: StagedRow) -> Written:
        try:
            files.send_by_blocks(self.client, self.table, {self.table.primary_id: row.row_id, **self._body(row)}, self._file(row))
        except FileLost:
            return _lost(row)
        except RowExists:  # our own: its answer got lost, and it wasn't there yet when it was looked for
            pass
        except DataverseRefused as refused:
            if isinstance(refused, Retryable | LogicFailed):  # it may pass
                raise
            return _refused(row, refused)
        return Written(row, "created")

    def _is_there(self, row: StagedRow) -> bool:
        return bool(self.client.present(self.table.entity_set, self.table.primary_id, [row.row_id]))

    def _file(self, row: StagedRow) -> StoredFile:
        return StoredFile.named(self._slug, row.values[self._content])

    def _body(self, row: StagedRow) -> dict[str, Any]:
        return {key: value for key, value in row.values.items() if key != self._content} | self._stamp


def _refused(row: StagedRow, refused: DataverseRefused) -> Written:
    return _written(row, Outcome(refused.status, refused.code, refused.row_message))


def _lost(row: StagedRow) -> Written:
    return Written(row, "refused", reason("file.lost"))


def _written(row: StagedRow, outcome: Outcome) -> Written:
    return Written(row, "created") if outcome.ok else Written(row, "refused", refusal(outcome))
