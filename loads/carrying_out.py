"""Messages carried out: none of what they do has an id of ours, so after any doubt the state is read, and only what is missing is sent.

What rows that were there before held is written down first, for a rollback to put back. One outcome per staged row.
"""

import time
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
from loads.messaging import Decided, Message, Values, done
from loads.models import Crosswalk, Phase
from loads.reasons import VERSION_MISMATCH, reason, refusal
from loads.staged import StagedRow
from loads.writer import FIRST_WAIT_S, PARTS, Written, parts

TRIES = 3


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow], chunk: int) -> Iterator[Job]:
    """The calls that do it for a chunk's rows."""
    message = message_of(phase, destination)
    for number, part in enumerate(message.parts(rows)):
        yield partial(_sent, phase, destination, message.decided, part, staged.journal_of(phase, chunk, number))


def _sent(phase: Phase, destination: Destination, decided: Decided, rows: list[StagedRow], journal: Path, client: Client) -> list[Written]:
    message = message_of(phase, destination, client, decided)
    return carry_out(message, rows, partial(_keep, journal, rows) if any(_was_there(row) for row in rows) else None)


def carry_out(message: Message, rows: list[StagedRow], keep: Callable[[Mapping[str, Values]], None] | None = None) -> list[Written]:
    """Do it for every row for which it isn't done yet (else it is `equal`) and may be done. Raises Retryable.

    keep: takes what was there before anything is sent, for a rollback to put back.
    """
    found = message.read(rows)
    if keep:
        keep(found)
    there = done(message, rows, found)
    settled = [Written(row, "equal") for row in rows if row.row_id in there]
    return settled + _settled(message, [row for row in rows if row.row_id not in there])


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
    """One Written per row. What got no answer, or was refused, is looked at first: a killed worker's own message may have done it.

    Only what isn't done and got no answer, or was changed since it was looked at, is sent again, unless it is barred by then: in ever
    smaller parts, and in calls of no more rows than have their size by then. rows: as `message` read them just before. Raises Retryable.
    """
    left, settled = rows, list[Written]()
    for attempt in range(TRIES):
        if attempt and left:
            time.sleep(FIRST_WAIT_S * 2**attempt)
        barred = message.barred(left)
        settled += [Written(row, message.outcome_of_barred, reason(barred[row.row_id])) for row in left if row.row_id in barred]
        left = [row for row in left if row.row_id not in barred]
        if not left:
            break
        sent, lost = _sent_in(PARTS**attempt, message, left)
        doubtful = [row for row, outcome in sent if outcome is None or not outcome.ok]
        there = message.present(doubtful) if doubtful else set()
        left = []
        for row, outcome in sent:
            if row.row_id in there or (outcome and outcome.ok):
                settled.append(Written(row, message.outcome))
            elif outcome is None or (outcome.code == VERSION_MISMATCH and attempt < TRIES - 1):
                left.append(row)
            else:
                settled.append(Written(row, "refused", refusal(outcome)))
        if left and lost and attempt == TRIES - 1:
            raise lost
    return settled


def _sent_in(count: int, message: Message, rows: list[StagedRow]) -> tuple[list[tuple[StagedRow, Outcome | None]], OutcomeUnknown | None]:
    """Each row with its outcome, sent in so many parts or more; None for rows whose answer got lost, with the last error that said so."""
    sent = list[tuple[StagedRow, Outcome | None]]()
    lost: OutcomeUnknown | None = None
    for part in parts(rows, min(message.size.size, -(-len(rows) // count))):
        try:
            sent += message.send(part)
        except OutcomeUnknown as error:
            sent += [(row, None) for row in part]
            lost = error
    return sent, lost
