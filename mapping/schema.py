"""The schema plan: which columns the confirmed maps need, and how they compare with what the destination has."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from connectors.dataverse.columns import Column, ColumnSpec, TableSpec
from mapping.naming import check_prefix
from mapping.playbooks import Playbook, load_playbook
from mapping.transforms import MEMO_LIMIT
from workbench.engagements.errors import BadInput

Verdict = Literal["create", "exists", "conflict"]
SOURCE_ID_LIMIT = 450  # as long as an alternate key may be (900 bytes), should the customer want one on it
RUN_ID_LIMIT = 50
WITHOUT_COLUMNS = ("listmember",)  # tables that take no columns of ours
SPEC_KEYS = frozenset(part.name for part in fields(ColumnSpec))


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column of the plan, seen against one environment: to be created, there already, or in conflict for the `reason`."""

    table: str
    spec: ColumnSpec
    verdict: Verdict
    reason: str = ""


def tracking_columns(prefix: str) -> list[ColumnSpec]:
    """What every table that receives records gets: source id, run id, and the whole texts that didn't fit."""
    return [
        ColumnSpec(
            f"{prefix}_sourceid", "String", "Source ID", "Object and id at the source, such as user:u-118.", max_length=SOURCE_ID_LIMIT
        ),
        ColumnSpec(f"{prefix}_runid", "String", "Migration run", "The run that wrote the row last.", max_length=RUN_ID_LIMIT),
        ColumnSpec(
            f"{prefix}_original_values",
            "Memo",
            "Original values",
            "Values that didn't fit their column, whole, as JSON.",
            max_length=MEMO_LIMIT,
        ),
    ]


def standing_columns(playbook: Playbook, table: str, prefix: str) -> list[ColumnSpec]:
    """The playbook's own columns of a table, and the lookups of one that the plan makes. playbook: with the prefix put in."""
    lookups = [
        ColumnSpec(f"{prefix}_{stem}", "Lookup", target.capitalize(), f"The {target} that the row is of.", target=target)
        for rule in playbook.tables
        if rule.name == table
        for stem, target in rule.lookups.items()
    ]
    plain = [
        ColumnSpec(f"{prefix}_{column.stem}", column.kind, column.display_name, column.description, max_length=column.max_length)
        for column in playbook.columns
        if table in column.tables
    ]
    return lookups + plain


def plan_tables(playbook: Playbook, prefix: str, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Of the tables that objects become those that the plan makes, as the `maps` plan part keeps them. playbook: with the prefix put in."""
    wanted = set(tables)
    made = (rule for rule in playbook.tables if rule.name in wanted)
    return {
        rule.name: asdict(TableSpec(rule.name, rule.display_name, rule.collection_name, rule.description, f"{prefix}_name"))
        for rule in made
    }


def plan_columns(
    rows: Sequence[Mapping[str, Any]], *, prefix: str, platform: str, objects: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """All new columns per table, as the `maps` plan part keeps them: tracking, the playbook's, and those of the confirmed field rows.

    rows: of the `maps` part (`table`, `column`, `state`, `new_column`, `alias`). objects: object -> the tables that it becomes, none where
    it is documented only; the playbook's where they aren't given. Raises BadInput where two rows want one column in two shapes, or a new
    column isn't named as its row's column.
    """
    check_prefix(prefix)
    playbook = load_playbook(platform, prefix)
    aliases = playbook.aliases(prefix)
    becoming = {rule.name: rule.tables for rule in playbook.objects} if objects is None else objects
    tables = dict.fromkeys(table for of_object in becoming.values() for table in of_object)
    planned: dict[str, list[dict[str, Any]]] = {}
    for table in (name for name in tables if name not in WITHOUT_COLUMNS):
        specs = {spec.name: spec for spec in (*tracking_columns(prefix), *standing_columns(playbook, table, prefix))}
        named = dict(aliases)
        for row in rows:
            if row["table"] == table and row["state"] == "confirmed" and row.get("new_column"):
                _add(specs, row)
                named |= {row["column"]: row["alias"]} if row.get("alias") else {}
        planned[table] = [spec_as_dict(spec, named.get(spec.name, "")) for spec in specs.values()]
    return planned


def _add(specs: dict[str, ColumnSpec], row: Mapping[str, Any]) -> None:
    spec = spec_from_dict(row["new_column"])
    if spec.name != row["column"]:
        raise BadInput(f"Field {row['source']} goes to {row['column']}, and its new column is named {spec.name}.")
    known = specs.setdefault(spec.name, spec)
    if (known.kind, known.max_length, known.format) != (spec.kind, spec.max_length, spec.format):
        raise BadInput(f"The column {spec.name} of {row['table']} is planned twice, in two shapes.", remedy="Rename one of the two.")


def spec_as_dict(spec: ColumnSpec, alias: str = "") -> dict[str, Any]:
    """A column as plan parts keep it: JSON, without what it leaves open; `alias` is the offer's name for it."""
    content = {key: value for key, value in asdict(spec).items() if value not in (None, "", ())}
    if spec.options:
        content["options"] = [[value, text] for value, text in spec.options]
    return content | ({"alias": alias} if alias else {})


def spec_from_dict(content: Mapping[str, Any]) -> ColumnSpec:
    """A column from a plan part. Raises BadInput where something is missing or unknown."""
    unknown = set(content) - SPEC_KEYS - {"alias"}
    if unknown:
        raise BadInput(f"The planned column {content.get('name')!r} has unknown keys: {', '.join(sorted(unknown))}.")
    kept = {key: value for key, value in content.items() if key != "alias"}
    try:
        return ColumnSpec(**kept | {"options": tuple((int(value), str(text)) for value, text in content.get("options", ()))})
    except (TypeError, ValueError) as error:
        raise BadInput(f"The planned column {content.get('name')!r} can't be read: {error}") from error


def columns_of(maps: Mapping[str, Any], table: str) -> list[ColumnSpec]:
    """The planned columns of one table out of the `maps` plan part."""
    return [spec_from_dict(content) for content in maps["columns"].get(table, ())]


def tables_of(maps: Mapping[str, Any]) -> dict[str, TableSpec]:
    """The tables that the plan makes, out of the `maps` plan part."""
    return {name: TableSpec(**content) for name, content in maps["tables"].items()}


def compare(
    planned: Mapping[str, Sequence[ColumnSpec]], existing: Mapping[str, Mapping[str, Column]], made: Collection[str] = ()
) -> list[PlannedColumn]:
    """The plan against one environment.

    existing: table -> its columns by name. made: tables that the plan makes; another one that isn't there is one conflict per column.
    """
    found: list[PlannedColumn] = []
    for table, specs in planned.items():
        columns = existing.get(table, {} if table in made else None)
        for spec in specs:
            if columns is None:
                found.append(PlannedColumn(table, spec, "conflict", f"The destination has no table {table}."))
            elif spec.name not in columns:
                found.append(PlannedColumn(table, spec, "create"))
            else:
                reason = _conflict(spec, columns[spec.name])
                found.append(PlannedColumn(table, spec, "conflict" if reason else "exists", reason))
    return found


def _conflict(spec: ColumnSpec, column: Column) -> str:
    """Why a column that is there can't hold what the plan wants in it; empty where it can."""
    if column.kind != spec.kind:
        return f"It is a {column.kind} there, and a {spec.kind} is planned."
    if not column.valid_for_create:
        return "It can't be written there."
    checks = (
        _shorter(spec, column),
        _narrower(spec, column),
        _other_format(spec, column),
        _fewer_options(spec, column),
        _other_target(spec, column),
    )
    return " ".join(filter(None, checks))


def _shorter(spec: ColumnSpec, column: Column) -> str:
    if spec.max_length is None or column.max_length is None or column.max_length >= spec.max_length:
        return ""
    return f"It takes {column.max_length} characters there, and {spec.max_length} are planned."


def _narrower(spec: ColumnSpec, column: Column) -> str:
    if spec.precision is not None and column.precision is not None and column.precision < spec.precision:
        return f"It keeps {column.precision} decimals there, and {spec.precision} are planned."
    low = spec.min is not None and column.min is not None and column.min > spec.min
    high = spec.max is not None and column.max is not None and column.max < spec.max
    return f"It takes {column.min} to {column.max} there, and {spec.min} to {spec.max} is planned." if low or high else ""


def _other_format(spec: ColumnSpec, column: Column) -> str:
    if spec.kind != "DateTime" or not column.format or (spec.format or "DateAndTime") == column.format:
        return ""
    return f"It is {column.format} there, and {spec.format or 'DateAndTime'} is planned."


def _other_target(spec: ColumnSpec, column: Column) -> str:
    if spec.target is None or spec.target in column.targets:
        return ""
    return f"It leads to {', '.join(column.targets) or 'nothing'} there, and {spec.target} is planned."


def _fewer_options(spec: ColumnSpec, column: Column) -> str:
    missing = [text for value, text in spec.options if value not in column.options] if spec.kind != "Boolean" else []
    return f"It has no option for {', '.join(missing[:5])}." if missing else ""
