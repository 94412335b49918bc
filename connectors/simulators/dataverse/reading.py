"""Rows as the Web API shows them: chosen columns, ETag, annotations."""

from collections.abc import Callable, Sequence
from typing import Any

from . import errors
from .columns import Column
from .formatted import FORMATTED, LOOKUP_TABLE, NAVIGATION, formatter, row_name, wanted
from .organisation import Organisation
from .store import Row
from .tables import Table

Reader = Callable[[Row], dict[str, Any]]
Annotator = Callable[[Row, dict[str, Any]], None]


def etag(row: Row) -> str:
    """The weak ETag that carries the row version."""
    return f'W/"{row.get("versionnumber", 0)}"'


def read_names(table: Table) -> list[str]:
    """The names of all properties of a row, in the catalog's order."""
    found = table.compiled.get("read_names")
    if found is None:
        found = table.compiled["read_names"] = [c.read_name for c in table.columns.values() if c.readable]
    return found


def columns_by_read_name(table: Table) -> dict[str, Column]:
    """Columns by the name they have in a row."""
    found = table.compiled.get("by_read_name")
    if found is None:
        found = table.compiled["by_read_name"] = {c.read_name: c for c in table.columns.values() if c.readable}
    return found


def selected(table: Table, select: str | None) -> list[str] | None:
    """Read names of a $select, the primary key always with them; None: all. Raises ServiceError for an unknown column."""
    if not select or select.strip() == "*":
        return None
    known, names = columns_by_read_name(table), [table.primary_id]
    for raw in select.split(","):
        name = raw.strip()
        if name not in known:
            column = table.columns.get(name)
            if column is None or not column.is_lookup:
                raise unknown_property(table, name)
            name = column.read_name
        names.append(name)
    return list(dict.fromkeys(names))


def unknown_property(table: Table, name: str) -> errors.ServiceError:
    """The refusal of a property that the table doesn't have."""
    return errors.bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.name}'.")


def compile_reader(org: Organisation, table: Table, names: Sequence[str] | None, annotations: frozenset[str]) -> Reader:
    """A function from a row to its JSON form."""
    chosen = read_names(table) if names is None else list(names)
    key = table.primary_id
    head = [key] if key not in chosen else []
    chosen = [*chosen, *head]
    annotators = _annotators(org, table, chosen, annotations)

    def plain(row: Row) -> dict[str, Any]:
        get = row.get
        shown: dict[str, Any] = {"@odata.etag": f'W/"{get("versionnumber", 0)}"'}
        for name in chosen:
            shown[name] = get(name)
        return shown

    def annotated(row: Row) -> dict[str, Any]:
        shown = plain(row)
        for annotate in annotators:
            annotate(row, shown)
        return shown

    return annotated if annotators else plain


def _annotators(org: Organisation, table: Table, names: Sequence[str], annotations: frozenset[str]) -> list[Annotator]:
    if not annotations:
        return []
    known, found = columns_by_read_name(table), []
    for name in names:
        column = known.get(name)
        if column is None:
            continue
        if column.is_lookup:
            found.append(_lookup_annotator(org, column, annotations))
        elif wanted(annotations, FORMATTED) and (show := formatter(column, org.setting("basecurrencysymbol", "$"))):
            found.append(_value_annotator(name, show))
    return found


def _value_annotator(name: str, show: Callable[[Any], str]) -> Annotator:
    key = f"{name}{FORMATTED}"

    def annotate(row: Row, shown: dict[str, Any]) -> None:
        value = row.get(name)
        if value is not None:
            shown[key] = show(value)

    return annotate


def _lookup_annotator(org: Organisation, column: Column, annotations: frozenset[str]) -> Annotator:
    name = column.read_name
    formatted, table, navigation = (wanted(annotations, a) for a in (FORMATTED, LOOKUP_TABLE, NAVIGATION))

    def annotate(row: Row, shown: dict[str, Any]) -> None:
        target_id = row.get(name)
        if target_id is None:
            return
        target = target_of(column, row)
        if formatted and (shown_name := _target_name(org, target, target_id)) is not None:
            shown[f"{name}{FORMATTED}"] = shown_name
        if navigation:
            shown[f"{name}{NAVIGATION}"] = column.navigations.get(target, column.name)
        if table:
            shown[f"{name}{LOOKUP_TABLE}"] = target

    return annotate


def target_of(column: Column, row: Row) -> str:
    """The table that a lookup points into."""
    found = row.get(column.type_annotation)
    return str(found) if found else (column.targets[0] if column.targets else "")


def _target_name(org: Organisation, target: str, target_id: str) -> str | None:
    table = org.catalog.tables.get(target)
    return row_name(org.rows(target), target_id, table.primary_name) if table else None
