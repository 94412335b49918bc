"""The sheet for the customer's Dynamics admin: what to click together so that migrated data is seen in the app.

Forms, views, navigation and roles are made by hand: no message for them is known well enough (*assumed*). Computed from the plan's maps.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from mapping.checks import registry
from mapping.models import DiscoveryFinding
from mapping.owners.models import OwnerDirectory
from reports.books.admin_sheet import book
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.schema import is_new, maps_of, planned_tables
from reports.xlsx import Cell, Sheet
from workbench.engagements.models import Engagement

KIND = "admin_sheet"
TAB = "Migrated data"
IN_VIEW = 10  # own columns of a view, beside the name and the source id
# The column that names a row, of tables that come with the product; those that the plan makes say it themselves.
NAMES = {
    "account": "name", "contact": "fullname", "lead": "fullname", "opportunity": "name", "salesorder": "name", "campaign": "name",
    "list": "listname", "product": "name", "pricelevel": "name", "task": "subject", "email": "subject", "phonecall": "subject",
    "appointment": "subject", "campaignresponse": "subject", "campaignactivity": "subject",
}  # fmt: skip
ACTIVITIES = ("task", "email", "phonecall", "appointment", "campaignresponse", "campaignactivity")
NOT_IN_VIEWS = ("Memo", "File", "Image")
DAILY = ("Create", "Read", "Write", "Append", "AppendTo")
RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")


def content(engagement: Engagement) -> dict[str, Any]:
    """What the admin makes and checks, as data. Raises BadInput where there are no maps yet."""
    version = maps_of(engagement)
    maps, platform = version.content, engagement.get_platform_display()
    tables = planned_tables(maps)
    new = [table for table in tables if is_new(table, maps["prefix"])]
    return {
        "engagement": engagement.name,
        "platform": platform,
        "maps": {"version": version.version, "sha256": version.sha256},
        "forms": [_form(table, maps) for table in tables],
        "views": [_view(table, maps, platform) for table in tables],
        "navigation": [{"table": table, "do": f"Add {table} to the app's navigation, with the view for it as default."} for table in new],
        "roles": [*(_of_new(table) for table in new), _of_owners(engagement, tables)],
        "sorting": list(_sorting(engagement, tables)),
        "quiet_load": maps["quiet_load"],
        "switches": [_switch(row) for row in _switched(engagement)],
    }


def _form(table: str, maps: Mapping[str, Any]) -> dict[str, Any]:
    columns = [_told(column) for column in maps["columns"][table]]
    return {"table": table, "form": f"Main form of {table}", "tab": TAB, "columns": columns}


def _told(column: Mapping[str, Any]) -> dict[str, str]:
    return {"name": column["name"], "label": column.get("display_name", ""), "alias": column.get("alias", ""), "kind": column["kind"]}


def _view(table: str, maps: Mapping[str, Any], platform: str) -> dict[str, Any]:
    source_id = f"{maps['prefix']}_sourceid"
    name = NAMES.get(table) or maps["tables"].get(table, {}).get("primary_name", "createdon")
    run_id = f"{maps['prefix']}_runid"
    own = [column["name"] for column in maps["columns"][table] if column["kind"] not in NOT_IN_VIEWS and column["name"] != run_id]
    columns = list(dict.fromkeys([name, source_id, *own]))[: IN_VIEW + 2]
    return {
        "table": table,
        "view": f"Migrated from {platform}",
        "columns": columns,
        "filter": f"{source_id} contains data",
        "sort": name,
        "fetchxml": fetchxml(table, columns, source_id, name),
    }


def fetchxml(table: str, columns: Iterable[str], source_id: str, sort: str) -> str:
    """The view's query: rows that a migration wrote, with these columns."""
    attributes = "".join(f"<attribute name={quoteattr(name)}/>" for name in columns)
    within = f'<filter><condition attribute={quoteattr(source_id)} operator="not-null"/></filter><order attribute={quoteattr(sort)}/>'
    return f"<fetch><entity name={quoteattr(table)}>{attributes}{within}</entity></fetch>"


def _of_new(table: str) -> dict[str, Any]:
    do = f"Give the sales roles {', '.join(DAILY)} on the new table {table}; Delete, Assign and Share as you see fit."
    return {"table": table, "privileges": list(RIGHTS), "do": do}


def _of_owners(engagement: Engagement, tables: Sequence[str]) -> dict[str, Any]:
    """What every owner's role must read, as the environments were last read; the planned tables where none was."""
    read = OwnerDirectory.objects.filter(environment__engagement=engagement).order_by("environment__kind").first()
    owned = [one["name"] for one in read.tables] if read else list(tables)
    do = f"Every owner, user or team, needs a role that reads: {', '.join(owned)}. Activities share one privilege, prvReadActivity."
    return {"table": "", "privileges": ["Read"], "do": do}


def _sorting(engagement: Engagement, tables: Sequence[str]) -> Iterator[str]:
    """What to set so that migrated history doesn't stand on the day of the load: Sort Date is the timeline's only free sort column."""
    loaded = [table for table in ACTIVITIES if table in tables]
    yield "In the timeline of account, contact, lead and opportunity, sort activities by Sort Date: else they stand on the day of the load."
    yield "In the same place sort notes by created date: migrated notes keep their original one."
    if loaded:
        yield f"Sort Date holds the source's moment on: {', '.join(loaded)}."


def _switched(engagement: Engagement) -> Iterable[DiscoveryFinding]:
    found = DiscoveryFinding.objects.filter(engagement=engagement, off_at__isnull=False)
    return found.select_related("environment").order_by("environment__kind", "check_name", "subject")


def _switch(finding: DiscoveryFinding) -> dict[str, Any]:
    """Something that was off for the load, and whether it is on again."""
    back = finding.back_at
    return {
        "environment": finding.environment.kind if finding.environment else "",
        "what": f"{registry.of(finding.check_name).title}: {finding.subject or finding.evidence}",
        "off_at": finding.off_at.isoformat() if finding.off_at else None,
        "back_at": back.isoformat() if back else None,
        "do": "Nothing: it is on again." if back else "Switch it on again, and say so on the page of findings.",
    }


def write(engagement: Engagement) -> Document:
    """The sheet as JSON."""
    return write_json(engagement, KIND, content(engagement))


def write_workbook(engagement: Engagement) -> Document:
    """The sheet as a workbook."""
    return write_sheets(engagement, KIND, sheets(content(engagement)))


def write_pdf(engagement: Engagement) -> Document:
    """The sheet on paper."""
    told = content(engagement)
    return write_book(write_json(engagement, KIND, told), book(told, list(_tasks(told))))


def sheets(told: Mapping[str, Any]) -> Iterator[Sheet]:
    """What to do in order, then forms, views, roles and switches in full."""
    yield Sheet("To do", ["Number", "Where", "What to do", "Done by", "Done on"], _to_do(told), [10, 30, 100, 20, 16])
    header = ["Table", "Form", "Tab", "Column", "Label", "Name in the offer", "Kind"]
    yield Sheet("Form tabs", header, _forms(told["forms"]), [22, 30, 18, 38, 34, 34, 14])
    views = [[one["table"], one["view"], ", ".join(one["columns"]), one["filter"], one["sort"], one["fetchxml"]] for one in told["views"]]
    yield Sheet("Views", ["Table", "View", "Columns", "Filter", "Sorted by", "FetchXML"], views, [22, 30, 70, 36, 18, 100])
    roles = [[one["table"] or "all owned tables", ", ".join(one["privileges"]), one["do"]] for one in told["roles"]]
    yield Sheet("Roles", ["Table", "Privileges", "What to do"], roles, [26, 60, 100])
    switches = [[one[name] for name in ("environment", "what", "off_at", "back_at", "do")] for one in told["switches"]]
    header = ["Environment", "What was off for the load", "Off since", "Back since", "What to do"]
    yield Sheet("Switches", header, switches, [14, 70, 28, 28, 60])


def _to_do(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    for number, (where, what) in enumerate(_tasks(told), 1):
        yield [number, where, what, None, None]


def _tasks(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for form in told["forms"]:
        yield form["form"], f"Add a tab '{form['tab']}' with the {len(form['columns'])} columns listed under Form tabs."
    for view in told["views"]:
        yield f"Views of {view['table']}", f"Make a public view '{view['view']}' with the columns and filter listed under Views."
    yield from (("App navigation", one["do"]) for one in told["navigation"])
    yield from (("Security roles", one["do"]) for one in told["roles"])
    yield from (("Timeline", one) for one in told["sorting"])
    yield from ((f"Switches of {one['environment']}", f"{one['what']} {one['do']}") for one in told["switches"] if one["back_at"] is None)
    if not told["switches"]:
        yield "Switches", "Nothing was switched off for the load, so that there is nothing to put back."
    yield "Everything", "Publish all customisations, then open one migrated row of each table and look at its tab."


def _forms(forms: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for form in forms:
        for column in form["columns"]:
            yield [form["table"], form["form"], form["tab"], column["name"], column["label"], column["alias"], column["kind"]]
