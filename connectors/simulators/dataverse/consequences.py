"""What follows for other rows when one is deleted: the number of a list's members, the totals of a deal or an order."""

from . import files, lines
from .organisation import Organisation
from .store import Row
from .tables import Table


def count_members(org: Organisation, list_id: str) -> None:
    """Keep `membercount`; the list's version and who modified it stay (*assumed*)."""
    row = org.rows("list").get(list_id)
    if row is not None:
        found = org.store.by_value("listmember", "_listid_value").ids.get(list_id, ())
        org.store.put("list", list_id, {**row, "membercount": len(found)})


def removed(org: Organisation, table: Table, row: Row, now: str, user: str) -> None:
    """What follows from a row that is gone."""
    for column in table.columns.values():
        if column.kind == "File":
            files.forget(org, row.get(column.name))
    if table.name in lines.PARENTS:
        lines.sum_up(org, table.name, row, now, user)
    if table.name == "listmember" and row.get("_listid_value"):
        count_members(org, row["_listid_value"])
