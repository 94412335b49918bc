"""What every metadata change shares: the publishers' prefixes, the solution that a new component goes to, the answer to a create."""

from . import errors
from .calls import Answer, Call
from .organisation import Organisation

COMPONENTS = {"table": 1, "column": 2, "choice": 9, "relationship": 10, "key": 14, "workflow": 29}


def prefixes(org: Organisation) -> set[str]:
    """Customization prefixes of all publishers."""
    return {str(row.get("customizationprefix", "")).lower() for row in org.rows("publisher").values()} - {""}


def named_solution(org: Organisation, call: Call) -> str | None:
    """Id of the solution that the request names, None without one. Raises ServiceError for an unknown one."""
    wanted = call.solution
    if not wanted:
        return None
    for row_id, row in org.rows("solution").items():
        if str(row.get("uniquename", "")).lower() == wanted.lower():
            return row_id
    raise errors.ServiceError(400, "0x8004801d", f"The solution '{wanted}' does not exist.")


def record_component(org: Organisation, call: Call, kind: str, component: str) -> None:
    """Put a new component into the solution that the request names."""
    solution = named_solution(org, call)
    if solution is None:
        return
    row_id = org.id_of("solutioncomponent", solution, component)
    row = {"solutioncomponentid": row_id, "componenttype": COMPONENTS[kind], "objectid": component, "_solutionid_value": solution,
           "rootcomponentbehavior": 0, "versionnumber": org.store.next_version()}  # fmt: skip
    org.store.put("solutioncomponent", row_id, row)
    org.store.mark_made("solutioncomponent", row_id, f"{call.solution}:{component}")


def forget_component(org: Organisation, component: str) -> None:
    """Take a component that was deleted out of every solution that holds it."""
    for row_id, row in list(org.rows("solutioncomponent").items()):
        if row.get("objectid") == component:
            org.store.remove("solutioncomponent", row_id)


def created(call: Call, path: str) -> Answer:
    """204 with the address of what was made."""
    address = f"{call.root}{path}"
    return Answer(204, None, {"OData-EntityId": address, "Location": address})
