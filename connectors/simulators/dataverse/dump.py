"""All rows of a table as JSON lines, as they are or in a canonical form that two runs can be compared by."""

from collections.abc import Iterator
from typing import Any

import orjson

from .columns import LOGICAL_NAME_ANNOTATION
from .organisation import Organisation
from .reading import columns_by_read_name, read_names, target_of
from .store import Row
from .tables import Table

_LEFT_OUT = {"versionnumber", "overriddencreatedon", "importsequencenumber"}


def plain(org: Organisation, table: Table) -> Iterator[bytes]:
    """Rows in read form with every column."""
    names = read_names(table)
    for _, row in org.scan(table):
        shown = {name: row.get(name) for name in names}
        shown |= {name: value for name, value in row.items() if name.endswith(LOGICAL_NAME_ANNOTATION)}
        yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def canonical(org: Organisation, table: Table) -> Iterator[bytes]:
    """Rows without what differs between two equal runs, sorted by id; service-made rows go by `table:natural key`."""
    rows = (_canonical(org, table, row_id, row) for row_id, row in org.scan(table))
    for row in sorted(rows, key=lambda row: str(row[table.primary_id])):
        yield orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _canonical(org: Organisation, table: Table, row_id: str, row: Row) -> dict[str, Any]:
    known = columns_by_read_name(table)
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or _skipped(name, row):
            continue
        column = known.get(name)
        shown[name] = _stable(org, target_of(column, row), value) if column is not None and column.is_lookup else value
    shown[table.primary_id] = _stable(org, table.name, row_id)
    return shown


def _skipped(name: str, row: Row) -> bool:
    stem = name.partition("@")[0]
    if stem == "createdon":
        return row.get("overriddencreatedon") is None
    return stem in _LEFT_OUT or stem.startswith(("modified", "_modified")) or stem.endswith(("_runid", "_runid_value"))


def _stable(org: Organisation, table: str, row_id: Any) -> Any:
    natural = org.store.made.get(table, {}).get(row_id)
    return row_id if natural is None else f"{table}:{natural}"
