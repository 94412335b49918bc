"""Custom logic that a write sets off, counted by name, unless the request's headers leave it out (facts, section 8).

Nothing is carried out: the counts, under `/_simulator/fired`, say what a real organisation would have run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .organisation import Organisation

TABLES = frozenset({"sdkmessageprocessingstep", "plugintype", "workflow", "callbackregistration"})
CREATE, UPDATE, DELETE = "Create", "Update", "Delete"
_ADDED, _DELETED, _MODIFIED = (1, 4, 5, 7), (2, 5, 6, 7), (3, 4, 6, 7)  # messages of callback registrations (4 to 7: *assumed* which)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of logic on one table and message. kind: step, workflow, rule or flow."""

    kind: str
    name: str
    row_id: str
    runs_after: bool
    columns: frozenset[str]


def fire(org: Organisation, headers: Mapping[str, str], table: str, message: str, changed: Iterable[str] = ()) -> None:
    """Count what a write of a row sets off."""
    if not (found := _pieces(org, table, message)):
        return
    left_out = set(headers.get("mscrm.bypassbusinesslogicexecution", "").replace(" ", "").split(","))
    steps = set(headers.get("mscrm.bypassbusinesslogicexecutionstepids", "").replace(" ", "").lower().split(","))
    older, flows = headers.get("mscrm.bypasscustompluginexecution") == "true", headers.get("mscrm.suppresscallbackregistrationexpanderjob")
    names = set(changed)
    for piece in found:
        if piece.columns and not piece.columns & names:
            continue
        custom = piece.kind in ("step", "workflow")
        skipped = (custom and ("CustomAsync" if piece.runs_after else "CustomSync") in left_out) or piece.row_id in steps
        skipped = skipped or (custom and older and not piece.runs_after) or (piece.kind == "flow" and flows == "true")
        if not skipped:
            org.fired[f"{piece.kind}: {piece.name}"] += 1


def _pieces(org: Organisation, table: str, message: str) -> list[Piece]:
    found = org.logic.get((table, message))
    if found is None:
        found = org.logic[table, message] = [*_steps(org, table, message), *_processes(org, table, message), *_flows(org, table, message)]
    return found


def _steps(org: Organisation, table: str, message: str) -> Iterator[Piece]:
    filters, kinds = org.rows("sdkmessagefilter"), org.rows("plugintype")
    for row_id, row in org.rows("sdkmessageprocessingstep").items():
        of = filters.get(row.get("_sdkmessagefilterid_value") or "", {})
        handler = kinds.get(row.get("_eventhandler_value") or "", {})
        if row.get("statecode") or str(handler.get("assemblyname") or "").startswith("Microsoft."):
            continue  # disabled, or the maker's own
        if of.get("primaryobjecttypecode") == table and of.get("name") == message:
            columns = _names(row.get("filteringattributes")) if message == UPDATE else frozenset()
            yield Piece("step", str(row.get("name")), row_id, row.get("mode") == 1, columns)


def _processes(org: Organisation, table: str, message: str) -> Iterator[Piece]:
    for row_id, row in org.rows("workflow").items():
        if row.get("primaryentity") != table or row.get("statecode") != 1 or row.get("type") != 1:
            continue
        if row.get("category") == 0 and _triggered(row, message):
            columns = _names(row.get("triggeronupdateattributelist")) if message == UPDATE else frozenset()
            yield Piece("workflow", str(row.get("name")), row_id, row.get("mode") == 0, columns)
        if row.get("category") == 2 and row.get("processtriggerscope") == 2 and message != DELETE:
            yield Piece("rule", str(row.get("name")), row_id, False, frozenset())  # *assumed*: no header leaves a business rule out


def _triggered(row: Mapping[str, Any], message: str) -> bool:
    names = {CREATE: "triggeroncreate", UPDATE: "triggeronupdateattributelist", DELETE: "triggerondelete"}
    return bool(row.get(names[message]))


def _flows(org: Organisation, table: str, message: str) -> Iterator[Piece]:
    wanted = {CREATE: _ADDED, UPDATE: _MODIFIED, DELETE: _DELETED}[message]
    for row_id, row in org.rows("callbackregistration").items():
        if row.get("entityname") == table and row.get("message") in wanted and not row.get("softdeletestatus"):
            columns = _names(row.get("filteringattributes")) if message == UPDATE else frozenset()
            yield Piece("flow", str(row.get("name")), row_id, True, columns)


def _names(text: object) -> frozenset[str]:
    return frozenset(filter(None, (name.strip() for name in str(text or "").split(","))))
