"""Which transform fills a column from a field, and which columns a field map may fill at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapping.fieldprofiles import FieldProfile
from mapping.likeness.evidence import labels_of
from mapping.transforms import ColumnLike
from mapping.valuemaps import propose_values

# Staging fills these by rules of its own (consent, owners, states, names, parents); a map beside them would be overwritten or weaken them.
BY_RULES = frozenset({"ownerid", "overriddencreatedon", "createdon", "statecode", "statuscode", "followemail", "fullname", "emailaddress1"})
BY_RULES_IN = {"lead": frozenset({"subject"})}
BY_RULES_BEGIN = ("donot",)
OF_KIND = {
    "String": "text", "Memo": "memo", "Integer": "integer", "BigInt": "integer", "Decimal": "decimal", "Double": "decimal",
    "Money": "money", "Boolean": "boolean", "DateTime": "datetime", "Choice": "choice", "MultiChoice": "multichoice",
}  # fmt: skip
OF_FORMAT = {"Email": "email", "Url": "url", "Phone": "phone"}
MOST_VALUES = 0.5  # share of the commonest values that must have an option, else a choice isn't proposed


@dataclass(frozen=True, slots=True)
class Suit:
    """A transform with its options."""

    transform: str
    options: Mapping[str, Any]


def filled_by_rules(table: str, column: str) -> bool:
    """Whether staging fills a column itself."""
    return column in BY_RULES or column in BY_RULES_IN.get(table, ()) or column.startswith(BY_RULES_BEGIN)


def suit(column: ColumnLike, profile: FieldProfile | None = None) -> Suit | None:
    """The transform that fills a column from such a field; None where none can, as for lookups and states.

    A choice comes with the value map that the labels' likeness gives.
    """
    name = OF_KIND.get(column.kind)
    if name is None:
        return None
    if column.kind in ("Choice", "MultiChoice"):
        return Suit(name, {"values": propose_values([value for value, _ in profile.top] if profile else (), labels_of(column))})
    if column.kind == "String":
        name = OF_FORMAT.get(column.format or "", name)
    if column.kind == "DateTime":
        counted = bool(profile and profile.types.get("integer"))
        return Suit("date" if column.format == "DateOnly" else "datetime", {"epoch": "auto"} if counted else {})
    return Suit(name, {})


def values_fit(found: Suit, profile: FieldProfile) -> bool:
    """Whether a choice's value map covers enough of the commonest values; other transforms always do."""
    if found.transform not in ("choice", "multichoice"):
        return True
    total = sum(count for _, count in profile.top)
    covered = sum(count for value, count in profile.top if value in found.options["values"])
    return bool(total) and covered / total >= MOST_VALUES
