"""Checks of the loaded tables' columns: which are required and have no map, which are secured, which dates move with the reader's zone."""

from collections.abc import Iterator, Mapping

from connectors.base import Finding
from connectors.dataverse.columns import Column
from mapping.checks.look import Look
from mapping.checks.registry import Choice, Decision, check
from mapping.models import FieldMap
from workbench.engagements.models import Role

GROUP = "Columns"
# What the service fills itself, or only looks required: ids, owners, states, counters.
SERVICES = {"Uniqueidentifier", "State", "Status", "Owner", "EntityName", "BigInt", "PartyList"}
# Required columns that the workbench fills whatever the maps say.
FILLED: Mapping[str, frozenset[str]] = {
    "account": frozenset({"name"}),
    "contact": frozenset({"lastname"}),
    "lead": frozenset({"lastname", "subject"}),
    "list": frozenset({"listname", "createdfromcode", "membertype"}),
    "campaign": frozenset({"name", "codename", "typecode"}),
    "task": frozenset({"subject"}),
    "product": frozenset({"name", "productnumber", "defaultuomid", "defaultuomscheduleid", "quantitydecimal"}),
    "uomschedule": frozenset({"name", "baseuomname"}),
    "uom": frozenset({"name", "quantity", "uomscheduleid"}),
    "pricelevel": frozenset({"name", "transactioncurrencyid"}),
    "productpricelevel": frozenset({"pricelevelid", "productid", "uomid", "productnumber", "pricingmethodcode", "quantitysellingcode"}),
    "opportunity": frozenset({"name", "customerid", "pricelevelid", "transactioncurrencyid"}),
    "opportunityproduct": frozenset({"opportunityid", "productid", "uomid", "quantity", "priceperunit", "productdescription"}),
    "salesorder": frozenset({"name", "customerid", "pricelevelid", "transactioncurrencyid", "ordernumber"}),
    "salesorderdetail": frozenset({"salesorderid", "productid", "uomid", "quantity", "priceperunit", "productdescription"}),
}


def mapped(look: Look) -> set[tuple[str, str]]:
    """(table, column) of the field maps that aren't left behind."""
    rows = FieldMap.objects.filter(engagement=look.engagement).exclude(state=FieldMap.State.LEFT).exclude(column="")
    return set(rows.values_list("table", "column"))


@check(
    "required_columns", "Required columns without a map", GROUP, "Columns that the customer's forms demand and that no field fills.",
    Decision(
        "Rows would load without it, since forms demand it and the service doesn't. What happens?",
        (
            Choice("accept", "Leave it empty", "Migrated rows have no value; whoever opens one first must enter it before saving."),
            Choice("map", "A field is mapped", "A source field is mapped to it, then the environment is looked at again.", holds=True),
        ),
        Role.APPROVER, "accept",
    ),
    last=True,
)  # fmt: skip
def required_columns(look: Look) -> Iterator[Finding]:
    """One finding per column, the same in both environments."""
    have = mapped(look)
    for name, table in look.tables.items():
        for column in table.columns.values():
            if _demanded(column) and (name, column.name) not in have and column.name not in FILLED.get(name, ()):
                evidence = f"{column.display_name or column.name} of {name} is required, and nothing fills it."
                facts = {"kind": column.kind, "level": column.required}
                yield Finding("required_columns", "warning", evidence, subject=f"{name}.{column.name}", rests_on=facts)


def _demanded(column: Column) -> bool:
    """Whether forms demand it. What the service itself demands of its own tables is filled by it or by the workbench."""
    return column.kind not in SERVICES and column.valid_for_create and column.required == "ApplicationRequired"


@check(
    "secured_columns",
    "Columns with field security",
    GROUP,
    "Whether mapped columns are secured, so that the load may not write them.",
    last=True,
)
def secured_columns(look: Look) -> Iterator[Finding]:
    """Secured columns, a warning where a field is mapped to one."""
    have, others = mapped(look), []
    for name, table in look.tables.items():
        for column in table.columns.values():
            if column.secured and (name, column.name) in have:
                evidence = f"{name}.{column.name} is secured: without a profile that lets it, the application user may not write it."
                remedy = "Add the application user to the column security profile, with create and update."
                yield Finding("secured_columns", "warning", evidence, remedy, subject=f"{name}.{column.name}")
            elif column.secured:
                others.append(f"{name}.{column.name}")
    if others:
        yield Finding("secured_columns", "info", f"Secured, and no field goes there: {', '.join(others)}.")


@check(
    "date_columns", "Dates and zones", GROUP, "Mapped dates that other zones read as another day, and those that keep no zone.", last=True
)
def date_columns(look: Look) -> Iterator[Finding]:
    """Mapped columns that show a day and keep a moment, and those that keep a wall time."""
    have = mapped(look)
    dates = [
        (f"{name}.{column.name}", column)
        for name, table in look.tables.items()
        for column in table.columns.values()
        if column.kind == "DateTime" and (name, column.name) in have
    ]
    moving = [name for name, column in dates if column.format == "DateOnly" and column.behavior == "UserLocal"]
    walls = [name for name, column in dates if column.behavior == "TimeZoneIndependent"]
    if moving:
        evidence = f"These show a day but keep a moment, so readers in other zones may see the day before or after: {', '.join(moving)}."
        remedy = "The day is taken in the map's own zone, else in the engagement's signed one; tell readers elsewhere."
        yield Finding("date_columns", "warning", evidence, remedy)
    if walls:
        evidence = f"These keep a wall time and no zone, so everybody reads the same: {', '.join(walls)}."
        remedy = "They get the wall time of the map's own zone, else of the engagement's signed one."
        yield Finding("date_columns", "info", evidence, remedy, subject="wall times")
