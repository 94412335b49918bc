"""Deleting metadata over HTTP, and what keeps it from being deleted: what else depends on a component (facts, section 6).

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievedependenciesfordelete and
learn.microsoft.com/power-platform/alm/removing-dependencies. *Assumed*: the words and the code of the refusal; that of what people build
upon a column its alternate keys and the active processes that name it are dependencies, and of a table the lookups of other tables, N:N
relationships and the active processes on it.
"""

from collections.abc import Iterator

from . import definitions, errors, files
from .calls import JSON, Answer, Call
from .columns import Column
from .components import COMPONENTS, forget_component
from .identifiers import read_guid, stable_id
from .metadata_keys import stop_index
from .metadata_reading import find_relationship
from .metadata_writing import allowed, find_column
from .organisation import Organisation
from .paths import Segment, arguments
from .tables import Table

Dependent = tuple[str, str]  # kind of component, its id


def delete_table(org: Organisation, call: Call, table: Table) -> Answer:
    """DELETE /EntityDefinitions(key): a custom table with its rows, columns and keys; nothing else may depend on it."""
    allowed(call, "prvDeleteEntity", "entity")
    _require_custom(table.custom, table.name)
    _refuse("Entity", table.metadata_id, list(_upon_table(org, table)))
    for key in table.keys.values():
        stop_index(org, table, key)
        forget_component(org, key.metadata_id)
    for row_id in list(org.rows(table.name)):
        org.store.remove(table.name, row_id)
    for row_id, row in list(org.rows("sdkmessagefilter").items()):
        if row.get("primaryobjecttypecode") == table.name:
            org.store.remove("sdkmessagefilter", row_id)
    for relation in [r for r in org.catalog.relationships.values() if table.name in {r.referencing, r.referenced}]:
        del org.catalog.relationships[relation.schema_name.lower()]
        forget_component(org, relation.metadata_id)
        if relation.referenced in org.catalog.tables:
            org.catalog.tables[relation.referenced].children.remove(relation)
    for component in (table.metadata_id, *(column.metadata_id for column in table.columns.values())):
        forget_component(org, component)
    del org.catalog.tables[table.name], org.catalog.by_set[table.entity_set]
    return Answer(204)


def delete_column(org: Organisation, call: Call, table: Table, segment: Segment) -> Answer:
    """DELETE …/Attributes(key): the column and its values, with the column that its type brought along; nothing else may depend on it."""
    allowed(call, "prvDeleteAttribute", table.name)
    column = find_column(table, segment)
    _require_custom(column.custom, column.name)
    _refuse("Attribute", column.metadata_id, list(_upon_column(org, table, column)))
    gone = [column, *(table.columns[name] for tail in definitions.tails(column.kind) if (name := f"{column.name}{tail}") in table.columns)]
    for one in gone:
        _drop_column(org, table, one)
    names = {one.read_name for one in gone}
    for row_id, row in list(org.rows(table.name).items()):
        if column.kind == "File":
            files.forget(org, row.get(column.name))
        if names & set(row):
            org.store.put(table.name, row_id, {k: v for k, v in row.items() if k.partition("@")[0] not in names})
    return Answer(204)


def _drop_column(org: Organisation, table: Table, column: Column) -> None:
    for relation in [r for r in table.relationships if r.column == column.name]:
        forget_component(org, relation.metadata_id)
    org.catalog.drop_column(table, column)
    forget_component(org, column.metadata_id)


def delete_relationship(org: Organisation, call: Call, segment: Segment) -> Answer:
    """DELETE /RelationshipDefinitions(key): a custom relationship, with its lookup column or intersect table."""
    allowed(call, "prvDeleteRelationship", "relationship")
    relation = find_relationship(org, segment)
    _require_custom(relation.custom, relation.schema_name)
    if relation.many_to_many:
        table = org.catalog.tables.pop(relation.intersect)
        del org.catalog.by_set[table.entity_set], org.catalog.relationships[relation.schema_name.lower()]
        for name in {relation.entity1, relation.entity2}:
            org.catalog.tables[name].many.remove(relation)
        forget_component(org, relation.metadata_id)
        return Answer(204)
    table = org.catalog.tables[relation.referencing]
    return delete_column(org, call, table, Segment("Attributes", f"LogicalName='{relation.column}'"))


def delete_choice(org: Organisation, call: Call, segment: Segment) -> Answer:
    """DELETE /GlobalOptionSetDefinitions(key): a global choice that no column uses."""
    wanted = {read_guid(segment.inside), arguments(segment.inside).get("Name", "").lower()}
    choice = next((one for one in org.catalog.choices.values() if {one.metadata_id, one.name} & wanted), None)
    if choice is None:
        raise errors.ServiceError(404, "0x80060888", f"Could not find an optionset '{segment.inside}'.")
    _refuse("OptionSet", choice.metadata_id, list(_upon_choice(org, choice.name)))
    del org.catalog.choices[choice.name]
    forget_component(org, choice.metadata_id)
    return Answer(204)


def dependencies_for_delete(org: Organisation, call: Call, segment: Segment) -> Answer:
    """GET /RetrieveDependenciesForDelete(ObjectId=guid,ComponentType=n): what keeps a component from being deleted."""
    given = arguments(segment.inside, call.aliases)
    wanted, kind = read_guid(given.get("ObjectId", "")) or "", given.get("ComponentType", "")
    found = [
        {"dependencyid": stable_id("dependency", wanted, component), "dependencytype": 2,
         "requiredcomponentobjectid": wanted, "requiredcomponenttype": int(kind),
         "dependentcomponentobjectid": component, "dependentcomponenttype": COMPONENTS[name]}
        for name, component in _upon(org, wanted, kind)
    ]  # fmt: skip
    return Answer(200, {"@odata.context": f"{call.root}$metadata#dependencies", "value": found}, {"Content-Type": JSON})


def _upon(org: Organisation, component: str, kind: str) -> Iterator[Dependent]:
    """What depends on a component; raises ServiceError where there is no such one."""
    for table in org.catalog.tables.values():
        if kind == "1" and table.metadata_id == component:
            return _upon_table(org, table)
        for column in table.columns.values() if kind == "2" else ():
            if column.metadata_id == component:
                return _upon_column(org, table, column)
    for relation in org.catalog.relationships.values():
        if kind == "10" and relation.metadata_id == component and not relation.many_to_many:
            table = org.catalog.tables[relation.referencing]
            return _upon_column(org, table, table.columns[relation.column])
    for choice in org.catalog.choices.values():
        if kind == "9" and choice.metadata_id == component:
            return _upon_choice(org, choice.name)
    raise errors.ServiceError(404, "0x80040217", f"There is no component {component} of the type {kind}.")


def _upon_table(org: Organisation, table: Table) -> Iterator[Dependent]:
    yield from (("relationship", relation.metadata_id) for relation in table.children if relation.referencing != table.name)
    yield from (("relationship", relation.metadata_id) for relation in table.many)
    yield from (("workflow", row_id) for row_id, row in org.rows("workflow").items() if _on(row, table))


def _upon_column(org: Organisation, table: Table, column: Column) -> Iterator[Dependent]:
    yield from (("key", key.metadata_id) for key in table.keys.values() if column.name in key.columns)
    for row_id, row in org.rows("workflow").items():
        named = str(row.get("triggeronupdateattributelist") or "").replace(" ", "").split(",")
        if _on(row, table) and column.name in named:
            yield "workflow", row_id


def _upon_choice(org: Organisation, name: str) -> Iterator[Dependent]:
    columns = (column for table in org.catalog.tables.values() for column in table.columns.values())
    yield from (("column", column.metadata_id) for column in columns if column.global_options == name)


def _on(workflow: dict[str, object], table: Table) -> bool:
    return workflow.get("primaryentity") == table.name and workflow.get("statecode") == 1


def _require_custom(custom: bool, name: str) -> None:
    if not custom:
        raise errors.ServiceError(400, "0x8004f01f", f"The component '{name}' can't be deleted: it is a system component.")


def _refuse(kind: str, component: str, upon: list[Dependent]) -> None:
    if upon:
        raise errors.ServiceError(
            400, "0x8004f01f",
            f"The {kind}({component}) component cannot be deleted because it is referenced by {len(upon)} other components. "
            "For a list of referenced components, use the RetrieveDependenciesForDeleteRequest.",
        )  # fmt: skip
