"""Checks of one value against its column: what the service stores, or the error that it answers with.

Each checker is compiled once per column: `check(value) -> stored value`, None for null.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from . import errors
from .columns import Column
from .identifiers import read_guid

Check = Callable[[Any], Any]

EARLIEST = "1753-01-01"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,12})?)?(Z|z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Defaults where the column gives no limits, and the code of a number outside them.
_LIMITS = {
    "Integer": (-2147483648, 2147483647, "0x8004432f"),
    "BigInt": (-9223372036854775808, 9223372036854775807, "0x8004432f"),
    "Decimal": (-100_000_000_000, 100_000_000_000, "0x80044330"),
    "Double": (-100_000_000_000, 100_000_000_000, "0x80044330"),
    "Money": (-922337203685477, 922337203685477, "0x80044330"),
}
_EDM = {"Integer": "Edm.Int32", "BigInt": "Edm.Int64", "Decimal": "Edm.Decimal", "Money": "Edm.Decimal", "Double": "Edm.Double"}


def compile_check(table: str, column: Column) -> Check:
    """The checker of a column's values."""
    return _BUILDERS.get(column.kind, _refused)(table, column)


def utf16_length(text: str) -> int:
    """Length as the service counts it: UTF-16 code units, so most emoji count two (*assumed*: .NET's string length)."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text(table: str, column: Column) -> Check:
    limit = column.max_length or (100 if column.kind == "String" else 2000)
    name = column.name

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            if value is None:
                return None
            raise errors.wrong_type(value, "Edm.String")
        if len(value) * 2 > limit and utf16_length(value) > limit:
            raise errors.too_long(table, name, limit)
        if _CONTROL.search(value):  # *assumed*: the service's own XML can't carry them
            raise errors.invalid_argument(f"The text of '{name}' holds a character that is invalid in XML.")
        return value or None  # empty text is stored as null

    return check


def _integer(table: str, column: Column) -> Check:
    low, high, code = _bounds(column)
    name, edm = column.name, _EDM[column.kind]

    def check(value: Any) -> Any:
        if type(value) is not int:
            if value is None:
                return None
            raise errors.wrong_type(value, edm)
        if not low <= value <= high:
            raise errors.out_of_range(code, table, name)
        return value

    return check


def _number(table: str, column: Column) -> Check:
    low, high, code = _bounds(column)
    name, edm = column.name, _EDM[column.kind]
    step = Decimal(1).scaleb(-(column.precision if column.precision is not None else 5))

    def check(value: Any) -> Any:
        if type(value) is not float and type(value) is not int:
            if value is None:
                return None
            raise errors.wrong_type(value, edm)
        if not low <= value <= high:
            raise errors.out_of_range(code, table, name)
        if type(value) is int or column.precision_source:  # such money is rounded with its row, see `money`
            return value
        return float(Decimal(repr(value)).quantize(step, ROUND_HALF_EVEN))  # *assumed*: rounded to the precision, not refused

    return check


def _bounds(column: Column) -> tuple[float, float, str]:
    low, high, code = _LIMITS[column.kind]
    return low if column.min is None else column.min, high if column.max is None else column.max, code


def _boolean(table: str, column: Column) -> Check:
    def check(value: Any) -> Any:
        if value is None or value is True or value is False:
            return value
        raise errors.wrong_type(value, "Edm.Boolean")

    return check


def _choice(table: str, column: Column) -> Check:
    name, options = column.name, column.options

    def check(value: Any) -> Any:
        if type(value) is not int:
            if value is None:
                return None
            raise errors.wrong_type(value, "Edm.Int32")
        if options and value not in options:  # a list that the facts don't give takes any number
            raise errors.not_an_option(table, name, value, ",".join(map(str, sorted(options))))
        return value

    return check


def _choices(table: str, column: Column) -> Check:
    name, options = column.name, column.options

    def check(value: Any) -> Any:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise errors.wrong_type(value, "Edm.String")
        parts = [part.strip() for part in value.split(",")]
        if not all(part.lstrip("-").isdigit() for part in parts):
            raise errors.wrong_type(value, "Microsoft.Dynamics.CRM.OptionSetValueCollection")
        picked = sorted({int(part) for part in parts})
        if len(picked) > 150:
            raise errors.invalid_argument(f"'{name}' takes at most 150 options.")
        for one in picked:
            if one not in options:
                raise errors.not_an_option(table, name, one, ",".join(map(str, sorted(options))))
        return ",".join(map(str, picked))

    return check


def _date(table: str, column: Column) -> Check:
    name, midnight = column.name, column.format == "DateOnly"

    def day(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str) or not _DAY.fullmatch(value) or not _real_day(value):
            raise errors.wrong_type(value, "Edm.Date")
        if value < EARLIEST:
            raise errors.out_of_range("0x80040203", table, name)
        return value

    def moment(value: Any) -> Any:
        if value is None:
            return None
        text = read_moment(value)
        if text < EARLIEST:
            raise errors.out_of_range("0x80040203", table, name)
        return f"{text[:10]}T00:00:00Z" if midnight else text  # *assumed*: a day without a time is kept as its midnight

    return day if column.behavior == "DateOnly" else moment


def read_moment(value: Any) -> str:
    """A moment with an offset as UTC to the second, `2024-01-01T00:00:00Z`. Fractions are cut (*assumed*)."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise errors.wrong_type(value, "Edm.DateTimeOffset")
    try:
        plain, zone = f"{value[:16]}:{match.group(6) or '00'}", match.group(7).upper()
        found = datetime.fromisoformat(plain + ("+00:00" if zone == "Z" else zone))
        return f"{plain if zone == 'Z' else found.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    except (ValueError, OverflowError) as error:
        raise errors.wrong_type(value, "Edm.DateTimeOffset") from error


def _real_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _guid(table: str, column: Column) -> Check:
    def check(value: Any) -> Any:
        if value is None:
            return None
        found = read_guid(value)
        if found is None:
            raise errors.wrong_type(value, "Edm.Guid")
        return found

    return check


def _lookup(table: str, column: Column) -> Check:
    def check(value: Any) -> Any:
        raise errors.bad_payload(
            f"CRM do not support direct update of Entity Reference properties, Use Navigation properties instead. Property '{column.name}'."
        )

    return check


def _refused(table: str, column: Column) -> Check:
    def check(value: Any) -> Any:
        raise errors.invalid_argument(f"The column '{column.name}' of kind {column.kind} can't be written in a row.")

    return check


_BUILDERS: dict[str, Callable[[str, Column], Check]] = {
    "String": _text, "Memo": _text, "EntityName": _text, "Integer": _integer, "BigInt": _integer,
    "Decimal": _number, "Double": _number, "Money": _number, "Boolean": _boolean,
    "Choice": _choice, "State": _choice, "Status": _choice, "MultiChoice": _choices,
    "DateTime": _date, "Uniqueidentifier": _guid, "Lookup": _lookup, "Customer": _lookup, "Owner": _lookup,
}  # fmt: skip
