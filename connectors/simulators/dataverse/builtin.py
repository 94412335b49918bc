"""Builds the catalog of a new organisation from the facts and the lists of built-in tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from . import builtin_tables as known
from .catalog import Catalog
from .columns import OF_CURRENCY, OF_ORGANISATION, Column
from .identifiers import stable_id
from .tables import Table

FACTS = Path(__file__).with_name("dataverse_columns.tsv")
_REQUIRED = {"systemrequired": "SystemRequired", "required": "ApplicationRequired", "recommended": "Recommended"}
_AUDIT = (
    "createdon:DateTime modifiedon:DateTime overriddencreatedon:DateTime importsequencenumber:Integer timezoneruleversionnumber:Integer"
    " utcconversiontimezonecode:Integer versionnumber:BigInt createdby:Lookup:systemuser modifiedby:Lookup:systemuser"
    " createdonbehalfby:Lookup:systemuser"
)
_OWNER = (
    "ownerid:Owner:systemuser,team owningbusinessunit:Lookup:businessunit owninguser:Lookup:systemuser owningteam:Lookup:team"
    " statecode:State statuscode:Status"
)


def build_catalog() -> Catalog:
    """A catalog with every built-in table and the relationships of their lookups."""
    catalog = Catalog()
    facts = _facts()
    for name, identity in known.DESCRIBED.items():
        catalog.add_table(_table(name, identity, facts.get(name, [])))
    for name, (identity, columns) in known.PLAIN.items():
        catalog.add_table(_table(name, identity, list(_spelled(name, columns))))
    for table in list(catalog.tables.values()):
        for column in table.columns.values():
            catalog.relate(table, column)
    catalog.relate_many()
    return catalog


def install_apps(catalog: Catalog, names: Iterable[str]) -> None:
    """Add the tables of the maker's apps that are among the names."""
    added = [_table(name, *known.APPS[name][:1], list(_spelled(name, known.APPS[name][1]))) for name in known.APPS if name in set(names)]
    for table in added:
        catalog.add_table(table)
    for table in added:
        for column in table.columns.values():
            catalog.relate(table, column)


def standard_columns(table: str, *, user_owned: bool, custom: bool = False) -> list[Column]:
    """The columns that every table has, and those of an owned one."""
    spelled = f"{_AUDIT} {_OWNER}" if user_owned else f"{_AUDIT} statecode:State statuscode:Status"
    columns = list(_spelled(table, spelled))
    for column in columns:
        finish(table, column, custom_table=custom)
    return columns


def _facts() -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    with FACTS.open(encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines if not line.startswith(("#", "table\t")))
        for row in rows:
            found.setdefault(row[0], []).append(_fact(row + [""] * (10 - len(row))))
    return found


def _fact(row: list[str]) -> Column:
    _table_name, name, kind, length, low, high, required, targets, display, options = row
    column = Column(name, kind, display_name=display, required=_REQUIRED.get(required, "None"))
    column.max_length = int(length) if length else None
    column.min = float(low) if low else None
    column.max = float(high) if high else None
    column.targets = tuple(targets.split(",")) if targets else ()
    column.options, column.states = read_options(options)
    return column


def read_options(text: str) -> tuple[dict[int, str], dict[int, int]]:
    """Choices from `value=label[@state];...`: labels by value, and states by value where given."""
    options: dict[int, str] = {}
    states: dict[int, int] = {}
    for part in filter(None, text.split(";")):
        value, _, label = part.partition("=")
        if not value.lstrip("-").isdigit():
            continue
        label, at, state = label.rpartition("@") if "@" in label else (label, "", "")
        options[int(value)] = label
        if at:
            states[int(value)] = int(state)
    return options, states


def _spelled(table: str, text: str) -> Iterator[Column]:
    for word in text.split():
        name, kind, *rest = word.rstrip("!").split(":")
        column = Column(name, kind, display_name=name, demanded=word.endswith("!"))
        column.required = "SystemRequired" if column.demanded else "None"
        if rest and column.is_lookup:
            column.targets = tuple(rest[0].split(","))
        elif rest:
            column.max_length = int(rest[0])
        column.options, column.states = read_options(known.OPTIONS.get((table, name), ""))
        yield column


def _table(name: str, identity: tuple[str, str, str, str, int, str], columns: list[Column]) -> Table:
    schema, entity_set, key, primary_name, code, flags = identity
    ownership = "OrganizationOwned" if "o" in flags else "None" if "n" in flags else "UserOwned"
    table = Table(
        name, schema, entity_set, key, primary_name, code, ownership,
        display_name=schema, collection_name=entity_set.capitalize(),
        activity="a" in flags, has_notes="N" in flags, has_activities="A" in flags,
        takes_columns="c" not in flags, bulk="x" not in flags, intersect=name in known.INTERSECTS,
        metadata_id=stable_id("table", name), installed="i" in flags, audited=name in known.AUDITED,
    )  # fmt: skip
    extra = _spelled(name, f"{known.ADDED.get(name, '')} {_AUDIT} {_OWNER if table.user_owned else ''}")
    for column in [Column(key, "Uniqueidentifier", required="SystemRequired"), *columns, *extra]:
        if column.name not in table.columns or column.name == key:
            table.columns[column.name] = column
    for column in table.columns.values():
        finish(name, column)
    if key in table.columns:
        table.columns[key].kind = "Uniqueidentifier"
    return table


def finish(table: str, column: Column, *, custom_table: bool = False) -> None:
    """Fill in what follows from a column's name and kind: limits, options of states, defaults, what may be written."""
    column.schema_name = column.schema_name or column.name
    column.metadata_id = column.metadata_id or stable_id("column", table, column.name)
    column.display_name = column.display_name or column.name
    _finish_kind(table, column)
    _finish_state(table, column)
    _finish_default(column)
    _finish_rights(table, column, custom_table)


def _finish_kind(table: str, column: Column) -> None:
    if column.kind == "Choice" and column.name.endswith("objecttypecode"):
        column.kind = "EntityName"
    if column.kind == "String" and (column.max_length or 0) > 4000:
        column.kind = "Memo"
    if column.kind == "Lookup" and column.name in {"parentcustomerid", "customerid"} and len(column.targets) > 1:
        column.kind = "Customer"
    if column.kind == "DateTime":
        column.behavior = "DateOnly" if column.name in known.DATE_ONLY else "UserLocal"
        column.format = "DateOnly" if column.name in known.DATE_ONLY or (table, column.name) in known.DAY_FORMAT else "DateAndTime"
    if column.kind == "String" and not column.max_length:
        column.max_length = 100
    if column.kind == "Decimal" and column.precision is None:
        column.precision = 10 if column.name == "exchangerate" else 5
    if column.kind == "Money" and column.precision is None:
        column.precision = 4 if column.name.endswith("_base") else 2
        column.precision_source = OF_ORGANISATION if (table, column.name) in known.PRICES else OF_CURRENCY


def _finish_state(table: str, column: Column) -> None:
    states, reasons = known.STATES.get(table, known.STATES[""])
    if column.kind == "State" and not column.options:
        column.options, _ = read_options(states)
    if column.kind == "Status" and not column.options:
        column.options, column.states = read_options(reasons)
    if column.kind in {"State", "Status"}:
        first = known.STATE_DEFAULTS.get(table, (0, 1))
        column.default = first[0] if column.kind == "State" else first[1]
        column.required = "SystemRequired" if column.kind == "State" else "None"


def _finish_default(column: Column) -> None:
    if column.custom or column.default is not None:
        return
    if column.name in known.DEFAULTS and column.kind in {"Boolean", "Choice"}:
        column.default = known.DEFAULTS[column.name]
    elif column.kind == "Boolean":
        column.default = False
    elif column.kind == "Choice" and list(column.options.values()) == ["Default Value"]:
        column.default = next(iter(column.options))


def _finish_rights(table: str, column: Column, custom_table: bool) -> None:
    if column.custom:
        return
    place = (table, column.name)
    filled = column.name in known.SERVER_FILLED or place in known.SERVER_FILLED_IN
    if column.required == "SystemRequired" and column.kind in {"String", "Lookup", "Customer"} and not filled:
        column.demanded = True
    column.demanded = column.demanded or place in known.DEMANDED
    if (column.name in known.READ_ONLY and place not in known.WRITABLE) or place in known.READ_ONLY_IN or column.name.endswith("_base"):
        column.valid_for_create = column.valid_for_update = False
    if column.name in known.CREATE_ONLY or place in known.UPDATE_REFUSED_SILENTLY:
        column.valid_for_update = False
    if column.kind == "State" and not custom_table and table not in known.STATE_AT_CREATE:
        column.valid_for_create = False
    if column.kind == "Uniqueidentifier" and column.name.startswith("address") and column.name.endswith("addressid"):
        column.valid_for_create = column.valid_for_update = False
