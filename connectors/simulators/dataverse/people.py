"""What people do at the destination while a load runs: they edit rows, build upon them, delete them; and users are disabled.

A deed takes {"table", "id" | "ids" | "count", ...}. With a count the rows are drawn by {"seed"} from those that application users made
("anyone": true for all rows). The person is {"user": id}, or the first enabled user who is none of an application.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from . import cascades, errors, logic, writing
from .calls import Call, Caller
from .identifiers import read_guid
from .organisation import Organisation, moment
from .tables import Relationship, Table

ROOT = "http://127.0.0.1/api/data/v9.2/"
Deed = Callable[[Organisation, Mapping[str, Any]], list[str]]


def edit(org: Organisation, given: Mapping[str, Any]) -> list[str]:
    """{"values"}: change the rows, as a PATCH would."""
    table, ids, call = _rows(org, given)
    for row_id in ids:
        writing.update(org, call, table, row_id, _values(given))
    return ids


def build_upon(org: Organisation, given: Mapping[str, Any]) -> list[str]:
    """{"child", "values", "lookup"}: a row of the table `child` for each, which refers to it; ids of the children.

    lookup: the child's column that refers; may be left out where only one can.
    """
    table, ids, call = _rows(org, given)
    relation = _relation(org, table, str(given.get("child")), given.get("lookup"))
    child = org.table(relation.referencing)
    bind = f"{relation.navigation}@odata.bind"
    return [writing.create(org, call, child, {**_values(given), bind: f"/{table.entity_set}({row_id})"}) for row_id in ids]


def delete(org: Organisation, given: Mapping[str, Any]) -> list[str]:
    """Delete the rows, with what goes along with them."""
    table, ids, call = _rows(org, given)
    for row_id in ids:
        cascades.delete(org, table, row_id, call.now, call.caller.user_id)
        logic.fire(org, {}, table.name, logic.DELETE)
    return ids


def switch_user(org: Organisation, given: Mapping[str, Any]) -> list[str]:
    """{"user" | "application_id", "disabled"}: disable a user, or enable it again."""
    row = org.application_user(str(given["application_id"])) if "application_id" in given else None
    user = row["systemuserid"] if row else read_guid(given.get("user"))
    if user not in org.rows("systemuser"):
        raise errors.missing_row("systemuser", str(user or given.get("application_id")))
    if not isinstance(given.get("disabled", True), bool):
        raise errors.invalid_argument("disabled is true or false.")
    changed = {"isdisabled": given.get("disabled", True), "modifiedon": moment(), "versionnumber": org.store.next_version()}
    org.store.put("systemuser", user, {**org.rows("systemuser")[user], **changed})
    return [user]


DEEDS: Mapping[str, Deed] = {"edit": edit, "build_upon": build_upon, "delete": delete, "users": switch_user}


def _rows(org: Organisation, given: Mapping[str, Any]) -> tuple[Table, list[str], Call]:
    """The table, the rows' ids, and the person's call."""
    table = org.table(str(given.get("table")))
    ids = _drawn(org, table, given) if "count" in given else [str(i).lower() for i in given.get("ids") or [given.get("id")]]
    for row_id in ids:
        org.row(table, row_id)
    return table, ids, Call("POST", "", {}, {}, b"", ROOT, Caller(_person(org, given.get("user"))), moment())


def _drawn(org: Organisation, table: Table, given: Mapping[str, Any]) -> list[str]:
    ours = {str(row["systemuserid"]) for row in org.rows("systemuser").values() if row.get("applicationid")}
    count, anyone = given["count"], bool(given.get("anyone"))
    ids = sorted(row_id for row_id, row in org.rows(table.name).items() if anyone or row.get("_createdby_value") in ours)
    if not isinstance(count, int) or not 0 < count <= len(ids):
        raise errors.invalid_argument(f"count is 1 to {len(ids)}, as many rows as there are to draw from.")
    return random.Random(f"{given.get('seed', 0)}:{table.name}").sample(ids, count)


def _person(org: Organisation, given: Any) -> str:
    users = org.rows("systemuser")
    if given is not None:
        org.row(org.table("systemuser"), str(given).lower())
        return str(given).lower()
    found = next((row_id for row_id, row in users.items() if not row.get("applicationid") and not row.get("isdisabled")), None)
    if found is None:
        raise errors.invalid_argument("No enabled user is a person; name one in user.")
    return found


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    values = given.get("values")
    if not isinstance(values, dict):
        raise errors.invalid_argument("values is an object of columns.")
    return values


def _relation(org: Organisation, table: Table, child: str, lookup: Any) -> Relationship:
    found = [r for r in table.children if r.referencing == org.table(child).name and lookup in {None, r.column}]
    if len(found) != 1:
        raise errors.invalid_argument(f"{len(found)} lookups of '{child}' refer to '{table.name}'; name one in lookup.")
    return found[0]
