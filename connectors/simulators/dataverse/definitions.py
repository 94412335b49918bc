"""From a client's metadata JSON to a column: types, limits, names (facts, section 6). Raises ServiceError for what the service refuses."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import errors
from .catalog import Catalog
from .columns import Column
from .identifiers import stable_id
from .metadata_shapes import TYPES, column_shape, read_label
from .paths import NAMESPACE
from .tables import Table

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{1,7}_[A-Za-z0-9_]+")
MAX_NAME = 50  # schema name with prefix (mission's rule; the service allows a few more for some types)
_KINDS = {odata: kind for kind, (odata, _, _) in reversed(TYPES.items())}
_TEXT_FORMATS = {"Text", "Email", "Phone", "TextArea", "Url", "TickerSymbol", "RichText", "Json"}
# kind -> (lowest, highest, least precision, most)
_NUMBERS = {"Integer": (-2147483648, 2147483647, 0, 0), "Decimal": (-1e11, 1e11, 0, 10), "Double": (-1e11, 1e11, 0, 5),
            "Money": (-922337203685477, 922337203685477, 0, 4)}  # fmt: skip
_LENGTHS = {"String": (4000, 100), "Memo": (1048576, 2000)}


def read_column(catalog: Catalog, table: Table, shape: Mapping[str, Any], prefixes: set[str]) -> Column:
    """A new column of a table, from AttributeMetadata."""
    kind = _kind(shape)
    schema = str(shape.get("SchemaName") or "")
    _check_name(table, schema, kind, prefixes)
    column = Column(
        schema.lower(), kind, schema, read_label(shape.get("DisplayName")) or schema, read_label(shape.get("Description")),
        custom=True, metadata_id=stable_id("column", table.name, schema.lower()), required=required_level(shape),
        secured=bool(shape.get("IsSecured")),
    )  # fmt: skip
    _READERS.get(kind, _nothing)(catalog, table, column, shape)
    return column


def required_level(shape: Mapping[str, Any]) -> str:
    """None, Recommended or ApplicationRequired. Raises ServiceError for SystemRequired, which only the service sets."""
    level = shape.get("RequiredLevel")
    value = str(level.get("Value", "None")) if isinstance(level, Mapping) else "None"
    if value not in {"None", "Recommended", "ApplicationRequired"}:
        raise errors.invalid_argument(f"RequiredLevel '{value}' can't be set.")
    return value


def _kind(shape: Mapping[str, Any]) -> str:
    name = str(shape.get("@odata.type", "")).lstrip("#").removeprefix(NAMESPACE).replace("Complex", "")
    kind = _KINDS.get(name)
    if kind is None or kind in {"State", "Status", "Uniqueidentifier", "EntityName", "PartyList"}:
        raise errors.bad_payload(f"A column of type '{name}' can't be created.")
    return {"Owner": "Lookup", "Customer": "Lookup"}.get(kind, kind)


def _check_name(table: Table, schema: str, kind: str, prefixes: set[str]) -> None:
    name = schema.lower()
    if not _NAME.fullmatch(schema) or len(schema) > MAX_NAME:
        raise errors.ServiceError(400, "0x8004801e", f"The attribute name '{schema}' is invalid. Names begin with a publisher's prefix and"
                                  f" hold letters, digits and underscores, at most {MAX_NAME}.")  # fmt: skip
    if name.partition("_")[0] not in prefixes:
        raise errors.ServiceError(400, "0x8004801e", f"The prefix of '{schema}' isn't that of a publisher of the organization.")
    if name == table.primary_id or name in taken_names(table):
        raise errors.ServiceError(400, "0x80044363", f"An attribute with the specified name {name} already exists for entity {table.name}.")
    clash = {f"{name}{tail}" for tail in tails(kind)} & set(table.columns)
    if clash:
        raise errors.ServiceError(400, "0x80044363", f"The column '{name}' also needs '{clash.pop()}', which exists.")


def taken_names(table: Table) -> set[str]:
    """Names of columns and those that their types add beside them."""
    return {f"{c.name}{tail}" for c in table.columns.values() for tail in ("", *tails(c.kind))}


def tails(kind: str) -> tuple[str, ...]:
    """What a column type adds names with (virtual name columns, base amounts)."""
    if kind == "Money":
        return ("_base",)
    if kind == "File":
        return ("_name",)
    if kind in {"Lookup", "Customer", "Owner"}:
        return ("name", "yominame")
    return ("name",) if kind in {"Choice", "MultiChoice", "Boolean", "State", "Status"} else ()


def change_limits(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    """Take lengths, limits and format of a changed definition; what isn't given stays. Raises ServiceError, and nothing is changed then."""
    if column.kind not in {"String", "Memo", "Integer", "Decimal", "Double", "Money"}:
        return
    changed = replace(column)
    _READERS[column.kind](catalog, table, changed, {**column_shape(table, column), **shape})
    for name in ("max_length", "min", "max", "precision", "precision_source", "format"):
        setattr(column, name, getattr(changed, name))


def _nothing(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    return None


def _text(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    most, usual = _LENGTHS[column.kind]
    column.max_length = _whole(shape, "MaxLength", usual)
    if not 1 <= column.max_length <= most:
        raise errors.invalid_argument(f"MaxLength of '{column.name}' is 1 to {most}, not {column.max_length}.")
    given = shape.get("FormatName")
    form = given.get("Value") if isinstance(given, Mapping) else shape.get("Format")
    column.format = str(form or ("Text" if column.kind == "String" else "TextArea"))
    if column.kind == "String" and column.format not in _TEXT_FORMATS:
        raise errors.invalid_argument(f"The format '{column.format}' isn't one of a text column.")
    column.auto_number = str(shape.get("AutoNumberFormat") or "")


def _number(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    low, high, least, most = _NUMBERS[column.kind]
    column.min = low if shape.get("MinValue") is None else float(shape["MinValue"])
    column.max = high if shape.get("MaxValue") is None else float(shape["MaxValue"])
    if not low <= column.min <= column.max <= high:
        raise errors.invalid_argument(f"The limits of '{column.name}' must lie within {low:.0f} and {high:.0f}.")
    if column.kind != "Integer":
        column.precision = _whole(shape, "Precision", 2)
        if not least <= column.precision <= most:
            raise errors.invalid_argument(f"Precision of '{column.name}' is {least} to {most}, not {column.precision}.")
    if column.kind == "Money":
        column.precision_source = _whole(shape, "PrecisionSource", 2)
    if column.kind == "Integer":
        column.format = str(shape.get("Format") or "None")


def _date(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    column.format = str(shape.get("Format") or "DateAndTime")
    given = shape.get("DateTimeBehavior")
    column.behavior = str(given.get("Value")) if isinstance(given, Mapping) else "UserLocal"
    if column.format not in {"DateOnly", "DateAndTime"} or column.behavior not in {"UserLocal", "DateOnly", "TimeZoneIndependent"}:
        raise errors.invalid_argument(f"'{column.name}' has an unknown format or behavior.")
    if column.behavior == "DateOnly" and column.format != "DateOnly":
        raise errors.invalid_argument("DateOnly behavior needs the DateOnly format.")


def _boolean(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    given = shape.get("OptionSet") or {}
    yes, no = read_label((given.get("TrueOption") or {}).get("Label")), read_label((given.get("FalseOption") or {}).get("Label"))
    column.options = {1: yes or "Yes", 0: no or "No"}
    column.default = bool(shape.get("DefaultValue", False))


def _choice(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    reference = shape.get("GlobalOptionSet@odata.bind") or (shape.get("OptionSet") or {}).get("Name")
    shared = next((c for c in catalog.choices.values() if reference and (c.metadata_id in str(reference) or c.name == reference)), None)
    if shape.get("GlobalOptionSet@odata.bind") and shared is None:
        raise errors.bad_payload(f"No global choice '{reference}'.")
    if shared is not None:
        column.global_options, column.options = shared.name, shared.options
    else:
        column.options = read_options((shape.get("OptionSet") or {}).get("Options") or [])
    if not column.options:
        raise errors.invalid_argument(f"The choice '{column.name}' has no options.")
    default = shape.get("DefaultFormValue")
    column.default = default if isinstance(default, int) and default in column.options else None


def read_options(items: list[Any]) -> dict[int, str]:
    """Options with their values. Raises ServiceError for one without a value or label, or twice the same."""
    found: dict[int, str] = {}
    for item in items:
        value, text = item.get("Value"), read_label(item.get("Label"))
        if type(value) is not int or not text:
            raise errors.invalid_argument("An option needs a whole Value and a Label.")
        if value in found:
            raise errors.ServiceError(400, "0x80048403", f"An option with the value {value} exists already.")
        found[value] = text
    return found


def _file(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    column.extra = {"MaxSizeInKB": _whole(shape, "MaxSizeInKB", 32768)}
    column.valid_for_create = column.valid_for_update = False


def _lookup(catalog: Catalog, table: Table, column: Column, shape: Mapping[str, Any]) -> None:
    column.targets = tuple(shape.get("Targets") or ())


def _whole(shape: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = shape.get(name)
    if value is None:
        return otherwise
    if type(value) is not int:
        raise errors.wrong_type(value, "Edm.Int32")
    return value


_READERS = {"String": _text, "Memo": _text, "Integer": _number, "Decimal": _number, "Double": _number, "Money": _number, "DateTime": _date,
            "Boolean": _boolean, "Choice": _choice, "MultiChoice": _choice, "File": _file, "Image": _file, "Lookup": _lookup}  # fmt: skip
