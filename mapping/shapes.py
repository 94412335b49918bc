"""The shape of a new column for a source field: its type by what the source declares and the records bear out."""

from collections.abc import Mapping, Sequence
from typing import Any

from mapping.fieldprofiles import FieldProfile
from mapping.transforms import MEMO_LIMIT, STRING_LIMIT
from mapping.transforms.moments import MOMENT
from mapping.transforms.numbers import RANGES

TEXT_LENGTHS = (100, 250, 500, 1_000, 2_000, STRING_LIMIT)
MEMO_LENGTHS = (10_000, 100_000, MEMO_LIMIT)
MOST_OF_ONE_TYPE = 0.9  # below this share of one JSON type a field becomes text, so that nothing is lost
ROOM = 1.25  # a sample's longest text is rarely the longest of all
STRUCTURES = {"array", "object", "null"}
DAY_LENGTH = 10  # 2024-03-05

# Words of sources for their types, without case; others are judged by what the records hold.
DECLARED = {
    **dict.fromkeys(("string", "text"), "string"),
    **dict.fromkeys(("date", "datetime", "timestamp"), "date"),
    **dict.fromkeys(("long", "integer", "int"), "integer"),
    **dict.fromkeys(("double", "float", "number", "decimal"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("object", "nested", "geo_location"), "structure"),
}
READ_BY = {
    "string": ("string",),
    "date": ("string", "integer"),
    "integer": ("integer",),
    "number": ("integer", "number"),
    "boolean": ("boolean",),
    "structure": ("array", "object"),
}


def sort_of(one: FieldProfile) -> tuple[str, str]:
    """What a field holds (string, date, integer, number, boolean, structure) and the sentence that says why."""
    held = {kind: count for kind, count in one.types.items() if kind != "null"}
    total = sum(held.values())
    word = one.declared_type.casefold()
    declared = "structure" if "array" in word else DECLARED.get(word)
    if declared and total and _share(held, declared, total) >= MOST_OF_ONE_TYPE:
        return declared, f"Declared as {one.declared_type} at the source."
    if not declared and total and _read_as_dates(one, held):
        return "date", "Its commonest values read as dates."
    for sort in ("boolean", "integer", "number", "structure", "string"):
        if total and _share(held, sort, total) >= MOST_OF_ONE_TYPE:
            return sort, f"Its values are of type {sort}" + (f", though declared as {one.declared_type}." if declared else ".")
    return "string", "Its values are of several types; as text none is lost."


def _read_as_dates(one: FieldProfile, held: Mapping[str, int]) -> bool:
    return set(held) == {"string"} and bool(one.top) and all(MOMENT.fullmatch(value.strip()) for value, _ in one.top)


def _share(held: Mapping[str, int], sort: str, total: int) -> float:
    return sum(held.get(kind, 0) for kind in READ_BY[sort]) / total


def shape_of(one: FieldProfile, sort: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The transform, the column's kind with its limits, and the transform's options."""
    if sort == "boolean":
        return "boolean", {"kind": "Boolean"}, {}
    if sort == "date":
        return _date_shape(one)
    if sort == "structure":
        return "json", {"kind": "Memo", "max_length": _length(one, MEMO_LENGTHS)}, {}
    if sort in ("integer", "number"):
        found = _number_shape(one, sort)
        if found:
            return found
    if (one.max_length or 0) * ROOM > STRING_LIMIT:
        return "memo", {"kind": "Memo", "max_length": _length(one, MEMO_LENGTHS)}, {}
    return "text", {"kind": "String", "max_length": _length(one, TEXT_LENGTHS)}, {}


def _date_shape(one: FieldProfile) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Days where no value is longer than a day; numbers are read as seconds or milliseconds by their size."""
    if one.types.get("integer"):
        return "datetime", {"kind": "DateTime", "format": "DateAndTime"}, {"epoch": "auto"}
    if (one.max_length or DAY_LENGTH + 1) <= DAY_LENGTH:
        return "date", {"kind": "DateTime", "format": "DateOnly"}, {}
    return "datetime", {"kind": "DateTime", "format": "DateAndTime"}, {}


def _number_shape(one: FieldProfile, sort: str) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """Whole numbers and decimals within the column types' ranges; None for longer ones, which are ids and become text."""
    if _within(one, "Integer") and sort == "integer" and not one.types.get("number"):
        return "integer", {"kind": "Integer"}, {}
    if not _within(one, "Decimal"):
        return None
    whole = sort == "integer" and not one.types.get("number")
    return "decimal", {"kind": "Decimal", "precision": 0 if whole else min(max(one.decimals, 2), 10)}, {}


def _within(one: FieldProfile, kind: str) -> bool:
    low, high = RANGES[kind]
    return (one.min is None or one.min >= low) and (one.max is None or one.max <= high)


def _length(one: FieldProfile, lengths: Sequence[int]) -> int:
    wanted = (one.max_length or 0) * ROOM
    return next((length for length in lengths if length >= wanted), lengths[-1])
