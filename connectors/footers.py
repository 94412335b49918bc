"""What the footer of a Parquet file tells of a column, so that nobody reads the values; never where it doesn't tell."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def holds_none(path: Path, column: str) -> bool:
    """Whether the footer of a Parquet file says that a column holds no value; False where it doesn't tell."""
    return all(told is not None and told.null_count == rows for told, rows in _told(path, column))


def holds_only(path: Path, column: str, values: Iterable[Any]) -> bool:
    """Whether the footer of a Parquet file says that a column holds nothing but these values; False where it doesn't tell."""
    is_now = path.stat()
    held = _held(path, column, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns)
    return held is not None and held.issubset(values)


@lru_cache(maxsize=4_096)
def _held(path: Path, column: str, *version: int) -> frozenset[Any] | None:
    """The values of a column of which each group holds one; None where a group holds several, or nothing is written of it."""
    held = set[Any]()
    for told, _ in _told(path, column):
        if told is None or not told.has_min_max or told.min != told.max or told.null_count:
            return None
        held.add(told.min)
    return frozenset(held)


def _told(path: Path, column: str) -> Iterator[tuple[pq.Statistics | None, int]]:
    """What the footer says of a column in each group, None for nothing, and the group's rows."""
    metadata = pq.read_metadata(path)
    place = metadata.schema.names.index(column)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield group.column(place).statistics, group.num_rows
