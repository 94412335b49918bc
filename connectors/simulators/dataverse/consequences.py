"""What follows for other rows when one is written or deleted: the number of a list's members."""

from .organisation import Organisation
from .store import Row
from .tables import Table


def count_members(org: Organisation, list_id: str) -> None:
    """Keep `membercount`; the list's version and who modified it stay (*assumed*)."""
    row = org.rows("list").get(list_id)
    if row is not None:
        found = org.store.by_value("listmember", "_listid_value").ids.get(list_id, ())
        org.store.put("list", list_id, {**row, "membercount": len(found)})


def removed(org: Organisation, table: Table, row: Row) -> None:
    """What follows from a row that is gone."""
    if table.name == "listmember" and row.get("_listid_value"):
        count_members(org, row["_listid_value"])
