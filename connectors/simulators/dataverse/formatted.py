"""Formatted values: what a person would see, in English and UTC."""

from collections.abc import Callable, Mapping
from typing import Any

from .columns import Column

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
NAVIGATION = "@Microsoft.Dynamics.CRM.associatednavigationproperty"
LOOKUP_TABLE = "@Microsoft.Dynamics.CRM.lookuplogicalname"
_SHOWN_AS = {"State": "Choice", "Status": "Choice", "BigInt": "Integer", "Double": "Decimal"}


def formatter(column: Column, symbol: str) -> Callable[[Any], str] | None:
    """How a value of the column is shown, None for kinds that have no formatted value."""
    digits = min(column.precision or 2, 10)
    shown: dict[str, Callable[[Any], str]] = {
        "Choice": lambda value: column.options.get(value, str(value)),
        "MultiChoice": lambda value: "; ".join(column.options.get(int(v), v) for v in str(value).split(",")),
        "Boolean": lambda value: column.options.get(int(value), "Yes" if value else "No"),
        "Money": lambda value: f"{symbol}{value:,.2f}",
        "DateTime": _day if column.format == "DateOnly" else _moment,
        "Integer": lambda value: f"{value:,}",
        "Decimal": lambda value: f"{value:,.{digits}f}",
    }
    return shown.get(_SHOWN_AS.get(column.kind, column.kind))


def _day(value: Any) -> str:
    year, month, day = str(value)[:10].split("-")
    return f"{int(month)}/{int(day)}/{year}"


def _moment(value: Any) -> str:
    hour, minute = int(str(value)[11:13] or 0), str(value)[14:16]
    return f"{_day(value)} {hour % 12 or 12}:{minute} {'PM' if hour > 11 else 'AM'}"


def wanted(annotations: frozenset[str], full_name: str) -> bool:
    """Whether an annotation was asked for, by name or by a pattern with a star."""
    name = full_name.lstrip("@")
    return any(a in {"*", name} or (a.endswith("*") and name.startswith(a[:-1])) for a in annotations)


def row_name(rows: Mapping[str, Mapping[str, Any]], row_id: str, primary_name: str) -> str | None:
    """The primary name of a row that a lookup points at."""
    found = rows.get(row_id, {}).get(primary_name)
    return None if found is None else str(found)
