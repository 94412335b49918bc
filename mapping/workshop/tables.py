"""The destination's columns as field maps see them: as last read, else as Microsoft documents them, with the columns still to be made."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.utils import timezone

from connectors.dataverse.columns import Column, ColumnSpec, Table
from mapping.likeness import builtin
from mapping.playbooks import load_playbook
from mapping.schema import spec_from_dict, standing_columns, tracking_columns
from mapping.transforms import ColumnLike
from mapping.workshop.models import DestinationTable, FieldMap
from workbench.engagements.models import Engagement, Environment

_FACTS = tuple(field.name for field in fields(Column) if field.name != "table")
BY_NUMBER = ("options", "states")  # whose keys are numbers, which JSON makes text


def keep(environment: Environment, tables: Mapping[str, Table]) -> None:
    """Keep what was read of an environment's tables in place of what was known of them."""
    DestinationTable.objects.bulk_create(
        (
            DestinationTable(
                environment=environment,
                name=name,
                columns={column: _facts(found) for column, found in table.columns.items()},
                read_at=timezone.now(),
            )
            for name, table in tables.items()
        ),
        update_conflicts=True,
        unique_fields=["environment", "name"],
        update_fields=["columns", "read_at"],
    )


def _facts(column: Column) -> dict[str, Any]:
    return {name: value for name in _FACTS if (value := getattr(column, name)) not in (None, "", (), {})}


def columns(engagement: Engagement, table: str, environment: Environment | None = None) -> dict[str, ColumnLike]:
    """A table's columns by name: production's as last read, else the sandbox's, else the built-in ones; and those that will be made.

    environment: whose columns come first instead. Made are the columns that every table gets, the playbook's own, and those of field maps.
    """
    found: dict[str, ColumnLike] = dict(_read(engagement, table, environment) or _built_in(table))
    playbook = load_playbook(engagement.platform, engagement.prefix)
    for planned in (*tracking_columns(engagement.prefix), *standing_columns(playbook, table, engagement.prefix)):
        found.setdefault(planned.name, planned)
    wanted = FieldMap.objects.filter(engagement=engagement, table=table, new_column__isnull=False).values_list("new_column", flat=True)
    for content in filter(None, wanted):
        spec = spec_from_dict(content)
        found.setdefault(spec.name, spec)
    return found


class Known:
    """The columns of an engagement's tables, each table read once."""

    def __init__(self, engagement: Engagement, environment: Environment | None = None) -> None:
        """Nothing is read yet. environment: whose columns come first."""
        self.engagement, self.environment = engagement, environment
        self._read: dict[str, dict[str, ColumnLike]] = {}

    def __call__(self, table: str) -> dict[str, ColumnLike]:
        """A table's columns by name."""
        if table not in self._read:
            self._read[table] = columns(self.engagement, table, self.environment)
        return self._read[table]


def was_read(engagement: Engagement, table: str) -> bool:
    """Whether a discovery read this table, so that its columns are the destination's own."""
    return DestinationTable.objects.filter(environment__engagement=engagement, name=table).exists()


def _read(engagement: Engagement, table: str, environment: Environment | None) -> dict[str, Column]:
    found = DestinationTable.objects.filter(environment__engagement=engagement, name=table).order_by("environment__kind")
    kept = (found.filter(environment=environment).first() if environment else None) or found.first()
    return {name: _column(table, facts) for name, facts in kept.columns.items()} if kept else {}


def _built_in(table: str) -> Mapping[str, Column]:
    return builtin.columns_of(table) if table in builtin.tables() else {}


def _column(table: str, facts: Mapping[str, Any]) -> Column:
    numbered = {key: {int(number): value for number, value in facts[key].items()} for key in BY_NUMBER if key in facts}
    return Column(table=table, **{**facts, **numbered, "targets": tuple(facts.get("targets", ()))})


def _decimals(column: ColumnLike) -> str:
    if getattr(column, "by_currency", False):
        return "decimals of its currency"
    return f"{column.precision} decimals" if column.precision is not None else ""


def kind_of(column: ColumnLike | None) -> str:
    """A column's kind and limits as people read it: String (100), Decimal (2 decimals), Choice (3 options)."""
    if column is None:
        return "not known"
    options = getattr(column, "options", None)
    told = {
        "length": f"{column.max_length:,} characters" if column.max_length else "",
        "precision": _decimals(column),
        "format": column.format or "",
        "options": f"{len(options)} options" if options and column.kind in ("Choice", "MultiChoice") else "",
        "new": "new" if isinstance(column, ColumnSpec) else "",
    }
    inside = ", ".join(filter(None, told.values()))
    return f"{column.kind} ({inside})" if inside else column.kind
