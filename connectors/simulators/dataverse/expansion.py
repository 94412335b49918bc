"""$expand: related rows inside their row, by lookup or by the collection of a 1:N relationship."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import errors
from .calls import Call
from .filters import compile_filter
from .organisation import Organisation
from .reading import Reader, compile_reader, selected, target_of
from .row_names import RowNames, sort_rows
from .tables import Relationship, Table

_OPTION = re.compile(r"\$(\w+)=([^;]*)")


def expand(org: Organisation, call: Call, table: Table, items: list[dict[str, Any]]) -> None:
    """Add what $expand asks for to rows already in JSON form. Raises ServiceError for an unknown navigation property."""
    for name, options in parts(call.query.get("$expand", "")):
        one = _Expansion(org, call, table, options)
        if name in table.navigations:
            one.single(name, items)
        elif relation := next((r for r in table.children if r.collection == name), None):
            one.collection(relation, items)
        elif relation := next((r for r in table.many if r.schema_name == name), None):
            one.links(relation, items)
        else:
            raise errors.bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.name}'.")


def parts(text: str) -> list[tuple[str, dict[str, str]]]:
    """`a($select=x;$top=1),b` as names with their options."""
    found: list[tuple[str, dict[str, str]]] = []
    depth, current = 0, ""
    for char in [*text, ","]:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            name, _, inside = current.strip().partition("(")
            if name:
                found.append((name, {k: v.strip() for k, v in _OPTION.findall(inside.removesuffix(")"))}))
            current = ""
        else:
            current += char
    return found


@dataclass(frozen=True, slots=True)
class _Expansion:
    org: Organisation
    call: Call
    table: Table
    options: dict[str, str]

    def _reader(self, other: Table) -> Reader:
        return compile_reader(self.org, other, selected(other, self.options.get("select")), self.call.annotations)

    def single(self, name: str, items: list[dict[str, Any]]) -> None:
        column, targets = self.table.navigations[name]
        readers = {target: self._reader(self.org.table(target)) for target in targets}
        rows = self.org.rows(self.table.name)
        for item in items:
            source = rows.get(item[self.table.primary_id], {})
            target = target_of(column, source)
            found = self.org.rows(target).get(source.get(column.read_name) or "") if target in readers else None
            item[name] = readers[target](found) if found is not None else None

    def collection(self, relation: Relationship, items: list[dict[str, Any]]) -> None:
        other = self.org.table(relation.referencing)
        index = self.org.store.by_value(other.name, other.columns[relation.column].read_name).ids
        pick = self._picker(other)
        for item in items:
            item[relation.collection] = pick(sorted(index.get(item[self.table.primary_id], ())))

    def links(self, relation: Relationship, items: list[dict[str, Any]]) -> None:
        other = self.org.table(relation.other(self.table.name))
        pick = self._picker(other)
        for item in items:
            item[relation.schema_name] = pick(self.org.linked(relation, self.table.name, item[self.table.primary_id]))

    def _picker(self, other: Table) -> Callable[[list[str]], list[dict[str, Any]]]:
        """From ids of related rows to those that the options ask for."""
        reader, rows, names = self._reader(other), self.org.rows(other.name), RowNames(self.org, other)
        text, order, top = (self.options.get(name) for name in ("filter", "orderby", "top"))
        test = compile_filter(text, names, self.call.aliases).matches if text else None
        if top is not None and not top.isdigit():
            raise errors.bad_query("$top is a whole number.")

        def pick(ids: list[str]) -> list[dict[str, Any]]:
            pairs = [(i, rows[i]) for i in ids if i in rows and (test is None or test(rows[i]))]
            if order:
                sort_rows(pairs, order, names)
            return [reader(row) for _, row in pairs[: int(top) if top else None]]

        return pick
