"""What an organisation does by itself once a row is written, as a real one has it: plug-ins, processes, flows, rules, mailboxes, journeys.

Some of it is the maker's own, switched off, or of tables that no migration touches. Production and sandbox differ in a few places, as
environments do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from connectors.simulators.dataverse.identifiers import stable_id

if TYPE_CHECKING:
    from connectors.simulators.world.destination import Organisation

TABLES = (
    "plugintype", "serviceendpoint", "sdkmessageprocessingstep", "workflow", "callbackregistration", "sla", "duplicaterule", "mailbox",
    "msdyn_sequence", "msdyn_segment", "msdyn_assignmentrule", "msdynmkt_journey", "publisher", "solution",
)  # fmt: skip
SYNC, AFTER = 0, 1
PRE, POST = 20, 40
WORKFLOW, RULE, FLOW = 0, 2, 5
BACKGROUND, REAL_TIME = 0, 1
LEAD = 4  # type code
_OWN, _MAKER, _VENDOR = "HaldenVoss.Crm.Plugins", "Microsoft.Dynamics.Sales.Plugins", "Adressio.Validate"

# (class, assembly, table, message, stage, mode, columns of an update, enabled)
_STEPS = (
    ("AccountNumbering", _OWN, "account", "Create", PRE, SYNC, "", True),
    ("CreditLimitGuard", _OWN, "account", "Update", PRE, SYNC, "creditlimit,creditonhold", True),
    ("ContactNameCheck", _OWN, "contact", "Create", PRE, SYNC, "", True),
    ("ContactNameCheck", _OWN, "contact", "Update", PRE, SYNC, "firstname,lastname", True),
    ("LeadScoring", _OWN, "lead", "Create", POST, AFTER, "", True),
    ("TerritoryByPostalCode", _OWN, "lead", "Update", POST, AFTER, "address1_postalcode", True),
    ("OpportunityRevenueShare", _OWN, "opportunity", "Update", POST, AFTER, "estimatedvalue", True),
    ("TaskReminder", _OWN, "task", "Create", POST, AFTER, "", True),
    ("LegacyFaxExport", _OWN, "contact", "Create", POST, AFTER, "", False),
    ("AddressValidation", _VENDOR, "contact", "Create", POST, SYNC, "", True),
    ("AddressValidation", _VENDOR, "lead", "Create", POST, SYNC, "", True),
    ("OpportunityPricing", _MAKER, "opportunity", "Create", POST, SYNC, "", True),
    ("LeadSharedSecurity", _MAKER, "lead", "Create", POST, SYNC, "", True),
)
# (name, category, table, mode, on create, columns of an update, activated)
_PROCESSES = (
    ("Welcome e-mail to new leads", WORKFLOW, "lead", BACKGROUND, True, "", True),
    ("Remind owner after three days without contact", WORKFLOW, "lead", BACKGROUND, True, "", True),
    ("Set territory from country", WORKFLOW, "account", REAL_TIME, True, "address1_country", True),
    ("Copy address of parent account", WORKFLOW, "contact", REAL_TIME, False, "parentcustomerid", True),
    ("Birthday greetings (old)", WORKFLOW, "contact", BACKGROUND, True, "birthdate", False),
    ("Clean up test records", WORKFLOW, "lead", BACKGROUND, False, "", True),  # on demand only
    ("Escalate complaint", WORKFLOW, "incident", BACKGROUND, True, "", True),
)
# (name, table, scope: 1 forms, 2 the whole table)
_RULES = (
    ("Mobile number needed for SMS", "lead", 2),
    ("Credit hold locks payment terms", "account", 2),
    ("Show partner section", "contact", 1),
)
# (name, table, message of its registration: 1 added, 2 deleted, 3 modified, 4 added or modified (assumed), columns)
_FLOWS = (
    ("Tell the seller in Teams about a new lead", "lead", 1, ""),
    ("Post new accounts to the ERP queue", "account", 4, ""),
    ("Newsletter consent to web shop", "contact", 3, "donotbulkemail"),
    ("Quote approval", "quote", 1, ""),
)
_DUPLICATES = (
    ("Accounts with the same account name", "account", True),
    ("Contacts with the same e-mail address", "contact", True),
    ("Leads with the same e-mail address", "lead", True),
    ("Contacts with the same mobile phone", "contact", False),
)


def write_automation(organisation: Organisation) -> None:
    """Everything that would run, and what surrounds it."""
    sandbox = organisation.name.endswith("sandbox")
    _write_steps(organisation, sandbox)
    _write_processes(organisation, sandbox)
    _write_rules_of_service(organisation)
    _write_selling(organisation, sandbox)
    _write_solutions(organisation, sandbox)


def _write_steps(organisation: Organisation, sandbox: bool) -> None:
    kinds: dict[tuple[str, str], str] = {}
    for name, assembly, table, message, stage, mode, columns, enabled in _STEPS:
        if sandbox and name == "AddressValidation":
            continue  # nobody paid for the vendor's sandbox
        kind = kinds.get((name, assembly)) or _plugin_type(organisation, name, assembly)
        kinds[name, assembly] = kind
        title = f"{assembly}.{name}: {message} of {table}"
        _step(organisation, title, table, message, {"stage": stage, "mode": mode, "filteringattributes": columns or None}, enabled, kind)
    if sandbox:
        kind = _plugin_type(organisation, "TraceEverything", _OWN)
        _step(organisation, f"{_OWN}.TraceEverything: Create of contact", "contact", "Create", {"stage": POST, "mode": SYNC}, True, kind)
        return
    hook = organisation.aside_id()
    organisation.write("serviceendpoint", {"serviceendpointid": hook, "name": "ERP order bus", "contract": 8,
                                           "url": "https://bus.haldenvoss.example/crm"})  # fmt: skip
    for table in ("account", "salesorder"):
        title = f"ERP order bus: Update of {table}"
        _step(organisation, title, table, "Update", {"stage": POST, "mode": AFTER}, True, hook, "serviceendpoint")


def _plugin_type(organisation: Organisation, name: str, assembly: str) -> str:
    row_id = organisation.aside_id()
    token = "31bf3856ad364e35" if assembly == _MAKER else "8a1c9f0c52d7e410"
    row = {"plugintypeid": row_id, "name": f"{assembly}.{name}", "typename": f"{assembly}.{name}", "assemblyname": assembly}
    organisation.write("plugintype", row | {"friendlyname": name, "publickeytoken": token, "ismanaged": assembly != _OWN})
    return row_id


def _step(
    organisation: Organisation, name: str, table: str, message: str, how: dict[str, Any], enabled: bool, handler: str,
    handled_by: str = "plugintype",
) -> None:  # fmt: skip
    place = "sandbox" if organisation.name.endswith("sandbox") else "production"
    maker = _MAKER in name
    organisation.write("sdkmessageprocessingstep", {
        "sdkmessageprocessingstepid": organisation.aside_id(), "name": name, "rank": 1, "asyncautodelete": True, "ismanaged": maker,
        "_sdkmessageid_value": stable_id(place, "sdkmessage", message),
        "_sdkmessagefilterid_value": stable_id(place, "sdkmessagefilter", message, table),
        "_eventhandler_value": handler, "_eventhandler_value@Microsoft.Dynamics.CRM.lookuplogicalname": handled_by,
        "ishidden": {"Value": False, "CanBeChanged": True, "ManagedPropertyLogicalName": "ishidden"}, "canbebypassed": True,
        "customizationlevel": 0 if maker else 1, "statecode": 0 if enabled else 1, "statuscode": 1 if enabled else 2, **how,
    })  # fmt: skip


def _write_processes(organisation: Organisation, sandbox: bool) -> None:
    for name, category, table, mode, on_create, columns, active in _PROCESSES:
        row = {"mode": mode, "triggeroncreate": on_create, "triggeronupdateattributelist": columns or None, "triggerondelete": False,
               "ondemand": not on_create and not columns, "scope": 4}  # fmt: skip
        _process(organisation, name, category, table, active, row)
    for name, table, scope in _RULES:
        _process(organisation, name, RULE, table, True, {"processtriggerscope": scope, "mode": REAL_TIME})
    for name, table, message, columns in _FLOWS:
        if sandbox and table == "account":
            continue  # the sandbox must not reach the ERP
        _process(organisation, name, FLOW, "none", True, {"mode": BACKGROUND})
        organisation.write("callbackregistration", {
            "callbackregistrationid": organisation.aside_id(), "name": name, "entityname": table, "message": message, "scope": 4,
            "softdeletestatus": 0, "filteringattributes": columns or None, "_ownerid_value": organisation.users[0],
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
        })  # fmt: skip


def _process(organisation: Organisation, name: str, category: int, table: str, active: bool, more: dict[str, Any]) -> None:
    """A definition, and the activated copy of it that the service keeps beside."""
    state = {"statecode": 1 if active else 0, "statuscode": 2 if active else 1}
    row = {"name": name, "category": category, "primaryentity": table, **more, **state}
    for kind in (1, 2) if active and category != FLOW else (1,):
        organisation.write("workflow", {"workflowid": organisation.aside_id(), "type": kind, **row})


def _write_rules_of_service(organisation: Organisation) -> None:
    organisation.write("sla", {"slaid": organisation.aside_id(), "name": "First contact within four hours", "primaryentityotc": LEAD,
                               "isdefault": True, "statecode": 1, "statuscode": 2})  # fmt: skip
    organisation.write("sla", {"slaid": organisation.aside_id(), "name": "Gold customers (draft)", "primaryentityotc": 1,
                               "isdefault": False, "statecode": 0, "statuscode": 1})  # fmt: skip
    for name, table, published in _DUPLICATES:
        row = {"duplicateruleid": organisation.aside_id(), "name": name, "baseentityname": table, "matchingentityname": table}
        organisation.write("duplicaterule", row | {"statecode": int(published), "statuscode": 2 if published else 0})
    for number, user in enumerate(organisation.users):  # half of the salespeople synchronise with Exchange
        organisation.write("mailbox", {
            "mailboxid": organisation.aside_id(), "name": f"Salesperson {number + 1}", "actdeliverymethod": 1 if number % 2 == 0 else 2,
            "actstatus": 1 if number % 2 == 0 else 0, "_regardingobjectid_value": user, "statecode": 0, "statuscode": 1,
        })  # fmt: skip


def _write_selling(organisation: Organisation, sandbox: bool) -> None:
    """What sales accelerator and Customer Insights - Journeys would do."""
    sequence, segment = organisation.aside_id(), organisation.aside_id()
    row: dict[str, Any] = {"msdyn_sequenceid": sequence, "msdyn_name": "Webinar follow-up", "msdyn_regardingentityname": "lead"}
    organisation.write("msdyn_sequence", row | {"statecode": 0, "statuscode": 1})
    row = {"msdyn_segmentid": segment, "msdyn_name": "New webinar leads", "msdyn_objecttypecode": LEAD, "msdyn_triggertype": 0}
    organisation.write("msdyn_segment", row | {"_msdyn_sequence_value": sequence, "statecode": 0, "statuscode": 1})
    organisation.write("msdyn_assignmentrule", {
        "msdyn_assignmentruleid": organisation.aside_id(), "msdyn_name": "DACH leads to Inside Sales", "msdyn_objecttype": "lead",
        "msdyn_objecttypecode": LEAD, "msdyn_triggertype": 0, "msdyn_evaluationorder": 1, "_msdyn_segmentid_value": segment,
        "statecode": 0, "statuscode": 1,
    })  # fmt: skip
    live = not sandbox
    for name, trigger, active in (("Welcome a new contact", 3, live), ("Quarterly newsletter", 0, live), ("Win back (draft)", 3, False)):
        organisation.write("msdynmkt_journey", {"msdynmkt_journeyid": organisation.aside_id(), "msdynmkt_name": name,
                                                "msdynmkt_triggertype": trigger, "statecode": int(active),
                                                "statuscode": 2 if active else 1})  # fmt: skip


def _write_solutions(organisation: Organisation, sandbox: bool) -> None:
    publisher = organisation.aside_id()
    names = {"publisherid": publisher, "uniquename": "haldenvoss", "friendlyname": "Halden & Voss", "isreadonly": False}
    organisation.write("publisher", names | {"customizationprefix": "hv", "customizationoptionvalueprefix": 47110})
    core = "1.5.0.0" if sandbox else "1.4.0.2"
    solutions = [("HaldenVossCore", "Halden & Voss Core", core, False), ("AdressioValidate", "Adressio Validate", "3.2.1.0", True)]
    for name, friendly, version, managed in solutions[:1] if sandbox else solutions:
        row = {"solutionid": organisation.aside_id(), "uniquename": name, "friendlyname": friendly, "version": version}
        organisation.write("solution", row | {"ismanaged": managed, "isvisible": True, "_publisherid_value": publisher})


def write_customisation(folder: Path, name: str) -> None:
    """Tables, columns and settings of the organisation's own, in the shapes that the Web API takes."""
    sandbox = name.endswith("sandbox")
    tables = [_table("hv_Project", "Project"), *([] if sandbox else [_table("hv_ServiceContract", "Service contract")])]
    regions = ("North", "South", "West") if sandbox else ("North", "South", "West", "East")
    contact = [_text("hv_CustomerNumber", "Customer number", 20, RequiredLevel={"Value": "ApplicationRequired"})]
    columns = {
        "account": [_text("hv_ErpNumber", "ERP number", 20 if sandbox else 30)],
        "contact": contact if sandbox else [*contact, _text("hv_TaxId", "Tax id", 30, IsSecured=True)],
        "lead": [_choice("hv_Region", "Region", regions)],
    }
    content = {"tables": tables, "columns": columns, "organization": {"isauditenabled": True, "name": "Halden & Voss"}}
    (folder / "metadata.json").write_bytes(orjson.dumps(content))


def _label(text: str) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def _text(schema: str, display: str, length: int, **more: Any) -> dict[str, Any]:
    kind = "Microsoft.Dynamics.CRM.StringAttributeMetadata"
    return {"@odata.type": kind, "SchemaName": schema, "DisplayName": _label(display), "MaxLength": length,
            "FormatName": {"Value": "Text"}, **more}  # fmt: skip


def _choice(schema: str, display: str, labels: tuple[str, ...]) -> dict[str, Any]:
    options = [{"Value": 471_100_000 + number, "Label": _label(text)} for number, text in enumerate(labels)]
    return {"@odata.type": "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "SchemaName": schema, "DisplayName": _label(display),
            "OptionSet": {"IsGlobal": False, "OptionSetType": "Picklist", "Options": options}}  # fmt: skip


def _table(schema: str, display: str) -> dict[str, Any]:
    name = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "hv_Name", "IsPrimaryName": True,
            "DisplayName": _label("Name"), "MaxLength": 100, "FormatName": {"Value": "Text"}}  # fmt: skip
    return {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": schema, "DisplayName": _label(display),
            "DisplayCollectionName": _label(f"{display}s"), "OwnershipType": "UserOwned", "HasActivities": False, "HasNotes": True,
            "Attributes": [name]}  # fmt: skip
