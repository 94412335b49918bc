"""Rows that the service makes itself because of a client's: base unit, list member, campaign item, close activity."""

from .calls import Call
from .organisation import Organisation
from .store import Row
from .tables import Table


def make(org: Organisation, call: Call, table: Table, natural: str, values: Row) -> str:
    """Store a row of the service's own; its id, which is in `values` or new. natural: what the row is called in a canonical dump."""
    row = {column.name: column.default for column in table.columns.values() if column.default is not None}
    row |= {
        "createdon": call.now,
        "modifiedon": call.now,
        "_createdby_value": call.caller.user_id,
        "_modifiedby_value": call.caller.user_id,
    }
    row |= values | {"versionnumber": org.store.next_version()}
    row_id = str(row[table.primary_id])
    org.store.put(table.name, row_id, row)
    org.store.mark_made(table.name, row_id, natural)
    return row_id


def change(org: Organisation, table: Table, row_id: str, values: Row, now: str, user: str) -> None:
    """Change a row as a consequence of another's change: past the checks, with a new version and the user as who modified it."""
    row = org.rows(table.name)[row_id] | values
    row |= {"modifiedon": now, "_modifiedby_value": user, "versionnumber": org.store.next_version()}
    org.store.put(table.name, row_id, row)
