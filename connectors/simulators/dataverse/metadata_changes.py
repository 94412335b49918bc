"""RetrieveMetadataChanges: tables and columns that fit criteria, with the properties asked for and no others.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievemetadatachanges. Nothing is remembered between
calls: a client's version stamp is taken and all that fits is answered again (*assumed*: allowed, as after a stamp that has run out).
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from . import errors
from . import metadata_shapes as shapes
from .calls import JSON, Answer, Call
from .metadata_reading import RELATION_KINDS, ShapeNames
from .organisation import Organisation
from .paths import NAMESPACE, Segment, arguments

Shape = dict[str, Any]
_ALWAYS = {"@odata.type", "MetadataId", "LogicalName"}
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda value, wanted: value == wanted,
    "NotEquals": lambda value, wanted: value != wanted,
    "In": lambda value, wanted: value in wanted,
    "NotIn": lambda value, wanted: value not in wanted,
}


def retrieve(org: Organisation, call: Call, segment: Segment) -> Answer:
    """GET /RetrieveMetadataChanges(Query=@p1)?@p1={an EntityQueryExpression}."""
    try:
        query = orjson.loads(arguments(segment.inside, call.aliases).get("Query", ""))
    except orjson.JSONDecodeError as error:
        raise errors.bad_query("Query is an EntityQueryExpression as JSON.") from error
    found = []
    for table in org.catalog.tables.values():
        shape = shapes.table_shape(table)
        if not _fits(shape, query):
            continue
        chosen = _chosen(shape, query)
        if _wants(query, "Attributes"):
            inner = query.get("AttributeQuery") or {}
            columns = (_typed(shapes.column_shape(table, column)) for column in table.columns.values())
            chosen["Attributes"] = [_chosen(column, inner) for column in columns if _fits(column, inner)]
        found.append({"@odata.type": f"#{NAMESPACE}ComplexEntityMetadata", **chosen})
    body = {"@odata.context": f"{call.root}$metadata#{NAMESPACE}RetrieveMetadataChangesResponse", "EntityMetadata": found,
            "ServerVersionStamp": str(org.store.version), "DeletedMetadata": None}  # fmt: skip
    return Answer(200, body, {"Content-Type": JSON})


def _typed(shape: Shape) -> Shape:
    """A column as the answer's complex types name it."""
    return {**shape, "@odata.type": shape["@odata.type"].replace(NAMESPACE, f"{NAMESPACE}Complex")}


def _fits(shape: Shape, query: Mapping[str, Any]) -> bool:
    criteria = query.get("Criteria") or {}
    tests = [_holds(shape, condition) for condition in criteria.get("Conditions") or []]
    tests += [_fits(shape, {"Criteria": inner}) for inner in criteria.get("Filters") or []]
    return any(tests) if criteria.get("FilterOperator") == "Or" and tests else all(tests)


def _holds(shape: Shape, condition: Mapping[str, Any]) -> bool:
    operator = _OPERATORS.get(str(condition.get("ConditionOperator")))
    if operator is None:
        raise errors.bad_query(f"The operator '{condition.get('ConditionOperator')}' isn't simulated.")
    wanted = condition.get("Value")
    return operator(
        ShapeNames().getter(str(condition.get("PropertyName")))(shape), wanted.get("Value") if isinstance(wanted, dict) else wanted
    )


def _wants(query: Mapping[str, Any], name: str) -> bool:
    properties = query.get("Properties") or {}
    return bool(properties.get("AllProperties")) or name in (properties.get("PropertyNames") or ())


def _chosen(shape: Shape, query: Mapping[str, Any]) -> Shape:
    unsupported = [
        name for name in RELATION_KINDS if _wants({"Properties": {**(query.get("Properties") or {}), "AllProperties": False}}, name)
    ]
    if unsupported:
        raise errors.ServiceError(501, "0x80060888", f"{unsupported[0]} isn't simulated here.")
    return {name: value for name, value in shape.items() if name in _ALWAYS or _wants(query, name)}
