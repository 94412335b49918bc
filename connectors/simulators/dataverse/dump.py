"""All rows of a table as JSON lines, as they are or in a canonical form that two runs can be compared by."""

from collections.abc import Iterator
from typing import Any

import orjson

from . import files
from .columns import LOGICAL_NAME_ANNOTATION, Column
from .organisation import ACTIVITIES, Organisation
from .reading import columns_by_read_name, read_names, target_of
from .store import Row
from .tables import Table

POINTER = "activitypointer"
_LEFT_OUT = {"versionnumber", "overriddencreatedon", "importsequencenumber"}


def plain(org: Organisation, table: Table) -> Iterator[bytes]:
    """Rows in read form with every column."""
    names = read_names(table)
    for _, row in list(org.scan(table)):  # a copy: requests are answered while it is read
        shown = {name: row.get(name) for name in names}
        shown |= {name: value for name, value in row.items() if name.endswith(LOGICAL_NAME_ANNOTATION)}
        yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def canonical(org: Organisation, table: Table) -> Iterator[bytes]:
    """Rows without what differs between two equal runs, sorted by id; service-made rows go by `table:natural key`, files by digest.

    All activities together are those of each kind.
    """
    if table.name == POINTER:
        for name in ACTIVITIES:
            yield from canonical(org, org.catalog.tables[name])
        return
    known = columns_by_read_name(table)
    kept: dict[str, Column | None] = {}  # names that stay; the column where the value may point at a service-made row
    for name in {name for _, row in list(org.scan(table)) for name in row}:
        column = known.get(name)
        if not _skipped(name):
            kept[name] = column if column is not None and (column.is_lookup or column.kind == "File") else None
    named = sorted(((str(_stable(org, table.name, row_id)), row) for row_id, row in list(org.scan(table))), key=lambda pair: pair[0])
    for name, row in named:
        shown = _canonical(org, row, kept) | {table.primary_id: name}
        yield orjson.dumps(shown, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _canonical(org: Organisation, row: Row, kept: dict[str, Column | None]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if value is not None and name in kept}
    for name in shown:
        if (column := kept[name]) is not None:
            shown[name] = files.digest(org, shown[name]) if column.kind == "File" else _stable(org, target_of(column, row), shown[name])
    if row.get("overriddencreatedon") is None:
        shown.pop("createdon", None)
    return shown


def _skipped(name: str) -> bool:
    stem = name.partition("@")[0]
    return stem in _LEFT_OUT or stem.startswith(("modified", "_modified")) or stem.endswith(("_runid", "_runid_value"))


def _stable(org: Organisation, table: str, row_id: Any) -> Any:
    for name in ACTIVITIES if table == POINTER else (table,):
        if natural := org.store.made.get(name, {}).get(row_id):
            return f"{name}:{natural}"
    return row_id
