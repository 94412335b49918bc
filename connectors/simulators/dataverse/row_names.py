"""Property paths of a table's rows, as $filter and $orderby write them."""

from dataclasses import dataclass
from typing import Any

from . import errors
from .columns import Column
from .filters import Getter, fold
from .organisation import Organisation
from .reading import columns_by_read_name, target_of, unknown_property
from .store import Row
from .tables import Table


@dataclass(frozen=True, slots=True)
class RowNames:
    """Property paths of a table for the filter: `name`, `_x_value`, `navigation/column`."""

    org: Organisation
    table: Table

    def getter(self, path: str) -> Getter:
        """How to read a property of a row. Raises ServiceError for an unknown one."""
        head, slash, rest = path.partition("/")
        if slash and rest == "Value" and head in self.table.columns:  # a managed property, such as ishidden
            return lambda row: value.get("Value") if isinstance(value := row.get(head), dict) else value
        if slash:
            return self._through(head, rest)
        column = columns_by_read_name(self.table).get(path) or self._lookup(path)
        if column is None:
            raise unknown_property(self.table, path)
        name = column.read_name
        return lambda row: row.get(name)

    def _lookup(self, path: str) -> Column | None:
        column = self.table.columns.get(path)
        return column if column is not None and column.is_lookup else None

    def _through(self, head: str, rest: str) -> Getter:
        if head not in self.table.navigations:
            raise unknown_property(self.table, head)
        column, targets = self.table.navigations[head]
        inner = {name: RowNames(self.org, self.org.table(name)).getter(rest) for name in targets}
        name = column.read_name

        def get(row: Row) -> Any:
            target = target_of(column, row)
            found = self.org.rows(target).get(row.get(name) or "") if target in inner else None
            return inner[target](found) if found is not None else None

        return get


def sort_rows(pairs: list[tuple[str, Row]], order: str, names: RowNames) -> None:
    """Put (id, row) pairs into the order of an $orderby. Raises ServiceError."""
    for part in reversed(order.split(",")):
        name, _, direction = part.strip().partition(" ")
        if direction.strip() not in {"", "asc", "desc"}:
            raise errors.bad_query(f"Syntax error in $orderby: '{order}'.")
        get = names.getter(name)
        pairs.sort(key=lambda pair: _sortable(get(pair[1])), reverse=direction.strip() == "desc")


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, fold(value) if value is not None else 0)
