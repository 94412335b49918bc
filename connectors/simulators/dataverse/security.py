"""Security roles: which roles users and teams have, which privileges those give, and the messages that tell (facts, 7.6).

Sources: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges and …/retrieveteamprivileges.
A role gives every privilege but those that were taken from it; at which depth is *assumed*.
"""

from collections.abc import Iterator

from . import errors
from .builtin_rows import SPECIAL_PRIVILEGES
from .calls import JSON, Answer, Call
from .identifiers import stable_id
from .organisation import Organisation, moment
from .tables import Table


def privilege_names(org: Organisation) -> list[str]:
    """Every privilege of the organisation."""
    tables = [name for table in org.catalog.tables.values() for _, name in table.privileges()]
    return list(dict.fromkeys([*SPECIAL_PRIVILEGES, *tables]))


def user_privileges(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """GET /systemusers(id)/NS.RetrieveUserPrivileges(): those of the user's roles, and of the user's teams at the lowest depth."""
    if table.name != "systemuser":
        raise errors.missing_resource("RetrieveUserPrivileges")
    depth = "Global" if org.row(table, row_id).get("applicationid") else "Basic"
    return _told(org, call, "RetrieveUserPrivilegesResponse", table, row_id, depth)


def team_privileges(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """GET /teams(id)/NS.RetrieveTeamPrivileges(): those of the team's roles."""
    if table.name != "team":
        raise errors.missing_resource("RetrieveTeamPrivileges")
    org.row(table, row_id)
    return _told(org, call, "RetrieveTeamPrivilegesResponse", table, row_id, "Basic")


def _told(org: Organisation, call: Call, kind: str, table: Table, row_id: str, depth: str) -> Answer:
    unit = org.row(table, row_id).get("_businessunitid_value")
    found = [
        {"Depth": depth, "PrivilegeId": stable_id("privilege", name), "BusinessUnitId": unit, "PrivilegeName": name,
         "RecordFilterId": "00000000-0000-0000-0000-000000000000", "RecordFilterUniqueName": ""}
        for name in _held(org, table.name, row_id)
    ]  # fmt: skip
    return Answer(200, {"@odata.context": f"{call.root}$metadata#Microsoft.Dynamics.CRM.{kind}", "RolePrivileges": found},
                  {"Content-Type": JSON})  # fmt: skip


def _held(org: Organisation, owner: str, owner_id: str) -> Iterator[str]:
    return (name for name in privilege_names(org) if org.holds(owner, owner_id, name))


def take(org: Organisation, owner: str, owner_id: str, privileges: list[str]) -> None:
    """Leave a user or team one role only, without these privileges; an empty list gives back the roles that it had."""
    link_table, column = ("teamroles", "teamid") if owner == "team" else ("systemuserroles", "systemuserid")
    role = org.id_of("role", f"restricted {owner_id}")
    had = [link for link in org.store.by_value(link_table, column).ids.get(owner_id, ()) if org.rows(link_table)[link]["roleid"] != role]
    org.put_aside.setdefault(owner_id, []).extend(org.rows(link_table)[link]["roleid"] for link in had)
    for link in list(org.store.by_value(link_table, column).ids.get(owner_id, ())):
        org.store.remove(link_table, link)
    org.role_lacks[role] = frozenset(privileges)
    for each in [role] if privileges else org.put_aside.pop(owner_id, []):
        _link(org, link_table, column, owner_id, each)
    if role not in org.rows("role"):
        unit = org.rows(owner)[owner_id].get("_businessunitid_value")
        now = moment()
        values = {"roleid": role, "name": f"Restricted {owner_id[:8]}", "_businessunitid_value": unit, "createdon": now, "modifiedon": now}
        org.store.put("role", role, values | {"versionnumber": org.store.next_version()})
    org.store.commit()


def _link(org: Organisation, table: str, column: str, owner_id: str, role: str) -> None:
    key = org.table(table).primary_id
    link = stable_id(org.name, table, owner_id, role)
    org.store.put(table, link, {key: link, column: owner_id, "roleid": role, "versionnumber": org.store.next_version()})
