"""Rows by the size of their files: what is sent, read and leased together, so that neither memory nor a task's time is exceeded."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from connectors.dataverse.files import BLOCK, TABLES
from connectors.files import size_of
from loads import staged
from loads.models import Phase
from loads.staged import StagedRow

CHUNK_BYTES = 16 * BLOCK  # of files in a chunk
Item = TypeVar("Item")


def size(table: str, row: StagedRow) -> int:
    """Bytes of the file that a row is created with; zero where it has none."""
    name = row.values.get(TABLES[table].content) if table in TABLES and row.action == "create" else None
    return size_of(name) if name else 0


def apart(phase: Phase, rows: list[StagedRow]) -> tuple[list[StagedRow], list[StagedRow]]:
    """The rows that are created with a file, and the others."""
    if phase.table not in TABLES:  # nobody parses their values
        return [], rows
    filed = [row for row in rows if size(phase.table, row)]
    return filed, [row for row in rows if not size(phase.table, row)]


def weighed(items: Iterable[Item], weight: Callable[[Item], int], most: int, heaviest: int) -> Iterator[list[Item]]:
    """The items in lists of at most `most` that weigh at most `heaviest` together; one that weighs more stands alone."""
    part, total = list[Item](), 0
    for item in items:
        heavy = weight(item)
        if part and (len(part) == most or total + heavy > heaviest):
            yield part
            part, total = [], 0
        part.append(item)
        total += heavy
    if part:
        yield part


def ranges(phase: Phase, most: int) -> Iterator[tuple[int, int]]:
    """Where the chunks of a phase begin and end whose rows hold files: `most` rows or a few files, so that no task lasts long."""
    rows, start = staged.read(staged.rows_of(phase)), 0
    for part in weighed((size(phase.table, row) for row in rows), int, most, CHUNK_BYTES):
        yield start, start + len(part)
        start += len(part)
