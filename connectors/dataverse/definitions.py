"""A table or column to be created as the JSON that the metadata API takes; pure.

Sources: learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api and
…/create-update-column-definitions-using-web-api
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.dataverse.columns import ColumnSpec, TableSpec
from workbench.engagements.errors import BadInput

NS = "Microsoft.Dynamics.CRM"
ENGLISH = 1033
_WHOLE = 2_147_483_647
_DECIMAL = 100_000_000_000
_MONEY = 922_337_203_685_477
_DESCRIPTION = 2_000
_NAME = 300  # characters of a table's own name column
Json = dict[str, Any]


def label(text: str, language: int = ENGLISH) -> Json:
    """A label in one language, which has to be the organisation's base language."""
    return {
        "@odata.type": f"{NS}.Label",
        "LocalizedLabels": [{"@odata.type": f"{NS}.LocalizedLabel", "Label": text, "LanguageCode": language}],
    }


def table_definition(spec: TableSpec, language: int = ENGLISH) -> Json:
    """What is posted to EntityDefinitions: a table owned by users and teams, with its name column, without notes and activities."""
    name = ColumnSpec(spec.primary_name, "String", "Name", max_length=_NAME)
    return {
        "@odata.type": f"{NS}.EntityMetadata",
        "SchemaName": spec.name,
        "DisplayName": label(spec.display_name, language),
        "DisplayCollectionName": label(spec.collection_name, language),
        "Description": label(spec.description[:_DESCRIPTION], language),
        "OwnershipType": "UserOwned",
        "IsActivity": False,
        "HasActivities": False,
        "HasNotes": False,
        "Attributes": [{**column_definition(name, language), "IsPrimaryName": True}],
    }


def column_definition(spec: ColumnSpec, language: int = ENGLISH) -> Json:
    """What is posted to a table's Attributes. Raises BadInput on a kind that isn't made this way."""
    if spec.kind not in _KINDS:
        raise BadInput(f"A column of kind {spec.kind} can't be created.", remedy="Choose another kind in the schema plan.")
    odata_type, type_name, details = _KINDS[spec.kind]
    return {**_common(spec, odata_type, type_name, language), **details(spec, language)}


def lookup_definition(table: str, spec: ColumnSpec, target_id: str, language: int = ENGLISH) -> Json:
    """What is posted to RelationshipDefinitions for a lookup from `table` to `spec.target`.

    target_id: primary key column of the target. A deleted target clears the lookup. Raises BadInput without a target.
    """
    if not spec.target:
        raise BadInput(f"The lookup {spec.name} has no target.", remedy="Choose the table it leads to in the schema plan.")
    menu = {"Behavior": "UseCollectionName", "Group": "Details", "Label": label(spec.display_name, language), "Order": 10_000}
    quiet = dict.fromkeys(("Assign", "Merge", "Reparent", "Share", "Unshare"), "NoCascade")
    return {
        "@odata.type": f"{NS}.OneToManyRelationshipMetadata",
        "SchemaName": f"{spec.name}_{table}_{spec.target}",
        "ReferencedEntity": spec.target,
        "ReferencedAttribute": target_id,
        "ReferencingEntity": table,
        "CascadeConfiguration": {**quiet, "Delete": "RemoveLink"},
        "AssociatedMenuConfiguration": menu,
        "Lookup": _common(spec, "LookupAttributeMetadata", "LookupType", language, attribute_type="Lookup"),
    }  # fmt: skip


def _common(spec: ColumnSpec, odata_type: str, type_name: str, language: int, attribute_type: str | None = None) -> Json:
    described = {"Description": label(spec.description[:_DESCRIPTION], language)} if spec.description else {}
    return {
        "@odata.type": f"{NS}.{odata_type}",
        "AttributeType": attribute_type or _ATTRIBUTE_TYPES.get(spec.kind, spec.kind),
        "AttributeTypeName": {"Value": type_name},
        "SchemaName": spec.name,
        "DisplayName": label(spec.display_name, language),
        **described,
        "RequiredLevel": {"Value": "None", "CanBeChanged": True, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"},
    }


def _string(spec: ColumnSpec, _: int) -> Json:
    return {"MaxLength": spec.max_length or 100, "FormatName": {"Value": spec.format or "Text"}}


def _memo(spec: ColumnSpec, _: int) -> Json:
    return {"MaxLength": spec.max_length or 2_000, "Format": spec.format or "TextArea"}


def _integer(spec: ColumnSpec, _: int) -> Json:
    return {"MinValue": int(_or(spec.min, -_WHOLE)), "MaxValue": int(_or(spec.max, _WHOLE)), "Format": spec.format or "None"}


def _decimal(spec: ColumnSpec, _: int) -> Json:
    return {"MinValue": _or(spec.min, -_DECIMAL), "MaxValue": _or(spec.max, _DECIMAL), "Precision": int(_or(spec.precision, 2))}


def _double(spec: ColumnSpec, _: int) -> Json:
    return {"MinValue": _or(spec.min, -_DECIMAL), "MaxValue": _or(spec.max, _DECIMAL), "Precision": int(_or(spec.precision, 5))}


def _money(spec: ColumnSpec, _: int) -> Json:
    own = {"Precision": spec.precision, "PrecisionSource": 0} if spec.precision is not None else {"PrecisionSource": 2}
    return {"MinValue": _or(spec.min, -_MONEY), "MaxValue": _or(spec.max, _MONEY), **own}


def _datetime(spec: ColumnSpec, _: int) -> Json:
    shape = spec.format or "DateAndTime"
    # a day without a time must not shift with the reader's zone
    return {"Format": shape, "DateTimeBehavior": {"Value": spec.behavior or ("DateOnly" if shape == "DateOnly" else "UserLocal")}}


def _boolean(spec: ColumnSpec, language: int) -> Json:
    labels = {1: "Yes", 0: "No", **dict(spec.options)}
    return {
        "DefaultValue": False,
        "OptionSet": {
            "TrueOption": {"Value": 1, "Label": label(labels[1], language)},
            "FalseOption": {"Value": 0, "Label": label(labels[0], language)},
        },
    }


def _choice(spec: ColumnSpec, language: int) -> Json:
    options = [{"Value": value, "Label": label(text, language)} for value, text in spec.options]
    return {"OptionSet": {"@odata.type": f"{NS}.OptionSetMetadata", "IsGlobal": False, "OptionSetType": "Picklist", "Options": options}}


def _file(spec: ColumnSpec, _: int) -> Json:
    return {"MaxSizeInKB": spec.max_length} if spec.max_length else {}


def _or(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given


_ATTRIBUTE_TYPES = {"Choice": "Picklist", "MultiChoice": "Virtual", "File": "Virtual", "Image": "Virtual"}
_KINDS: Mapping[str, tuple[str, str, Callable[[ColumnSpec, int], Json]]] = {
    "String": ("StringAttributeMetadata", "StringType", _string),
    "Memo": ("MemoAttributeMetadata", "MemoType", _memo),
    "Integer": ("IntegerAttributeMetadata", "IntegerType", _integer),
    "Decimal": ("DecimalAttributeMetadata", "DecimalType", _decimal),
    "Double": ("DoubleAttributeMetadata", "DoubleType", _double),
    "Money": ("MoneyAttributeMetadata", "MoneyType", _money),
    "DateTime": ("DateTimeAttributeMetadata", "DateTimeType", _datetime),
    "Boolean": ("BooleanAttributeMetadata", "BooleanType", _boolean),
    "Choice": ("PicklistAttributeMetadata", "PicklistType", _choice),
    "MultiChoice": ("MultiSelectPicklistAttributeMetadata", "MultiSelectPicklistType", _choice),
    "File": ("FileAttributeMetadata", "FileType", _file),
    "Image": ("ImageAttributeMetadata", "ImageType", _file),
}
