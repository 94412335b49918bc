"""What the service would say to one value, by its column's metadata: a check per column, compiled once.

Sources: learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes and …/webapi/web-api-types-operations.
Numbers with more decimals than the column keeps are rounded, not refused (*assumed*).
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

from connectors.dataverse.metadata import Column
from mapping.transforms import utf16_length

WRONG_TYPE, TOO_LONG, NO_OPTION = "0x80048d19", "0x80044331", "0x8004431a"
WHOLE_RANGE, NUMBER_RANGE, ARGUMENT = "0x8004432f", "0x80044330", "0x80040203"
EARLIEST = "1753-01-01"
MOST_OPTIONS = 150
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ZONE = re.compile(r"(Z|[+-]\d{2}:\d{2})$")
_WHOLE = {"Integer": 2**31, "BigInt": 2**63}
_LARGEST = {"Decimal": 100_000_000_000.0, "Double": 100_000_000_000.0, "Money": 922_337_203_685_477.0}


class Fault(NamedTuple):
    """Why the service would refuse a row: its code, the column, and what a person needs to judge it, never the value of a text."""

    code: str
    column: str = ""
    detail: str = ""


Check = Callable[[Any], Fault | None]  # of a value that isn't null


def compile_check(column: Column) -> Check:
    """The check of a column's values."""
    return _BUILDERS.get(column.kind, _unwritable)(column)


def _typed(column: Column, value: Any, wanted: str) -> Fault:
    return Fault(WRONG_TYPE, column.name, f"{type(value).__name__} in place of {wanted}")


def _text(column: Column) -> Check:
    limit = column.max_length

    def check(value: Any) -> Fault | None:
        if not isinstance(value, str):
            return _typed(column, value, "a text")
        if limit is not None and len(value) * 2 > limit and (length := utf16_length(value)) > limit:
            return Fault(TOO_LONG, column.name, f"{length} of {limit}")
        if _NOT_XML.search(value):
            return Fault(ARGUMENT, column.name, "a control character")
        return None

    return check


def _whole(column: Column) -> Check:
    most = _WHOLE[column.kind]
    low, high = -most if column.min is None else column.min, most - 1 if column.max is None else column.max

    def check(value: Any) -> Fault | None:
        if type(value) is not int:
            return _typed(column, value, "a whole number")
        return None if low <= value <= high else Fault(WHOLE_RANGE, column.name, f"{value} isn't within {low:g} and {high:g}")

    return check


def _number(column: Column) -> Check:
    most = _LARGEST[column.kind]
    low, high = -most if column.min is None else column.min, most if column.max is None else column.max

    def check(value: Any) -> Fault | None:
        if type(value) not in (int, float) or not isfinite(value):
            return _typed(column, value, "a number")
        return None if low <= value <= high else Fault(NUMBER_RANGE, column.name, f"{value} isn't within {low:g} and {high:g}")

    return check


def _yes_or_no(column: Column) -> Check:
    return lambda value: None if isinstance(value, bool) else _typed(column, value, "yes or no")


def _choice(column: Column) -> Check:
    options = column.options

    def check(value: Any) -> Fault | None:
        if type(value) is not int:
            return _typed(column, value, "an option's number")
        return None if not options or value in options else Fault(NO_OPTION, column.name, f"option {value}")

    return check


def _choices(column: Column) -> Check:
    def check(value: Any) -> Fault | None:
        picked = value.split(",") if isinstance(value, str) else []
        if not isinstance(value, str) or not all(one.strip().lstrip("-").isdigit() for one in picked):
            return _typed(column, value, "numbers with commas between")
        if len(set(picked)) > MOST_OPTIONS:
            return Fault(ARGUMENT, column.name, f"more than {MOST_OPTIONS} options")
        odd = next((one for one in picked if int(one) not in column.options), None)
        return Fault(NO_OPTION, column.name, f"option {odd.strip()}") if odd is not None else None

    return check


def _moment(column: Column) -> Check:
    return _day_alone(column) if column.behavior == "DateOnly" else _instant(column)


def _day_alone(column: Column) -> Check:
    def check(value: Any) -> Fault | None:
        if not isinstance(value, str) or not _DAY.fullmatch(value) or not _reads(date.fromisoformat, value):
            return _typed(column, value, "a day, YYYY-MM-DD")
        return Fault(ARGUMENT, column.name, "before 1753") if value < EARLIEST else None

    return check


def _instant(column: Column) -> Check:
    def check(value: Any) -> Fault | None:
        if not isinstance(value, str) or "T" not in value or not _ZONE.search(value) or not _reads(datetime.fromisoformat, value):
            return _typed(column, value, "a moment with its zone")
        return Fault(ARGUMENT, column.name, "before 1753") if value < EARLIEST else None

    return check


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _id(column: Column) -> Check:
    return lambda value: None if isinstance(value, str) and _reads(UUID, value) else _typed(column, value, "an id")


def _lookup(column: Column) -> Check:
    return lambda value: Fault(WRONG_TYPE, column.name, "a lookup is bound, not written")


def _unwritable(column: Column) -> Check:
    return lambda value: Fault(ARGUMENT, column.name, f"a column of kind {column.kind} isn't written with a row")


_BUILDERS: Mapping[str, Callable[[Column], Check]] = {
    "String": _text, "Memo": _text, "EntityName": _text, "Integer": _whole, "BigInt": _whole, "Decimal": _number, "Double": _number,
    "Money": _number, "Boolean": _yes_or_no, "Choice": _choice, "State": _choice, "Status": _choice, "MultiChoice": _choices,
    "DateTime": _moment, "Uniqueidentifier": _id, "Lookup": _lookup, "Customer": _lookup, "Owner": _lookup,
}  # fmt: skip
