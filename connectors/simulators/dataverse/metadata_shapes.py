"""Metadata as the Web API shows it: tables, columns, relationships and keys in their JSON forms."""

from functools import lru_cache
from typing import Any

from .columns import Column
from .identifiers import stable_id
from .paths import NAMESPACE
from .tables import Key, Relationship, Table

# kind -> (@odata.type, AttributeType, AttributeTypeName)
TYPES = {
    "String": ("StringAttributeMetadata", "String", "StringType"),
    "Memo": ("MemoAttributeMetadata", "Memo", "MemoType"),
    "Integer": ("IntegerAttributeMetadata", "Integer", "IntegerType"),
    "BigInt": ("BigIntAttributeMetadata", "BigInt", "BigIntType"),
    "Decimal": ("DecimalAttributeMetadata", "Decimal", "DecimalType"),
    "Double": ("DoubleAttributeMetadata", "Double", "DoubleType"),
    "Money": ("MoneyAttributeMetadata", "Money", "MoneyType"),
    "DateTime": ("DateTimeAttributeMetadata", "DateTime", "DateTimeType"),
    "Boolean": ("BooleanAttributeMetadata", "Boolean", "BooleanType"),
    "Choice": ("PicklistAttributeMetadata", "Picklist", "PicklistType"),
    "MultiChoice": ("MultiSelectPicklistAttributeMetadata", "Virtual", "MultiSelectPicklistType"),
    "State": ("StateAttributeMetadata", "State", "StateType"),
    "Status": ("StatusAttributeMetadata", "Status", "StatusType"),
    "Lookup": ("LookupAttributeMetadata", "Lookup", "LookupType"),
    "Customer": ("LookupAttributeMetadata", "Customer", "CustomerType"),
    "Owner": ("LookupAttributeMetadata", "Owner", "OwnerType"),
    "PartyList": ("LookupAttributeMetadata", "PartyList", "PartyListType"),
    "Uniqueidentifier": ("UniqueIdentifierAttributeMetadata", "Uniqueidentifier", "UniqueidentifierType"),
    "EntityName": ("EntityNameAttributeMetadata", "EntityName", "EntityNameType"),
    "File": ("FileAttributeMetadata", "Virtual", "FileType"),
    "Image": ("ImageAttributeMetadata", "Virtual", "ImageType"),
}
_LIMITS = {"Integer": (-2147483648, 2147483647), "Decimal": (-100000000000, 100000000000), "Double": (-100000000000, 100000000000),
           "Money": (-922337203685477, 922337203685477)}  # fmt: skip


@lru_cache(maxsize=20_000)
def label(text: str) -> dict[str, Any]:
    """A label in the base language, to be read only: all of one text are the same object."""
    one = {"Label": text, "LanguageCode": 1033, "IsManaged": False, "MetadataId": stable_id("label", text), "HasChanged": None}
    return {"LocalizedLabels": [one], "UserLocalizedLabel": one}


def read_label(shape: Any) -> str:
    """The first text of a label, '' without one."""
    labels = shape.get("LocalizedLabels") if isinstance(shape, dict) else None
    return str(labels[0].get("Label", "")) if isinstance(labels, list) and labels and isinstance(labels[0], dict) else ""


def managed(value: bool, name: str = "") -> dict[str, Any]:
    """A managed property."""
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


def table_shape(table: Table) -> dict[str, Any]:
    """EntityMetadata without its attributes and relationships."""
    return {
        "MetadataId": table.metadata_id, "LogicalName": table.name, "SchemaName": table.schema_name, "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set, "CollectionSchemaName": table.collection_name, "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name or None, "ObjectTypeCode": table.type_code, "OwnershipType": table.ownership,
        "TableType": "Standard", "IsActivity": table.activity, "IsPrivate": table.private,
        "IsCustomEntity": table.custom or table.installed,
        "IsIntersect": table.intersect, "IsBPFEntity": table.bpf, "IsManaged": not table.custom, "HasNotes": table.has_notes,
        "HasActivities": table.has_activities, "ChangeTrackingEnabled": True, "IsLogicalEntity": False,
        "IsValidForAdvancedFind": True, "CanCreateAttributes": managed(table.takes_columns, "cancreateattributes"),
        "IsCustomizable": managed(True, "iscustomizable"), "IsAuditEnabled": managed(table.audited, "canmodifyauditsettings"),
        "IsDuplicateDetectionEnabled": managed(True, "canmodifyduplicatedetectionsettings"),
        "DisplayName": label(table.display_name), "DisplayCollectionName": label(table.collection_name),
        "Description": label(table.description), "Privileges": privileges(table),
    }  # fmt: skip


def privileges(table: Table) -> list[dict[str, Any]]:
    """SecurityPrivilegeMetadata of a table; what belongs to nobody has none."""
    return [
        {"Name": name, "PrivilegeId": stable_id("privilege", name), "PrivilegeType": right,
         "CanBeBasic": table.user_owned, "CanBeLocal": table.user_owned, "CanBeDeep": table.user_owned, "CanBeGlobal": True}
        for right, name in (table.privileges() if table.ownership != "None" else ())
    ]  # fmt: skip


def column_shape(table: Table, column: Column, *, typed: str | None = None) -> dict[str, Any]:
    """AttributeMetadata of its own type; OptionSet and the like stand in it and are shown where expanded or cast."""
    odata_type, kind, type_name = TYPES[column.kind]
    shape: dict[str, Any] = {
        "@odata.type": f"#{NAMESPACE}{odata_type}", "MetadataId": column.metadata_id, "LogicalName": column.name,
        "SchemaName": column.schema_name, "EntityLogicalName": table.name, "AttributeType": kind, "AttributeTypeName": {"Value": type_name},
        "DisplayName": label(column.display_name), "Description": label(column.description),
        "RequiredLevel": {"Value": column.required, "CanBeChanged": column.required != "SystemRequired",
                          "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"},
        "IsValidForCreate": column.valid_for_create, "IsValidForUpdate": column.valid_for_update, "IsValidForRead": column.readable,
        "IsCustomAttribute": column.custom, "IsManaged": not column.custom, "IsPrimaryId": column.name == table.primary_id,
        "IsPrimaryName": column.name == table.primary_name, "AttributeOf": None, "IsLogical": False, "IsSecured": column.secured,
        "SourceType": 0 if column.custom else None, "IsCustomizable": managed(True, "iscustomizable"),
    }  # fmt: skip
    return shape | _specific(table, column)


def _specific(table: Table, column: Column) -> dict[str, Any]:
    """What only this type of column has."""
    if column.kind in {"String", "Memo"}:
        return _of_text(column)
    if column.kind in _LIMITS:
        return _of_number(column)
    if column.kind == "DateTime":
        return {"Format": column.format or "DateAndTime", "DateTimeBehavior": {"Value": column.behavior}}
    if column.kind == "Boolean":
        return {"DefaultValue": bool(column.default), "OptionSet": boolean_options(column)}
    if column.kind in {"Choice", "MultiChoice", "State", "Status"}:
        return {"DefaultFormValue": -1 if column.default is None else column.default, "OptionSet": option_set(table, column)}
    return {"Targets": list(column.targets), "Format": "None"} if column.targets else dict(column.extra)


def _of_text(column: Column) -> dict[str, Any]:
    length = column.max_length or (100 if column.kind == "String" else 2000)
    form = column.format or ("Text" if column.kind == "String" else "TextArea")
    return {"MaxLength": length, "Format": form, "FormatName": {"Value": form}, "AutoNumberFormat": column.auto_number}


def _of_number(column: Column) -> dict[str, Any]:
    low, high = _LIMITS[column.kind]
    bounds = {"MinValue": low if column.min is None else column.min, "MaxValue": high if column.max is None else column.max}
    if column.kind == "Integer":
        return {"MinValue": int(bounds["MinValue"]), "MaxValue": int(bounds["MaxValue"]), "Format": column.format or "None"}
    source = {"PrecisionSource": column.precision_source or 0} if column.kind == "Money" else {}
    return bounds | {"Precision": column.precision if column.precision is not None else 5} | source


def option_set(table: Table, column: Column) -> dict[str, Any]:
    """The choices of a column."""
    kind = {"State": "State", "Status": "Status"}.get(column.kind, "Picklist")
    options = [option(value, text, column, kind) for value, text in column.options.items()]
    name = column.global_options or f"{table.name}_{column.name}"
    return {"MetadataId": stable_id("choice", name), "Name": name, "IsGlobal": column.global_options is not None, "OptionSetType": kind,
            "IsCustomOptionSet": column.custom, "DisplayName": label(column.display_name), "Options": options}  # fmt: skip


def option(value: int, text: str, column: Column | None = None, kind: str = "Picklist") -> dict[str, Any]:
    """One choice; a status reason also says its state."""
    shape: dict[str, Any] = {"Value": value, "Label": label(text), "Description": label(""), "Color": None, "IsManaged": False}
    if column is not None and kind == "Status":
        shape |= {"@odata.type": f"#{NAMESPACE}StatusOptionMetadata", "State": column.states.get(value), "TransitionData": None}
    if column is not None and kind == "State":
        shape |= {"@odata.type": f"#{NAMESPACE}StateOptionMetadata", "InvariantName": text}
    return shape


def boolean_options(column: Column) -> dict[str, Any]:
    """The two choices of a yes/no column."""
    return {"OptionSetType": "Boolean", "IsGlobal": False, "TrueOption": option(1, column.options.get(1, "Yes")),
            "FalseOption": option(0, column.options.get(0, "No"))}  # fmt: skip


def relationship_shape(relation: Relationship) -> dict[str, Any]:
    """A relationship as RelationshipDefinitions shows it."""
    common = {"MetadataId": relation.metadata_id, "SchemaName": relation.schema_name, "IsCustomRelationship": relation.custom,
              "IsManaged": not relation.custom, "IsCustomizable": managed(True, "iscustomizable"), "IsHierarchical": False}  # fmt: skip
    if relation.many_to_many:
        return {"@odata.type": f"#{NAMESPACE}ManyToManyRelationshipMetadata", **common, "RelationshipType": "ManyToManyRelationship",
                "Entity1LogicalName": relation.entity1, "Entity2LogicalName": relation.entity2,
                "Entity1IntersectAttribute": _plain_name(relation.end(relation.entity1)),
                "Entity2IntersectAttribute": _plain_name(relation.end(relation.entity2)),
                "Entity1NavigationPropertyName": relation.schema_name, "Entity2NavigationPropertyName": relation.schema_name,
                "IntersectEntityName": relation.intersect}  # fmt: skip
    return {"@odata.type": f"#{NAMESPACE}OneToManyRelationshipMetadata", **common, "RelationshipType": "OneToManyRelationship",
            "ReferencedEntity": relation.referenced, "ReferencedAttribute": f"{relation.referenced}id",
            "ReferencedEntityNavigationPropertyName": relation.collection, "ReferencingEntity": relation.referencing,
            "ReferencingAttribute": relation.column, "ReferencingEntityNavigationPropertyName": relation.navigation,
            "CascadeConfiguration": relation.cascade}  # fmt: skip


def _plain_name(read_name: str) -> str:
    """A column's name from its name in a row."""
    return read_name.removeprefix("_").removesuffix("_value") if read_name.startswith("_") else read_name


def key_shape(table: Table, key: Key, now: float) -> dict[str, Any]:
    """An alternate key with the state of its index."""
    return {"MetadataId": key.metadata_id, "LogicalName": key.name, "SchemaName": key.schema_name, "EntityLogicalName": table.name,
            "KeyAttributes": list(key.columns), "EntityKeyIndexStatus": key.status(now), "DisplayName": label(key.display_name),
            "IsManaged": False}  # fmt: skip
