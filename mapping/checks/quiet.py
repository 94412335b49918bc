"""Checks of the quiet load: what a created or changed row of a loaded table would set off, and what the customer wants of each.

No e-mail, invitation, notice or journey may leave because of a load. Source: the table references of Microsoft's documentation, and
its page on bypassing custom logic; what isn't confirmed there is marked *assumed*.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.base import Finding
from mapping.checks.look import LABEL, Look
from mapping.checks.registry import Choice, Decision, check
from workbench.engagements.models import Role

GROUP = "Quiet load"
# Messages by which a load writes, and a rollback undoes.
WRITING = ("Create", "CreateMultiple", "Update", "UpdateMultiple", "Delete", "Assign", "SetState", "SetStateDynamicEntity", "Win", "Lose")
MICROSOFT = "31bf3856ad364e35"  # the public key token of Microsoft's own assemblies
STAGES = {10: "before the main operation, outside the transaction", 20: "before it is saved", 40: "after it is saved"}
REGISTERED = {
    1: "added",
    2: "deleted",
    3: "changed",
    4: "added or changed",
    5: "added or deleted",
    6: "changed or deleted",
    7: "written at all",
}
SYNCHRONISED = {"appointment", "task", "contact"}  # what a mailbox exchanges with Outlook
OBJECTS = {3: "opportunity", 4: "lead"}  # object types of sales accelerator; 5 is any other table

RUN = Choice("run", "Let it run", "It runs for migrated rows as for any other.")
BYPASS = Choice("bypass", "Bypass by request header", "The load's own requests leave it out; it goes on for everybody else.")
OFF = Choice("off", "Off for the window", "It is switched off before the load and put back after it, for everybody.", holds=True)


def _decision(question: str, *choices: Choice, default: str) -> Decision:
    return Decision(question, choices, Role.DYNAMICS_ADMIN, default)


CUSTOM = _decision("Each migrated row would set it off. What happens to it during the load?", RUN, BYPASS, OFF, default="bypass")
SWITCH = _decision("Each migrated row would set it off, and no header leaves it out. What happens to it?", RUN, OFF, default="off")


@check(
    "quiet_plugin_steps", "Plug-in steps", GROUP, "Custom plug-ins, webhooks and service endpoints registered on the loaded tables.", CUSTOM
)
def plugin_steps(look: Look) -> Iterator[Finding]:
    """Enabled steps of others than the maker, on messages by which a load writes."""
    filters = {row["sdkmessagefilterid"]: row["primaryobjecttypecode"] for row in _filters(look)}
    select = ["name", "mode", "stage", "filteringattributes", "canbebypassed", "_eventhandler_value", "_sdkmessageid_value",
              "_sdkmessagefilterid_value"]  # fmt: skip
    rows = look.rows("sdkmessageprocessingsteps", select, "statecode eq 0 and ishidden/Value eq false", labels=True)
    mine = [row for row in rows if _writes(row) and (row.get("_sdkmessagefilterid_value") or "") in {*filters, ""}]
    theirs = _microsofts(look, [row["_eventhandler_value"] for row in mine if row.get("_eventhandler_value")])
    for row in mine:
        if row.get("_eventhandler_value") not in theirs:
            yield _step(look, row, filters.get(row.get("_sdkmessagefilterid_value") or "", ""))


def _filters(look: Look) -> Iterator[dict[str, Any]]:
    return look.rows("sdkmessagefilters", ["sdkmessagefilterid", "primaryobjecttypecode"], _any_of("primaryobjecttypecode", look.tables))


def _any_of(column: str, values: Iterable[str]) -> str:
    return " or ".join(f"{column} eq '{value}'" for value in values) or f"{column} eq 'none'"


def _writes(row: Mapping[str, Any]) -> bool:
    return row.get(f"_sdkmessageid_value@{LABEL}") in WRITING


def _microsofts(look: Look, handlers: Iterable[str]) -> set[str]:
    """Which event handlers are Microsoft's own plug-ins, which no header bypasses; a webhook is nobody's plug-in."""
    select = ["plugintypeid", "assemblyname", "publickeytoken"]
    kinds = look.client.retrieve("plugintypes", "plugintypeid", list(handlers), select)
    return {
        row["plugintypeid"]
        for row in kinds
        if row.get("publickeytoken") == MICROSOFT or str(row.get("assemblyname") or "").startswith("Microsoft.")
    }


def _step(look: Look, row: Mapping[str, Any], table: str) -> Finding:
    message, runs_after = row.get(f"_sdkmessageid_value@{LABEL}"), row.get("mode") == 1
    when = "asynchronously" if runs_after else f"synchronously {STAGES.get(row.get('stage') or 0, '')}".strip()
    columns = f", if one of these columns is written: {row['filteringattributes']}" if row.get("filteringattributes") else ""
    evidence = f"Runs {when}, on {message} of {table or 'every table'}{columns}."
    mode = "async" if runs_after else "sync"
    rests_on = {"mode": mode, "columns": row.get("filteringattributes") or "", "table": table, "message": message}
    facts = {"kind": "step", "id": row["sdkmessageprocessingstepid"], "mode": mode, "rows": _rows_of(look, table)}
    switch = [{"set": "sdkmessageprocessingsteps", "id": facts["id"], **_states(1, 2, 0, 1)}]
    # *assumed*: a step that says that it can't be bypassed isn't left out by the headers
    choices, default = (["run", "off"], "off") if row.get("canbebypassed") is False else ([], "")
    return Finding(
        "quiet_plugin_steps", "warning", evidence, subject=str(row.get("name") or ""), rests_on=rests_on, facts=facts | {"switch": switch},
        choices=choices, default=default,
    )  # fmt: skip


def _rows_of(look: Look, table: str) -> str:
    return look.tables[table].entity_set if table in look.tables else ""


def _states(off_state: int, off_status: int, on_state: int, on_status: int) -> dict[str, Any]:
    return {"off": {"statecode": off_state, "statuscode": off_status}, "on": {"statecode": on_state, "statuscode": on_status}}


@check("quiet_workflows", "Classic workflows", GROUP, "Activated classic workflows of the loaded tables that start by themselves.", CUSTOM)
def workflows(look: Look) -> Iterator[Finding]:
    """Those that a created, changed or deleted row starts."""
    for row in _processes(look, 0):
        starts = _starts(row)
        if not starts:
            continue  # on demand only
        mode = "sync" if row.get("mode") == 1 else "async"
        evidence = f"A {'real-time' if mode == 'sync' else 'background'} workflow of {row['primaryentity']}, starts when a row is {starts}."
        facts = {"kind": "workflow", "mode": mode, "rows": _rows_of(look, row["primaryentity"]), "switch": [_process_switch(row)]}
        rests_on = {"mode": mode, "starts": starts, "table": row["primaryentity"]}
        yield Finding("quiet_workflows", "warning", evidence, subject=_named(row), rests_on=rests_on, facts=facts)


def _processes(look: Look, category: int) -> Iterator[dict[str, Any]]:
    """Activated definitions of a category on loaded tables; the activated copies that the service keeps beside them are left out."""
    select = ["name", "mode", "primaryentity", "processtriggerscope", "triggeroncreate", "triggeronupdateattributelist", "triggerondelete"]
    where = f"category eq {category} and type eq 1 and statecode eq 1 and ({_any_of('primaryentity', look.tables)})"
    return look.rows("workflows", select, where)


def _named(row: Mapping[str, Any]) -> str:
    return f"{row.get('name') or 'without a name'} ({row['primaryentity']})"


def _starts(row: Mapping[str, Any]) -> str:
    changed = str(row.get("triggeronupdateattributelist") or "")
    found = (
        "created" if row.get("triggeroncreate") else "",
        f"changed in {changed}" if changed else "",
        "deleted" if row.get("triggerondelete") else "",
    )
    return " or ".join(filter(None, found))


def _process_switch(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"set": "workflows", "id": row["workflowid"], **_states(0, 1, 1, 2)}


@check("quiet_business_rules", "Business rules", GROUP, "Activated business rules of the loaded tables that the server applies.", SWITCH)
def business_rules(look: Look) -> Iterator[Finding]:
    """Rules whose scope is the table: those of forms don't meet a load. *assumed*: no header leaves them out."""
    for row in _processes(look, 2):
        if row.get("processtriggerscope") == 2:
            evidence = f"Applies to every row of {row['primaryentity']}, on the server too: it can set values or refuse a row."
            facts = {"switch": [_process_switch(row)]}
            yield Finding("quiet_business_rules", "warning", evidence, subject=_named(row), facts=facts)


@check("quiet_flows", "Cloud flows", GROUP, "Power Automate flows that wait for rows of the loaded tables.", CUSTOM)
def flows(look: Look) -> Iterator[Finding]:
    """Registrations of flows, each with what it waits for. A flow is switched off in Power Automate, by hand."""
    select = ["name", "entityname", "message", "scope", "filteringattributes"]
    for row in look.rows("callbackregistrations", select, "softdeletestatus eq 0"):
        if row.get("entityname") not in look.tables:
            continue
        what = REGISTERED.get(row.get("message") or 0, "written")
        columns = f" in {row['filteringattributes']}" if row.get("filteringattributes") else ""
        evidence = f"A flow waits for a row of {row['entityname']} to be {what}{columns}."
        facts = {"kind": "flow", "rows": _rows_of(look, row["entityname"])}
        rests_on = {"message": row.get("message"), "columns": row.get("filteringattributes") or ""}
        subject = f"{row.get('name') or 'without a name'} ({row['entityname']})"
        yield Finding("quiet_flows", "warning", evidence, subject=subject, rests_on=rests_on, facts=facts)


@check("quiet_slas", "Service level agreements", GROUP, "Active service level agreements of the loaded tables.", SWITCH)
def slas(look: Look) -> Iterator[Finding]:
    """Clocks that a migrated row would start, with the warnings that follow."""
    codes = _type_codes(look)
    for row in look.rows("slas", ["name", "primaryentityotc"], "statecode eq 1"):
        if table := codes.get(row.get("primaryentityotc") or 0):
            evidence = f"Each row of {table} that fits starts its clock; history would be overdue at once, with notices to its owners."
            facts = {"switch": [{"set": "slas", "id": row["slaid"], **_states(0, 1, 1, 2)}]}
            yield Finding("quiet_slas", "warning", evidence, subject=f"{row.get('name') or ''} ({table})", facts=facts)


def _type_codes(look: Look) -> dict[int, str]:
    """Type code -> loaded table."""
    answer = look.client.get(
        "EntityDefinitions", params={"$select": "LogicalName,ObjectTypeCode", "$filter": _any_of("LogicalName", look.tables)}
    )
    return {int(row["ObjectTypeCode"]): row["LogicalName"] for row in answer["value"]}


@check(
    "quiet_duplicate_rules", "Duplicate detection rules", GROUP, "Published duplicate detection rules of the loaded tables.",
    _decision(
        "Rows through the Web API aren't held against it unless the load asks for it. Shall the load ask?",
        Choice("run", "Ask the rules", "A row that a rule takes for a duplicate is refused and stands among the exceptions."),
        Choice("bypass", "Don't ask", "The plan's own matching decides who is there already; no header is needed."),
        default="bypass",
    ),
)  # fmt: skip
def duplicate_rules(look: Look) -> Iterator[Finding]:
    """Published rules."""
    for row in look.rows("duplicaterules", ["name", "baseentityname", "matchingentityname"], "statecode eq 1"):
        if row.get("baseentityname") in look.tables:
            evidence = f"Compares rows of {row['baseentityname']} with those of {row.get('matchingentityname')}."
            facts = {"kind": "duplicates", "rows": _rows_of(look, row["baseentityname"])}
            yield Finding("quiet_duplicate_rules", "warning", evidence, subject=str(row.get("name") or ""), facts=facts)


@check("quiet_assignment_rules", "Assignment rules", GROUP, "Active rules of sales accelerator that give new rows to sellers.", SWITCH)
def assignment_rules(look: Look) -> Iterator[Finding]:
    """Rules that would take migrated rows from the owners that the plan gives them."""
    if "msdyn_assignmentrule" not in look.there:
        return
    select = ["msdyn_name", "msdyn_objecttype", "msdyn_objecttypecode", "msdyn_triggertype"]
    for row in look.rows("msdyn_assignmentrules", select, "statecode eq 0"):
        table = row.get("msdyn_objecttype") or OBJECTS.get(row.get("msdyn_objecttypecode") or 0, "")
        if not table or table in look.tables:
            evidence = (
                f"Gives a {'changed' if row.get('msdyn_triggertype') == 1 else 'new'} {table or 'row'} to a seller of its own choice."
            )
            facts = {"switch": [{"set": "msdyn_assignmentrules", "id": row["msdyn_assignmentruleid"], **_states(1, 2, 0, 1)}]}
            yield Finding("quiet_assignment_rules", "warning", evidence, subject=str(row.get("msdyn_name") or ""), facts=facts)


@check(
    "quiet_sequences",
    "Segments that attach sequences",
    GROUP,
    "Active segments of sales accelerator that put new rows into a sequence.",
    SWITCH,
)
def sequences(look: Look) -> Iterator[Finding]:
    """Segments with a sequence: sellers would get its steps for every migrated row that fits."""
    if "msdyn_segment" not in look.there:
        return
    select = ["msdyn_name", "msdyn_objecttypecode", "_msdyn_sequence_value"]
    for row in look.rows("msdyn_segments", select, "statecode eq 0", labels=True):
        table = OBJECTS.get(row.get("msdyn_objecttypecode") or 0, "")
        if row.get("_msdyn_sequence_value") and (not table or table in look.tables):
            sequence = row.get(f"_msdyn_sequence_value@{LABEL}") or "a sequence"
            evidence = f"Each new {table or 'row'} that fits is attached to the sequence {sequence}."
            facts = {"switch": [{"set": "msdyn_segments", "id": row["msdyn_segmentid"], **_states(1, 2, 0, 1)}]}
            yield Finding("quiet_sequences", "warning", evidence, subject=str(row.get("msdyn_name") or ""), facts=facts)


@check("quiet_journeys", "Journeys by trigger", GROUP, "Live journeys of Customer Insights - Journeys that an event starts.", SWITCH)
def journeys(look: Look) -> Iterator[Finding]:
    """Live journeys that a trigger starts; which row's event it is can't be read from the row, so each is asked about."""
    if "msdynmkt_journey" not in look.there:
        yield Finding("quiet_journeys", "info", "Customer Insights - Journeys isn't installed.")
    elif {"contact", "lead", "account"} & set(look.tables):
        for row in look.rows("msdynmkt_journeys", ["msdynmkt_name"], "statecode eq 1 and msdynmkt_triggertype eq 3"):
            evidence = "A live journey that an event starts, such as a new contact or lead: it could write to every migrated person."
            facts = {"switch": [{"set": "msdynmkt_journeys", "id": row["msdynmkt_journeyid"], **_states(2, 3, 1, 2)}]}
            yield Finding("quiet_journeys", "warning", evidence, subject=str(row.get("msdynmkt_name") or ""), facts=facts)


@check(
    "quiet_synchronisation", "Synchronisation with Outlook", GROUP, "Mailboxes that synchronise appointments, contacts and tasks.", SWITCH
)
def synchronisation(look: Look) -> Iterator[Finding]:
    """How many sellers would get migrated rows into their Outlook."""
    tables = sorted(SYNCHRONISED & set(look.tables))
    if not tables:
        return
    rows = list(look.rows("mailboxes", ["mailboxid"], "actdeliverymethod eq 1 and statecode eq 0"))
    if rows:
        evidence = f"{len(rows)} mailboxes synchronise; their owners would find migrated rows of {', '.join(tables)} in Outlook."
        remedy = "Off sets the delivery method of these mailboxes to none for the window."
        switch = [
            {"set": "mailboxes", "id": row["mailboxid"], "off": {"actdeliverymethod": 2}, "on": {"actdeliverymethod": 1}} for row in rows
        ]
        yield Finding("quiet_synchronisation", "warning", evidence, remedy, rests_on={"tables": tables}, facts={"switch": switch})


@check(
    "quiet_auditing", "Auditing", GROUP, "Whether the changes of the loaded tables are recorded in the audit log.",
    _decision(
        "Each migrated row is recorded in the audit log. What happens to auditing during the load?",
        Choice("keep", "Keep it on", "The load is in the log, which grows by what the storage forecast says."),
        Choice("off", "Off for the window", "Auditing of the whole organisation pauses; what people do isn't recorded either.", holds=True),
        default="keep",
    ),
)  # fmt: skip
def auditing(look: Look) -> Iterator[Finding]:
    """Auditing of the organisation and of each loaded table."""
    where = _any_of("LogicalName", look.tables)
    answer = look.client.get("EntityDefinitions", params={"$select": "LogicalName,IsAuditEnabled", "$filter": where})
    audited = sorted(row["LogicalName"] for row in answer["value"] if (row.get("IsAuditEnabled") or {}).get("Value"))
    if not look.organisation.get("isauditenabled") or not audited:
        yield Finding("quiet_auditing", "info", "The loaded tables aren't audited.")
        return
    evidence = f"Audited are {', '.join(audited)}."
    row_id = str(look.organisation.get("organizationid"))
    switch = [{"set": "organizations", "id": row_id, "off": {"isauditenabled": False}, "on": {"isauditenabled": True}}]
    yield Finding("quiet_auditing", "warning", evidence, rests_on={"tables": audited}, facts={"audited": audited, "switch": switch})
