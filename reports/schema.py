"""The schema plan as a document: tables, columns, choices and where each source field goes, with the offer's names beside the true ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loads.models import SchemaPlan
from loads.provisioning import solution_name
from mapping import plan
from mapping.models import PlanVersion
from reports.books.schema import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.xlsx import Cell, Sheet
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement, Environment

KIND = "schema"
# What the plan asks of an environment, and what came of it once it was provisioned.
DONE = {"create": "created", "exists": "was there", "conflict": "conflict"}
ASKED = {"create": "to be created", "exists": "is there", "conflict": "conflict"}


def maps_of(engagement: Engagement) -> PlanVersion:
    """The newest version of the maps. Raises BadInput where there is none."""
    maps = plan.current(engagement).get("maps")
    if maps is None:
        raise BadInput("There is no version of the maps yet.", remedy="Confirm the field maps first.")
    return maps


def planned_tables(maps: Mapping[str, Any]) -> list[str]:
    """The tables that confirmed objects become and that get columns, in the plan's order; all with columns while no object is confirmed."""
    chosen = {table for rule in maps["objects"].values() for table in rule["tables"]}
    return [table for table in maps["columns"] if not chosen or table in chosen]


def is_new(table: str, prefix: str) -> bool:
    """Whether the plan makes the table itself: its name has the publisher's prefix."""
    return table.startswith(f"{prefix}_")


def content(engagement: Engagement) -> dict[str, Any]:
    """The plan's schema as data, with what became of each column in each environment. Raises BadInput."""
    version = maps_of(engagement)
    maps, environments = version.content, _environments(engagement)
    return {
        "engagement": engagement.name,
        "platform": engagement.get_platform_display(),
        "prefix": maps["prefix"],
        "maps": {"version": version.version, "sha256": version.sha256},
        "environments": [environment["told"] for environment in environments],
        "tables": [_table(table, maps, environments) for table in planned_tables(maps)],
        "fields": [_field(field) for field in maps["fields"]],
    }


def _environments(engagement: Engagement) -> list[dict[str, Any]]:
    """Per environment what is told of it, and what its newest schema plan says of each column."""
    found = []
    for environment in Environment.objects.filter(engagement=engagement).select_related("engagement").order_by("-kind"):
        seen = SchemaPlan.objects.filter(environment=environment).select_related("maps")
        newest = seen.exclude(provisioned_at=None).first() or seen.first()
        words = DONE if newest and newest.provisioned_at else ASKED
        steps = {(step["table"], step["column"]): words.get(step["action"], step["action"]) for step in (newest.steps if newest else ())}
        told = {
            "environment": environment.kind,
            "solution": solution_name(environment),
            "provisioned_at": newest.provisioned_at.isoformat() if newest and newest.provisioned_at else None,
            "maps_version": newest.maps.version if newest else None,
        }
        found.append({"told": told, "steps": steps})
    return found


def _table(table: str, maps: Mapping[str, Any], environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A table with its new columns. environments: what became of each column, by environment."""
    kinds = {environment["told"]["environment"]: environment["steps"] for environment in environments}
    columns = [
        {**column, "environments": {kind: steps.get((table, column["name"]), "not compared yet") for kind, steps in kinds.items()}}
        for column in maps["columns"][table]
    ]
    objects = sorted(name for name, rule in maps["objects"].items() if table in rule["tables"])
    return {"table": table, "new": is_new(table, maps["prefix"]), "objects": objects, "columns": columns}


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("object", "source", "table", "column", "alias", "transform", "options", "state", "reason")
    return {name: field[name] for name in kept} | {"new_column": bool(field["new_column"])}


def write(engagement: Engagement) -> Document:
    """The schema plan as JSON."""
    return write_json(engagement, KIND, content(engagement))


def write_workbook(engagement: Engagement) -> Document:
    """The same as a workbook."""
    return write_sheets(engagement, KIND, sheets(content(engagement)))


def write_pdf(engagement: Engagement) -> Document:
    """The same on paper."""
    told = content(engagement)
    return write_book(write_json(engagement, KIND, told), book(told))


def sheets(told: Mapping[str, Any]) -> Iterator[Sheet]:
    """The plan, its tables, columns and choices, where each field goes, and what is left behind."""
    kinds = [one["environment"] for one in told["environments"]]
    yield Sheet("Plan", ["What", "Value"], _head(told), [30, 72])
    tables = [[one["table"], one["new"], ", ".join(one["objects"]), len(one["columns"])] for one in told["tables"]]
    yield Sheet("Tables", ["Table", "New", "From the objects", "New columns"], tables, [30, 8, 40, 12])
    header = ["Table", "Column", "Name in the offer", "Label", "Kind", "Length", "Format", "Points to", "What it holds"]
    yield Sheet(
        "Columns",
        [*header, *map(str.capitalize, kinds)],
        _columns(told["tables"], kinds),
        [24, 38, 34, 30, 14, 10, 14, 18, 60, *[18] * len(kinds)],
    )
    yield Sheet("Choices", ["Table", "Column", "Value", "Label"], _choices(told["tables"]), [24, 38, 12, 40])
    fields = [one for one in told["fields"] if one["state"] == "confirmed"]
    header = ["Object", "Source field", "Table", "Column", "Name in the offer", "Transform", "New column", "Reason"]
    yield Sheet("Fields", header, (_field_row(one) for one in fields), [18, 32, 18, 38, 34, 14, 12, 60])
    left = [[one["object"], one["source"], one["table"], one["reason"]] for one in told["fields"] if one["state"] == "left"]
    yield Sheet("Left behind", ["Object", "Source field", "Table", "Why"], left, [18, 32, 18, 90])


def _head(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    yield from (["Engagement", told["engagement"]], ["From", told["platform"]], ["Publisher prefix", told["prefix"]])
    yield ["Version of the maps", told["maps"]["version"]]
    yield ["SHA-256 of the maps", told["maps"]["sha256"]]
    for one in told["environments"]:
        yield [f"Solution in {one['environment']}", one["solution"]]
        yield [f"Provisioned in {one['environment']}", one["provisioned_at"] or "not yet"]


def _columns(tables: Iterable[Mapping[str, Any]], kinds: Sequence[str]) -> Iterator[Sequence[Cell]]:
    for table in tables:
        for column in table["columns"]:
            shape = [column.get(name) for name in ("display_name", "kind", "max_length", "format", "target", "description")]
            yield [table["table"], column["name"], column.get("alias"), *shape, *(column["environments"][kind] for kind in kinds)]


def _choices(tables: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for table in tables:
        for column in table["columns"]:
            for value, label in column.get("options", ()):
                yield [table["table"], column["name"], value, label]


def _field_row(field: Mapping[str, Any]) -> list[Cell]:
    kept = [field[name] for name in ("object", "source", "table", "column", "alias", "transform", "new_column", "reason")]
    return [value if isinstance(value, bool) else str(value) for value in kept]
