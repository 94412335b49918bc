"""Messages carried out: none of what they do has an id of ours, so after any doubt the state is read, and only what is missing is sent.

What rows that were there before held is written down first, for a rollback to put back. One outcome per staged row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import orjson

from connectors import store
from connectors.dataverse.client import Client, Outcome
from connectors.http import OutcomeUnknown
from loads import staged
from loads.destination import Destination
from loads.flight import Job
from loads.messages import message_of
from loads.messaging import Message, Values, done
from loads.models import Crosswalk, Phase
from loads.reasons import reason, refusal
from loads.staged import StagedRow
from loads.writer import Written

TRIES = 3


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow], chunk: int) -> Iterator[Job]:
    """The calls that do it for a chunk's rows."""
    for number, part in enumerate(message_of(phase, destination).parts(rows)):
        yield partial(_sent, phase, destination, part, staged.journal_of(phase, chunk, number))


def _sent(phase: Phase, destination: Destination, rows: list[StagedRow], journal: Path, client: Client) -> list[Written]:
    message = message_of(phase, destination, client)
    return carry_out(message, rows, partial(_keep, journal, rows) if any(_was_there(row) for row in rows) else None)


def carry_out(message: Message, rows: list[StagedRow], keep: Callable[[Mapping[str, Values]], None] | None = None) -> list[Written]:
    """Do it for every row for which it isn't done yet (else it is `equal`) and may be done. Raises Retryable.

    keep: takes what was there before anything is sent, for a rollback to put back.
    """
    found = message.read(rows)
    if keep:
        keep(found)
    there = done(message, rows, found)
    left = [row for row in rows if row.row_id not in there]
    barred = message.barred(left)
    settled = [Written(row, "equal") for row in rows if row.row_id in there]
    settled += [Written(row, "refused", reason(barred[row.row_id])) for row in left if row.row_id in barred]
    return settled + _settled(message, [row for row in left if row.row_id not in barred])


def _was_there(row: StagedRow) -> bool:
    """Whether the row may have been there before the run; what it held when the run made it is no news."""
    return row.origin != Crosswalk.Origin.CREATED


def _keep(journal: Path, rows: Sequence[StagedRow], found: Mapping[str, Values]) -> None:
    """Write what was there before a part was sent, once: after a kill, what is found then may be our own doing."""
    if journal.exists():
        return
    with store.ParquetFile(journal, staged.JOURNAL) as file:
        for row in rows:
            if _was_there(row) and row.row_id in found:
                file.add(row.row_id, orjson.dumps(found[row.row_id]))


def _settled(message: Message, rows: list[StagedRow]) -> list[Written]:
    """One Written per row: after a lost answer the service is asked which are done, and only the others are sent again.

    They are sent in calls of the size as it is then, which is smaller where calls took too long.
    """
    left, settled = rows, list[Written]()
    for attempt in range(TRIES):
        unknown: list[StagedRow] = []
        for part in message.parts(left):
            try:
                settled += [_written(message, row, outcome) for row, outcome in message.send(part)]
            except OutcomeUnknown:
                if attempt == TRIES - 1:
                    raise
                unknown += part
        there = message.present(unknown) if unknown else set()
        settled += [Written(row, message.outcome) for row in unknown if row.row_id in there]
        left = [row for row in unknown if row.row_id not in there]
        if not left:
            break
    return settled


def _written(message: Message, row: StagedRow, outcome: Outcome) -> Written:
    return Written(row, message.outcome) if outcome.ok else Written(row, "refused", refusal(outcome))
