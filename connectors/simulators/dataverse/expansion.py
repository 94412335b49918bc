"""$expand: related rows inside their row, by lookup or by the collection of a 1:N relationship."""

import re
from typing import Any

from . import errors
from .calls import Call
from .organisation import Organisation
from .reading import compile_reader, selected, target_of
from .tables import Relationship, Table

_OPTION = re.compile(r"\$(\w+)=([^;]*)")


def expand(org: Organisation, call: Call, table: Table, items: list[dict[str, Any]]) -> None:
    """Add what $expand asks for to rows already in JSON form. Raises ServiceError for an unknown navigation property."""
    for name, options in parts(call.query.get("$expand", "")):
        if name in table.navigations:
            _single(org, call, table, name, options, items)
        elif relation := next((r for r in table.children if r.collection == name), None):
            _collection(org, call, table, relation, options, items)
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


def _single(org: Organisation, call: Call, table: Table, name: str, options: dict[str, str], items: list[dict[str, Any]]) -> None:
    column, targets = table.navigations[name]
    readers = {}
    for target in targets:
        other = org.table(target)
        readers[target] = compile_reader(org, other, selected(other, options.get("select")), call.annotations)
    rows = org.rows(table.name)
    for item in items:
        source = rows.get(item[table.primary_id], {})
        target = target_of(column, source)
        found = org.rows(target).get(source.get(column.read_name) or "") if target in readers else None
        item[name] = readers[target](found) if found is not None else None


def _collection(
    org: Organisation, call: Call, table: Table, relation: Relationship, options: dict[str, str], items: list[dict[str, Any]]
) -> None:
    other = org.table(relation.referencing)
    reader = compile_reader(org, other, selected(other, options.get("select")), call.annotations)
    index = org.store.by_value(other.name, other.columns[relation.column].read_name).ids
    top = int(options["top"]) if options.get("top", "").isdigit() else None
    for item in items:
        ids = sorted(index.get(item[table.primary_id], ()))[:top]
        item[relation.collection] = [reader(org.rows(other.name)[i]) for i in ids]
