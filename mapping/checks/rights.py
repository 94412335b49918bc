"""Checks of what the application user may do: on each table that the plan writes, and beyond tables."""

from collections.abc import Iterator, Mapping

from connectors.base import Finding
from connectors.dataverse import directory
from mapping.checks.look import Look
from mapping.checks.registry import check

GROUP = "Privileges"
GRANT = "Add the privilege to the application user's role."
# What isn't about one table -> (why it is needed, whether loading is impossible without it).
SPECIAL: Mapping[str, tuple[str, bool]] = {
    "prvOverrideCreatedOnCreatedBy": ("Without it rows get the load's date as created on.", False),
    "prvActOnBehalfOfAnotherUser": ("Without it no row can be created in the name of its original author.", False),
    "prvBypassCustomBusinessLogic": ("Without it the quiet load can't leave custom logic out: the service refuses each row.", True),
    "prvBulkDelete": ("Without it a rollback can't have the service delete in bulk; it deletes row by row.", False),
    "prvCreateAttribute": ("Without it the plan's columns can't be created.", False),
    "prvPublishCustomization": ("Without it new columns can't be published.", False),
}


@check(
    "special_privileges",
    "Special privileges",
    GROUP,
    "Overriding created-on, acting on behalf, bypassing custom logic, bulk deletion, schema.",
)
def special_privileges(look: Look) -> Iterator[Finding]:
    """Those that the application user lacks, each with what it is needed for."""
    held = directory.privileges(look.client, look.me["UserId"])
    bypass = look.engagement.options.get("quiet_load", "bypass") == "bypass"
    lacking = [name for name in SPECIAL if name not in held]
    for name in lacking:
        why, needed = SPECIAL[name]
        yield Finding("special_privileges", "blocker" if needed and bypass else "warning", why, GRANT, subject=name)
    if not lacking:
        yield Finding("special_privileges", "info", f"All {len(SPECIAL)} that the move may need are held.")


@check("table_privileges", "Privileges on the loaded tables", GROUP, "Create, read, write, assign, append; delete, for a rollback.")
def table_privileges(look: Look) -> Iterator[Finding]:
    """Per table the rights that are missing or don't reach all rows."""
    held = directory.privilege_depths(look.client, look.me["UserId"])
    whole = []
    for table, needed in directory.table_privileges(look.client, look.tables).items():
        lacking = directory.lacking(needed, held)
        near = [right for right in (*directory.LOADING, "Delete") if held.get(needed.get(right, "")) in ("Basic", "Local", "Deep")]
        if lacking:
            yield Finding(
                "table_privileges", "blocker", f"On {table} the user may not: {', '.join(lacking).lower()}.", GRANT, subject=table
            )
        if "Delete" in needed and needed["Delete"] not in held:
            evidence = f"The user may not delete rows of {table}: a rollback would have to leave them."
            yield Finding("table_privileges", "warning", evidence, GRANT, subject=f"{table} delete")
        if near:
            evidence = f"On {table} these rights don't reach the rows of all business units: {', '.join(near).lower()}."
            remedy = "Give the role these privileges at the level of the organisation."
            yield Finding("table_privileges", "warning", evidence, remedy, subject=f"{table} reach")
        whole += [] if lacking or near else [table]
    if whole:
        yield Finding("table_privileges", "info", f"The user may load: {', '.join(whole)}.")


@check("business_unit", "Business unit", GROUP, "Which business unit the application user belongs to.")
def business_unit(look: Look) -> Iterator[Finding]:
    """Its unit, and a warning where it isn't the root one."""
    rows = {row["businessunitid"]: row for row in look.rows("businessunits", ["name", "businessunitid", "_parentbusinessunitid_value"])}
    own = rows.get(look.me.get("BusinessUnitId") or "", {})
    name, facts = own.get("name") or "unknown", {"name": own.get("name") or ""}
    if own.get("_parentbusinessunitid_value"):
        evidence = f"The application user belongs to the unit {name}, which is below another: rows of other units may be out of its reach."
        yield Finding("business_unit", "warning", evidence, "Move the application user to the root business unit.", rests_on=facts)
    else:
        yield Finding("business_unit", "info", f"The application user belongs to the root unit {name}; there are {len(rows)} units.")
