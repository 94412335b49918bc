"""Reading metadata over HTTP: EntityDefinitions, Attributes with type casts, relationships, keys, global choices (facts, section 6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import errors, expansion
from . import metadata_shapes as shapes
from .calls import JSON, Answer, Call
from .columns import Column
from .filters import Getter, compile_filter
from .identifiers import read_guid
from .organisation import Organisation
from .paths import NAMESPACE, Segment, arguments
from .tables import Relationship, Table

Shape = dict[str, Any]
_ALWAYS = {"@odata.type", "MetadataId"}
_EXPANDED_ONLY = {"OptionSet", "GlobalOptionSet"}
# Properties of single column types: to select them the request must cast to the type.
_OF_A_TYPE = {"MaxLength", "MinValue", "MaxValue", "Precision", "PrecisionSource", "FormatName", "Format", "DateTimeBehavior", "Targets",
              "OptionSet", "DefaultFormValue", "DefaultValue", "AutoNumberFormat"}  # fmt: skip
RELATION_KINDS = ("ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships")


@dataclass(frozen=True, slots=True)
class ShapeNames:
    """Property paths in metadata for the filter: `LogicalName`, `IsCustomizable/Value`."""

    def getter(self, path: str) -> Getter:
        """How to read a path; a property that a shape lacks is null."""
        parts = path.split("/")

        def get(shape: Any) -> Any:
            for part in parts:
                shape = shape.get(part) if isinstance(shape, dict) else None
            return shape

        return get


def find_table(org: Organisation, segment: Segment) -> Table:
    """The table of `EntityDefinitions(LogicalName='x')` or `EntityDefinitions(<guid>)`. Raises ServiceError 404."""
    guid = read_guid(segment.inside)
    name = arguments(segment.inside).get("LogicalName")
    found = org.catalog.by_metadata_id(guid) if guid else org.catalog.tables.get(name or "")
    if found is None:
        raise errors.ServiceError(
            404, "0x80060888", f"Could not find an entity with name {name or guid} and name mapping Logical in metadata cache."
        )
    return found


def definitions(org: Organisation, call: Call) -> Answer:
    """GET /EntityDefinitions."""
    tables = {t.name: t for t in org.catalog.tables.values()}
    found = _filtered(call, (shapes.table_shape(t) for t in tables.values()))
    items = [_with_expanded(org, call, tables[shape["LogicalName"]], shape) for shape in found]
    return _list(call, "EntityDefinitions", items)


def definition(org: Organisation, call: Call, table: Table) -> Answer:
    """GET /EntityDefinitions(key)."""
    shape = _with_expanded(org, call, table, shapes.table_shape(table))
    return Answer(200, {"@odata.context": f"{call.root}$metadata#EntityDefinitions/$entity", **shape}, {"Content-Type": JSON})


def attributes(org: Organisation, call: Call, table: Table, rest: list[Segment]) -> Answer:
    """GET …/Attributes, …/Attributes/NS.Type, …/Attributes(key), …/Attributes(key)/NS.Type."""
    head, cast = rest[0], rest[1].bound if len(rest) > 1 else None
    if cast is None:
        _plain_select(call.query.get("$select"))
    if head.inside is not None:
        shape = shapes.column_shape(table, _one_column(table, head))
        if cast is not None and shape["@odata.type"] != f"#{NAMESPACE}{cast}":
            raise errors.ServiceError(404, "0x80060888", f"The column isn't a {cast}.")
        chosen = _chosen(shape, call.query, cast=True)
        return Answer(200, {"@odata.context": f"{call.root}$metadata#EntityDefinitions/Attributes/$entity", **chosen})
    columns = [c for c in table.columns.values() if cast in (None, shapes.TYPES[c.kind][0])]
    found = _filtered(call, (shapes.column_shape(table, column) for column in columns))
    items = _all_chosen(found, call.query, cast=cast is not None)
    return _list(call, f"EntityDefinitions('{table.name}')/Attributes", items)


def _plain_select(select: str | None) -> None:
    for name in (select or "").split(","):
        if name.strip() in _OF_A_TYPE:
            raise errors.bad_query(f"Could not find a property named '{name.strip()}' on type 'Microsoft.Dynamics.CRM.AttributeMetadata'.")


def _one_column(table: Table, segment: Segment) -> Column:
    guid, name = read_guid(segment.inside), arguments(segment.inside).get("LogicalName")
    for column in table.columns.values():
        if column.name == name or column.metadata_id == guid:
            return column
    raise errors.ServiceError(404, "0x80060888", f"Could not find an attribute '{name or guid}' for the entity '{table.name}'.")


def relationships_of(org: Organisation, call: Call, table: Table, kind: str) -> Answer:
    """GET …/ManyToOneRelationships, …/OneToManyRelationships, …/ManyToManyRelationships."""
    found = map(shapes.relationship_shape, _relations(table, kind))
    return _list(call, kind, _all_chosen(_filtered(call, found), call.query))


def _relations(table: Table, kind: str) -> list[Relationship]:
    if kind == "ManyToManyRelationships":
        return table.many
    return table.relationships if kind == "ManyToOneRelationships" else table.children


def relationships(org: Organisation, call: Call, segments: list[Segment]) -> Answer:
    """GET /RelationshipDefinitions, with a key or a type cast."""
    every = list(org.catalog.relationships.values())
    if segments[0].inside is not None:
        shape = shapes.relationship_shape(find_relationship(org, segments[0]))
        return Answer(200, _chosen(shape, call.query))
    items = [shapes.relationship_shape(r) for r in every]
    if len(segments) > 1 and segments[1].bound:
        items = [s for s in items if s["@odata.type"] == f"#{NAMESPACE}{segments[1].bound}"]
    return _list(call, "RelationshipDefinitions", _all_chosen(_filtered(call, items), call.query))


def find_relationship(org: Organisation, segment: Segment) -> Relationship:
    """The relationship of a key segment. Raises ServiceError 404."""
    guid, name = read_guid(segment.inside), arguments(segment.inside).get("SchemaName", "")
    for relation in org.catalog.relationships.values():
        if relation.metadata_id == guid or relation.schema_name.lower() == name.lower():
            return relation
    raise errors.ServiceError(404, "0x80060888", f"Could not find a relationship '{name or guid}'.")


def keys(org: Organisation, call: Call, table: Table, segment: Segment) -> Answer:
    """GET …/Keys, one with a key segment."""
    items = [shapes.key_shape(table, key, org.clock()) for key in table.keys.values()]
    if segment.inside is None:
        return _list(call, "Keys", _all_chosen(_filtered(call, items), call.query))
    guid, name = read_guid(segment.inside), arguments(segment.inside).get("LogicalName")
    for shape in items:
        if shape["MetadataId"] == guid or shape["LogicalName"] == name:
            return Answer(200, _chosen(shape, call.query))
    raise errors.ServiceError(404, "0x80060888", f"Could not find a key '{name or guid}'.")


def choices(org: Organisation, call: Call, segment: Segment) -> Answer:
    """GET /GlobalOptionSetDefinitions."""
    items = [
        {"@odata.type": f"#{NAMESPACE}OptionSetMetadata", "MetadataId": c.metadata_id, "Name": c.name, "IsGlobal": True,
         "OptionSetType": c.kind, "DisplayName": shapes.label(c.display_name),
         "Options": [shapes.option(v, t) for v, t in c.options.items()]}
        for c in org.catalog.choices.values()
    ]  # fmt: skip
    if segment.inside is None:
        return _list(call, "GlobalOptionSetDefinitions", _all_chosen(_filtered(call, items), call.query))
    guid, name = read_guid(segment.inside), arguments(segment.inside).get("Name")
    for shape in items:
        if shape["MetadataId"] == guid or shape["Name"] == name:
            return Answer(200, _chosen(shape, call.query))
    raise errors.ServiceError(404, "0x80060888", f"Could not find an optionset '{name or guid}'.")


def _with_expanded(org: Organisation, call: Call, table: Table, shape: Shape) -> Shape:
    chosen = _chosen(shape, call.query)
    for name, options in expansion.parts(call.query.get("$expand", "")):
        inner = {f"${key}": value for key, value in options.items()}
        if name == "Attributes":
            _plain_select(options.get("select"))
            chosen[name] = _inner([shapes.column_shape(table, c) for c in table.columns.values()], inner)
        elif name == "Keys":
            chosen[name] = _inner([shapes.key_shape(table, k, org.clock()) for k in table.keys.values()], inner)
        elif name in RELATION_KINDS:
            chosen[name] = _inner([shapes.relationship_shape(r) for r in _relations(table, name)], inner)
        else:
            raise errors.bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.EntityMetadata'.")
    return chosen


def _inner(items: list[Shape], options: dict[str, str]) -> list[Shape]:
    if text := options.get("$filter"):
        found = compile_filter(text, ShapeNames(), {})
        items = [shape for shape in items if found.matches(shape)]
    return _all_chosen(items, options)


def _filtered(call: Call, items: Iterable[Shape]) -> list[Shape]:
    if "$top" in call.query or "$orderby" in call.query:
        raise errors.bad_query("Metadata queries take neither $top nor $orderby.")
    text = call.query.get("$filter")
    if not text:
        return list(items)
    found = compile_filter(text, ShapeNames(), call.aliases)
    return [shape for shape in items if found.matches(shape)]


def _chosen(shape: Shape, query: Any, *, cast: bool = False) -> Shape:
    """$select of one shape, see `_all_chosen`."""
    [chosen] = _all_chosen([shape], query, cast=cast)
    return chosen


def _all_chosen(found: Iterable[Shape], query: Any, *, cast: bool = False) -> list[Shape]:
    """$select of shapes. Options show only where a type cast expands them."""
    expanded = {name for name, _ in expansion.parts(query.get("$expand", ""))} & _EXPANDED_ONLY if cast else set()
    select, hidden = query.get("$select"), _EXPANDED_ONLY - expanded
    if not select:
        return [{name: value for name, value in shape.items() if name not in hidden} for shape in found]
    wanted = ({name.strip() for name in select.split(",")} | _ALWAYS | expanded) - hidden
    return [{name: value for name, value in shape.items() if name in wanted} for shape in found]


def _list(call: Call, what: str, items: list[Shape]) -> Answer:
    return Answer(200, {"@odata.context": f"{call.root}$metadata#{what}", "value": items}, {"Content-Type": JSON})
