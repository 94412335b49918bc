"""Three values of each column of a row that changes: what was applied last, what is there now, and what the source says.

From them it is told who changed what since the last load: only we, only somebody at the destination, or both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.dataverse.files import TABLES
from connectors.dataverse.metadata import Table
from loads.verification import BIND, column_name, same

CREATE_ONLY = "overriddencreatedon"
UNKNOWN = object()  # what was applied last isn't known
SAME, OURS, THEIRS, BOTH = "same", "ours", "theirs", "both"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a row got last, by read form of the column. meant: what the source said; there: what the row held after it."""

    meant: Mapping[str, Any] = field(default_factory=dict)
    there: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One column of a row. key: as a body names it; column: its read form. who: SAME, OURS, THEIRS or BOTH."""

    key: str
    column: str
    last: Any
    now: Any
    new: Any
    who: str


def changes(table: Table, values: Mapping[str, Any], there: Mapping[str, Any], last: Applied, *, edited: bool) -> Iterator[Change]:
    """How each column of a body stands. edited: whether somebody else changed the row last, which tells where the last value is unknown."""
    for key, value in values.items():
        name = read_key(table, key)
        column = table.columns.get(column_name(name))
        now, new, meant = there.get(name), read_value(key, value), last.meant.get(name, UNKNOWN)
        was = last.there.get(name, UNKNOWN)
        if same(column, new, now) or "(@" in str(value):  # a row that the run makes itself has its id later
            who = SAME
        else:
            ours = meant is UNKNOWN or not same(column, meant, new)
            theirs = edited if was is UNKNOWN else not same(column, was, now)
            who = BOTH if ours and theirs else THEIRS if theirs else OURS
        yield Change(key, name, None if meant is UNKNOWN else meant, now, new, who)


def changeable(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a body may go into a row that is there.

    A file goes with its row's creation: at the sources another file is another attachment, and what a row held is put back by no rollback.
    """
    content = TABLES[table.name].content if table.name in TABLES else ""
    return {key: value for key, value in values.items() if key not in (CREATE_ONLY, content)}


def read_key(table: Table, key: str) -> str:
    """The column of a body's key as it is read: `_column_value` for lookups."""
    if not key.endswith(BIND):
        return key
    navigation = key.removesuffix(BIND)
    column = next(column for column in table.columns.values() if navigation in column.navigation.values())
    return f"_{column.name}_value"


def read_value(key: str, value: Any) -> Any:
    """A body's value as it is read: the id alone of a lookup."""
    return value.rpartition("(")[2].rstrip(")").lower() if key.endswith(BIND) and value is not None else value
