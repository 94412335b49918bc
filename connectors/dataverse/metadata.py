"""The destination's tables read, and columns created, through the metadata part of the Web API.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.columns import BULK, Column, ColumnSpec, Table, TableSpec
from connectors.dataverse.definitions import ENGLISH, NS, column_definition, lookup_definition, table_definition
from connectors.dataverse.errors import RowMissing, from_refusal
from connectors.dataverse.solutions import ensure_solution
from connectors.http import HttpRefused, OutcomeUnknown
from workbench.engagements.errors import BadInput

__all__ = [
    "Column", "ColumnSpec", "Table", "TableSpec", "base_language", "create_column", "create_table", "ensure_solution", "publish_all",
    "read_table", "read_tables",
]  # fmt: skip

_OF_TABLE = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,IsCustomEntity"
_OF_COLUMN = "LogicalName,SchemaName,AttributeType,AttributeTypeName,RequiredLevel,IsValidForCreate,IsValidForUpdate,DisplayName,IsSecured"
_OF_TIE = "ReferencingAttribute,ReferencingEntityNavigationPropertyName,ReferencedEntity"
_KINDS = {"Picklist": "Choice", "MultiSelectPicklistType": "MultiChoice", "FileType": "File", "ImageType": "Image"}
_RANGE = "MinValue,MaxValue"
# What each type of column says beyond the common part: the type to cast to, and what to ask of it.
_DETAILS: Sequence[tuple[str, str, str | None]] = (
    ("String", "MaxLength,FormatName", None),
    ("Memo", "MaxLength,Format", None),
    ("Integer", f"{_RANGE},Format", None),
    ("Decimal", f"{_RANGE},Precision", None),
    ("Double", f"{_RANGE},Precision", None),
    ("Money", f"{_RANGE},Precision,PrecisionSource", None),
    ("DateTime", "Format,DateTimeBehavior", None),
    ("Picklist", "", "OptionSet"),
    ("State", "", "OptionSet"),
    ("Status", "", "OptionSet"),
    ("Boolean", "", "OptionSet"),
    ("MultiSelectPicklist", "", "OptionSet"),
    ("Lookup", "Targets", None),
)
_OWNERS = ("systemuser", "team")
_PRICING = "organizations?$select=pricingdecimalprecision"
_MONEY_DECIMALS = 4
# Where the decimals of a money column come from, beside its own `Precision`.
# Learned from learn.microsoft.com/power-apps/developer/component-framework/reference/moneyprecisionsource
_OF_ORGANISATION, _OF_CURRENCY = 1, 2
# Custom tables have the messages in any case. Source: learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
_BULK = (
    "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name%20eq%20'{message}'"
    "%20and%20primaryobjecttypecode%20eq%20'{table}'"
)
Json = dict[str, Any]


def read_tables(client: Client) -> list[str]:
    """Logical names of all tables that aren't private to the platform, sorted."""
    answer = client.get("EntityDefinitions", params={"$select": "LogicalName", "$filter": "IsPrivate eq false"})
    return sorted(entry["LogicalName"] for entry in answer["value"])


def read_table(client: Client, logical_name: str) -> Table:
    """A table with its columns, in one batch of reads: the table, its columns and lookups, what each type of column says beyond, the
    bulk messages that there are for it, and how many decimals the organisation's prices have.

    Raises BadInput where there is no such table.
    """
    address = _address(logical_name)
    reads = [
        f"{address}?$select={_OF_TABLE}",
        f"{address}/Attributes?$select={_OF_COLUMN}",
        f"{address}/ManyToOneRelationships?$select={_OF_TIE}",
        *(f"{address}/Attributes/{NS}.{cast}AttributeMetadata?{_asked(select, expand)}" for cast, select, expand in _DETAILS),
        *(_BULK.format(message=f"{name}Multiple", table=logical_name) for name in BULK),
        _PRICING,
    ]
    outcomes = client.batch([Operation("GET", path, headers={"Accept": "application/json"}) for path in reads], repeatable=True)
    if outcomes[0].status == HTTPStatus.NOT_FOUND:
        raise no_table(logical_name)
    *outcomes, creates, updates, organisation = outcomes
    head, plain, relationships, *answers = (_answered(outcome, logical_name) for outcome in outcomes)
    plain = plain["value"]
    kinds = {entry["LogicalName"]: _kind(entry) for entry in plain}
    details = {entry["LogicalName"]: entry for answer in answers for entry in answer["value"]}
    ties = _navigation(relationships["value"])
    columns = {
        name: _column(logical_name, entry, kinds[name], details.get(name, {}), ties.get(name, {}))
        for entry in plain
        for name in [entry["LogicalName"]]
    }
    of_prices = _of_prices(organisation)
    columns |= {name: _of_money(column, details[name], of_prices) for name, column in columns.items() if column.kind == "Money"}
    supported = (name for name, outcome in zip(BULK, (creates, updates), strict=True) if head.get("IsCustomEntity") or _is_listed(outcome))
    name, keys, key = (head[what] for what in ("LogicalName", "EntitySetName", "PrimaryIdAttribute"))
    custom = bool(head.get("IsCustomEntity"))
    return Table(name, keys, key, columns, head.get("PrimaryNameAttribute") or "", frozenset(supported), custom)


def definitions(client: Client, tables: Iterable[str], select: str) -> dict[str, Json | None]:
    """Table -> what is selected of its definition, None where it isn't there; in the order given, read in one batch."""
    paths = {name: f"{_address(name)}?$select={select}" for name in tables}
    outcomes = client.batch([Operation("GET", path, headers={"Accept": "application/json"}) for path in paths.values()], repeatable=True)
    read = zip(paths, outcomes, strict=True)
    return {name: None if outcome.status == HTTPStatus.NOT_FOUND else _answered(outcome, name) for name, outcome in read}


def no_table(name: str) -> BadInput:
    """The error where a table that is needed isn't there."""
    return BadInput(f"The destination has no table {name}.", remedy="Check the edition, or provision the table first.")


def _is_listed(outcome: Outcome) -> bool:
    """Whether a message is there for a table; where the list may not be read it is tried, and a call that is refused taken apart."""
    return outcome.body is None or bool(outcome.body.get("value", True))


def create_table(client: Client, spec: TableSpec, solution: str, language: int = ENGLISH) -> None:
    """Create a table with its name column in a solution; a lost answer is followed by a look. Raises DataverseRefused."""
    headers, body = {"MSCRM.SolutionUniqueName": solution}, table_definition(spec, language)
    try:
        client.post("EntityDefinitions", body, headers)
    except OutcomeUnknown:
        if not has_table(client, spec.name):
            client.post("EntityDefinitions", body, headers)


def create_column(client: Client, table: str, spec: ColumnSpec, solution: str, language: int = ENGLISH) -> None:
    """Create a column (or the relationship that makes a lookup) in a solution; a lost answer is followed by a look.

    language: the organisation's base language, see `base_language`. Raises DataverseRefused where it is there already.
    """
    headers = {"MSCRM.SolutionUniqueName": solution}
    path, body = _column_request(client, table, spec, language)
    try:
        client.post(path, body, headers)
    except OutcomeUnknown:
        if not has_column(client, table, spec.name.lower()):
            client.post(path, body, headers)


def _column_request(client: Client, table: str, spec: ColumnSpec, language: int) -> tuple[str, Json]:
    if spec.kind != "Lookup":
        return f"{_address(table)}/Attributes", column_definition(spec, language)
    target = client.get(_address(spec.target), params={"$select": "PrimaryIdAttribute"}) if spec.target else {"PrimaryIdAttribute": ""}
    return "RelationshipDefinitions", lookup_definition(table, spec, target["PrimaryIdAttribute"], language)


def has_table(client: Client, name: str) -> bool:
    """Whether there is a table of this logical name."""
    try:
        client.get(_address(name), params={"$select": "LogicalName"})
    except RowMissing:
        return False
    return True


def has_column(client: Client, table: str, name: str) -> bool:
    """Whether the table has a column of this logical name."""
    try:
        client.get(f"{_address(table)}/Attributes(LogicalName='{name}')", params={"$select": "LogicalName"})
    except RowMissing:
        return False
    return True


def publish_all(client: Client) -> None:
    """Make changed definitions visible in the apps; takes up to minutes, and a second go does no harm."""
    client.post("PublishAllXml", {}, repeatable=True)


def base_language(client: Client) -> int:
    """The language code that labels must have; English where the organisation doesn't say."""
    rows = client.get("organizations", params={"$select": "languagecode"})["value"]
    return int(rows[0].get("languagecode") or ENGLISH) if rows else ENGLISH


def _address(table: str) -> str:
    return f"EntityDefinitions(LogicalName='{table}')"


def _kind(entry: Json) -> str:
    """The kind in our words; a virtual column is told by its type's name."""
    kind, type_name = entry.get("AttributeType") or "", (entry.get("AttributeTypeName") or {}).get("Value", "")
    return _KINDS.get(type_name) or _KINDS.get(kind) or kind


def _asked(select: str, expand: str | None) -> str:
    wanted = f"$select={','.join(filter(None, ['LogicalName', select]))}"
    return f"{wanted}&$expand={expand}" if expand else wanted


def _answered(outcome: Outcome, table: str) -> Json:
    """The body of one read of a batch. Raises what the service's refusal means."""
    if outcome.ok and outcome.body is not None:
        return outcome.body
    payload = {"error": {"code": outcome.code, "message": outcome.message}}
    raise from_refusal(HttpRefused(f"Reading the table {table} was refused.", status=outcome.status, body=outcome.message, payload=payload))


def _navigation(relationships: Iterable[Json]) -> dict[str, dict[str, str]]:
    """Column -> lookup target -> navigation property, from the relationships: names are never guessed."""
    ties: dict[str, dict[str, str]] = defaultdict(dict)
    for tie in relationships:
        ties[tie["ReferencingAttribute"]][tie["ReferencedEntity"]] = tie["ReferencingEntityNavigationPropertyName"]
    return ties


def _column(table: str, entry: Json, kind: str, detail: Json, ties: Mapping[str, str]) -> Column:
    options, states = _options(detail.get("OptionSet") or {})
    targets = tuple(detail.get("Targets") or ties)
    navigation = dict(ties)
    if kind == "Owner":
        # The relationship leads to `owner`, which stands for both; *assumed* the same property binds either.
        targets = _OWNERS
        navigation = {target: ties.get(target) or ties.get("owner") or entry["LogicalName"] for target in _OWNERS}
    return Column(
        table=table, name=entry["LogicalName"], kind=kind, max_length=detail.get("MaxLength"), min=detail.get("MinValue"),
        max=detail.get("MaxValue"), precision=detail.get("Precision"), required=_managed(entry.get("RequiredLevel"), "None"),
        targets=targets, options=options, states=states, behavior=_managed(detail.get("DateTimeBehavior"), ""),
        format=_managed(detail.get("FormatName"), "") or detail.get("Format") or "",
        valid_for_create=bool(entry.get("IsValidForCreate", True)), valid_for_update=bool(entry.get("IsValidForUpdate", True)),
        schema_name=entry.get("SchemaName") or "", display_name=_text(entry.get("DisplayName")), navigation=navigation,
        secured=bool(entry.get("IsSecured")),
    )  # fmt: skip


def _of_prices(organisation: Outcome) -> int | None:
    """How many decimals the organisation's prices have; None where it may not be read."""
    rows = (organisation.body or {}).get("value") or [{}]
    decimals: int | None = rows[0].get("pricingdecimalprecision")
    return decimals


def _of_money(column: Column, detail: Json, of_prices: int | None) -> Column:
    """A money column with the decimals that it keeps. of_prices: those of the organisation's prices, None where it doesn't say."""
    source = detail.get("PrecisionSource")
    if source == _OF_ORGANISATION and of_prices is not None:
        return replace(column, precision=of_prices)
    return replace(column, precision=_MONEY_DECIMALS, by_currency=True) if source == _OF_CURRENCY else column


def _options(option_set: Json) -> tuple[dict[int, str], dict[int, int]]:
    """Labels by value, and for status reasons the state each belongs to."""
    entries = [*(option_set.get("Options") or ()), *filter(None, (option_set.get("FalseOption"), option_set.get("TrueOption")))]
    labels = {int(entry["Value"]): _text(entry.get("Label")) for entry in entries}
    return labels, {int(entry["Value"]): int(entry["State"]) for entry in entries if entry.get("State") is not None}


def _text(of_label: Json | None) -> str:
    """A label in the caller's language, else in the first there is."""
    user = ((of_label or {}).get("UserLocalizedLabel") or {}).get("Label")
    localised = (of_label or {}).get("LocalizedLabels") or []
    return user or (localised[0].get("Label") or "" if localised else "")


def _managed(given: Any, otherwise: Any) -> Any:
    """The value of a {"Value": …} property."""
    value = given.get("Value") if isinstance(given, Mapping) else given
    return otherwise if value is None else value
