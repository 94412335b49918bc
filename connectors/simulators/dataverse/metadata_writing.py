"""Making and changing metadata over HTTP: tables, columns, relationships, keys, choices, publishing (facts, section 6).

Every change is journalled as the request that made it and replayed at start; ids follow from names, so a replay gives the same ones.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import builtin, definitions, errors
from . import metadata_shapes as shapes
from .builtin_rows import add_message_filters
from .calls import Answer, Call
from .catalog import GlobalChoice
from .columns import Column
from .components import created, prefixes, record_component
from .identifiers import read_guid, stable_id
from .metadata_keys import reactivate_key
from .organisation import Organisation
from .paths import Segment, arguments
from .tables import Relationship, Table


def create_table(org: Organisation, call: Call, shape: Mapping[str, Any]) -> Answer:
    """POST /EntityDefinitions: a custom table with its primary name column."""
    allowed(call, "prvCreateEntity", "entity")
    schema = str(shape.get("SchemaName") or "")
    name = schema.lower()
    if name in org.catalog.tables:
        raise errors.ServiceError(400, "0x80044363", f"An entity with the specified name {name} already exists.")
    if name.partition("_")[0] not in prefixes(org) or "_" not in name or not name.replace("_", "").isalnum():
        raise errors.ServiceError(400, "0x8004801e", f"The entity name '{schema}' needs a publisher's prefix.")
    ownership = str(shape.get("OwnershipType") or "UserOwned")
    if ownership not in {"UserOwned", "OrganizationOwned"}:
        raise errors.invalid_argument(f"OwnershipType '{ownership}' is UserOwned or OrganizationOwned.")
    primary = [a for a in shape.get("Attributes") or [] if a.get("IsPrimaryName")]
    if len(primary) != 1:
        raise errors.invalid_argument("A table needs exactly one attribute with IsPrimaryName.")
    table = _new_table(org, shape, schema, ownership)
    for column in builtin.standard_columns(name, user_owned=table.user_owned, custom=True):
        table.columns[column.name] = column
    table.primary_name = str(primary[0].get("SchemaName", "")).lower()
    for given in shape.get("Attributes") or []:
        _put_column(table, definitions.read_column(org.catalog, table, given, prefixes(org)))
    org.catalog.add_table(table)
    for column in table.columns.values():
        org.catalog.relate(table, column)
    add_message_filters(org, table)
    record_component(org, call, "table", table.metadata_id)
    return created(call, f"EntityDefinitions({table.metadata_id})")


def _new_table(org: Organisation, shape: Mapping[str, Any], schema: str, ownership: str) -> Table:
    name = schema.lower()
    org.catalog.next_type_code += 1
    table = Table(
        name, schema, str(shape.get("EntitySetName") or entity_set_name(name)), f"{name}id", "", org.catalog.next_type_code, ownership,
        display_name=shapes.read_label(shape.get("DisplayName")) or schema,
        collection_name=shapes.read_label(shape.get("DisplayCollectionName")) or schema,
        description=shapes.read_label(shape.get("Description")), activity=bool(shape.get("IsActivity")), custom=True,
        bpf=bool(shape.get("IsBPFEntity")), has_notes=bool(shape.get("HasNotes")), has_activities=bool(shape.get("HasActivities")),
        metadata_id=stable_id("table", name),
    )  # fmt: skip
    key = Column(f"{name}id", "Uniqueidentifier", f"{schema}Id", schema, required="SystemRequired", valid_for_update=False)
    key.metadata_id = stable_id("column", name, key.name)
    table.columns[key.name] = key
    return table


def entity_set_name(name: str) -> str:
    """Plural of a logical name as the service forms it (*assumed*: English rules on the ending)."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "z", "ch", "sh")) else f"{name}s"


def create_column(org: Organisation, call: Call, table: Table, shape: Mapping[str, Any]) -> Answer:
    """POST …/Attributes: a column of any type but lookup, which a relationship makes."""
    allowed(call, "prvCreateAttribute", table.name)
    if not table.takes_columns:
        raise errors.ServiceError(400, "0x8004701e", f"Entity '{table.name}' can't have new attributes: CanCreateAttributes is false.")
    column = definitions.read_column(org.catalog, table, shape, prefixes(org))
    if column.kind == "Lookup":
        raise errors.invalid_argument("A lookup column is created with its relationship.")
    _put_column(table, column)
    record_component(org, call, "column", column.metadata_id)
    return created(call, f"EntityDefinitions({table.metadata_id})/Attributes({column.metadata_id})")


def _put_column(table: Table, column: Column) -> None:
    table.columns[column.name] = column
    if column.kind == "Money":
        base = Column(f"{column.name}_base", "Money", f"{column.schema_name}_Base", f"{column.display_name} (Base)", precision=4,
                      precision_source=2, custom=True, valid_for_create=False, valid_for_update=False)  # fmt: skip
        base.metadata_id = stable_id("column", table.name, base.name)
        table.columns[base.name] = base
        _need_currency(table)
    if column.kind == "File":
        name = Column(f"{column.name}_name", "String", f"{column.schema_name}_Name", f"{column.display_name} (Name)", max_length=200,
                      custom=True, valid_for_create=False, valid_for_update=False)  # fmt: skip
        name.metadata_id = stable_id("column", table.name, name.name)
        table.columns[name.name] = name
    table.changed()


def _need_currency(table: Table) -> None:
    """A table's first money column brings the currency and the exchange rate."""
    for column in (Column("transactioncurrencyid", "Lookup", targets=("transactioncurrency",)), Column("exchangerate", "Decimal")):
        if column.name not in table.columns:
            builtin.finish(table.name, column)
            table.columns[column.name] = column
            if column.is_lookup:
                column.navigations["transactioncurrency"] = column.name
                table.navigations[column.name] = (column, column.targets)


def change_column(org: Organisation, call: Call, table: Table, segment: Segment, shape: Mapping[str, Any]) -> Answer:
    """PUT …/Attributes(key): display name, description, required level, lengths, limits and formats."""
    column = find_column(table, segment)
    definitions.change_limits(org.catalog, table, column, shape)
    if "RequiredLevel" in shape and column.required != "SystemRequired":
        column.required = definitions.required_level(shape)
    column.display_name = shapes.read_label(shape.get("DisplayName")) or column.display_name
    column.description = shapes.read_label(shape.get("Description")) or column.description
    table.changed()
    return Answer(204)


def find_column(table: Table, segment: Segment) -> Column:
    """The column of a key segment. Raises ServiceError 404."""
    guid, name = read_guid(segment.inside), arguments(segment.inside).get("LogicalName")
    for column in table.columns.values():
        if column.name == name or column.metadata_id == guid:
            return column
    raise errors.ServiceError(404, "0x80060888", f"Could not find an attribute '{name or guid}' for the entity '{table.name}'.")


def create_relationship(org: Organisation, call: Call, shape: Mapping[str, Any]) -> Answer:
    """POST /RelationshipDefinitions: a lookup column with its 1:N relationship, or an N:N relationship."""
    allowed(call, "prvCreateRelationship", "relationship")
    schema = str(shape.get("SchemaName") or "")
    if not schema.replace("_", "").isalnum() or "_" not in schema:  # Microsoft's client names them without a prefix of a publisher
        raise errors.ServiceError(400, "0x8004801e", f"The relationship name '{schema}' is invalid.")
    if schema.lower() in org.catalog.relationships:
        raise errors.ServiceError(400, "0x80047007", f"Relationship with the name {schema} already exists.")
    if str(shape.get("@odata.type", "")).endswith("ManyToManyRelationshipMetadata"):
        relation = _many_to_many(org, shape, schema)
    else:
        relation = _one_to_many(org, call, shape, schema)
    record_component(org, call, "relationship", relation.metadata_id)
    return created(call, f"RelationshipDefinitions({relation.metadata_id})")


def _one_to_many(org: Organisation, call: Call, shape: Mapping[str, Any], schema: str) -> Relationship:
    table, target = org.table(str(shape.get("ReferencingEntity"))), org.table(str(shape.get("ReferencedEntity")))
    lookup = shape.get("Lookup")
    if not isinstance(lookup, Mapping):
        raise errors.invalid_argument("A 1:N relationship needs its Lookup.")
    typed = {**lookup, "@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata"}
    if not table.takes_columns:
        raise errors.ServiceError(400, "0x8004701e", f"Entity '{table.name}' can't have new attributes: CanCreateAttributes is false.")
    column = definitions.read_column(org.catalog, table, typed, prefixes(org))
    column.targets = (target.name,)
    _put_column(table, column)
    org.catalog.relate(table, column, {**shape, "SchemaName": schema})
    record_component(org, call, "column", column.metadata_id)
    return org.catalog.relationships[schema.lower()]


def _many_to_many(org: Organisation, shape: Mapping[str, Any], schema: str) -> Relationship:
    one, other = org.table(str(shape.get("Entity1LogicalName"))), org.table(str(shape.get("Entity2LogicalName")))
    name = str(shape.get("IntersectEntityName") or schema).lower()
    if name in org.catalog.tables:
        raise errors.ServiceError(400, "0x80044363", f"An entity with the specified name {name} already exists.")
    table = _new_table(org, {}, name, "None")
    table.intersect, table.takes_columns, table.bulk = True, False, False
    for end in (one, other):
        column = Column(f"{end.name}id", "Uniqueidentifier", f"{end.name}id", end.display_name)
        column.metadata_id = stable_id("column", name, column.name)
        table.columns[column.name] = column
    org.catalog.add_table(table)
    relation = Relationship(schema, stable_id("relationship", schema), custom=True, entity1=one.name, entity2=other.name, intersect=name)
    org.catalog.relationships[schema.lower()] = relation
    for end in {one.name: one, other.name: other}.values():
        end.many.append(relation)
    return relation


def create_choice(org: Organisation, call: Call, shape: Mapping[str, Any]) -> Answer:
    """POST /GlobalOptionSetDefinitions."""
    name = str(shape.get("Name") or "").lower()
    if name.partition("_")[0] not in prefixes(org) or name in org.catalog.choices:
        raise errors.ServiceError(400, "0x80044363", f"The global choice name '{name}' is taken or lacks a publisher's prefix.")
    choice = GlobalChoice(name, stable_id("choice", name), shapes.read_label(shape.get("DisplayName")) or name,
                          definitions.read_options(shape.get("Options") or []))  # fmt: skip
    org.catalog.choices[name] = choice
    record_component(org, call, "choice", choice.metadata_id)
    return created(call, f"GlobalOptionSetDefinitions({choice.metadata_id})")


def insert_option(org: Organisation, call: Call) -> Answer:
    """POST /InsertOptionValue and /InsertStatusValue: {"NewOptionValue": n}."""
    body = call.json()
    text = shapes.read_label(body.get("Label"))
    options, column, table = _options_of(org, body)
    value: Any = body.get("Value")
    if value is None:
        value = max([o for o in options if o >= 10000] or [option_base(org) - 1]) + 1
    if type(value) is not int or not text or value in options:
        raise errors.ServiceError(400, "0x80048403", f"The option value {value} exists already or its label is missing.")
    if column is not None and table is not None and column.kind == "Status":
        state = body.get("StateCode")
        if state not in table.columns["statecode"].options:
            raise errors.invalid_argument(f"The state {state} doesn't exist.")
        column.states[value] = int(state)
    options[value] = text
    if table is not None:
        table.changed()
    context = f"{call.root}$metadata#Microsoft.Dynamics.CRM.InsertOptionValueResponse"
    return Answer(200, {"@odata.context": context, "NewOptionValue": value})


def _options_of(org: Organisation, body: Mapping[str, Any]) -> tuple[dict[int, str], Column | None, Table | None]:
    if name := body.get("OptionSetName"):
        choice = org.catalog.choices.get(str(name).lower())
        if choice is None:
            raise errors.invalid_argument(f"No global choice '{name}'.")
        return choice.options, None, None
    table = org.table(str(body.get("EntityLogicalName")))
    column = table.columns.get(str(body.get("AttributeLogicalName")))
    if column is None or column.kind not in {"Choice", "MultiChoice", "Status"}:
        raise errors.invalid_argument("InsertOptionValue needs a choice column.")
    return column.options, column, table


def publish(org: Organisation, call: Call) -> Answer:
    """POST /PublishXml, /PublishAllXml: nothing to see here, but the privilege and the body are checked."""
    allowed(call, "prvPublishCustomization", "none")
    if call.path.endswith("PublishXml") and not call.path.endswith("PublishAllXml") and not call.json().get("ParameterXml"):
        raise errors.invalid_argument("Required parameter 'ParameterXml' is missing.")
    return Answer(204)


def option_base(org: Organisation) -> int:
    """First value of a new option without one: the publisher's option prefix times 10,000."""
    found = [row.get("customizationoptionvalueprefix") for row in org.rows("publisher").values()]
    return max([int(p) for p in found if p] or [10000]) * 10000


def allowed(call: Call, privilege: str, what: str) -> None:
    """Raises ServiceError where the caller lacks a privilege."""
    if not call.caller.may(privilege):
        raise errors.missing_privilege(call.caller.user_id, 1, privilege, what, 0)


def create_tables(org: Organisation, call: Call) -> Answer:
    """POST /CreateEntities: what Microsoft's Python client sends (shape *assumed* from its source)."""
    for shape in call.json().get("Entities") or []:
        create_table(org, call, shape)
    return Answer(204)


UNBOUND: Mapping[str, Callable[[Organisation, Call], Answer]] = {
    "CreateEntities": create_tables,
    "PublishXml": publish,
    "PublishAllXml": publish,
    "InsertOptionValue": insert_option,
    "InsertStatusValue": insert_option,
    "ReactivateEntityKey": reactivate_key,
}
