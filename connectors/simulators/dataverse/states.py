"""State and status reason: what a new row gets, which pairs are valid, what one without the other means."""

from . import errors
from .store import Row
from .tables import Table


def settle_new(table: Table, new: Row, given: set[str], row_id: str) -> None:
    """State and status of a new row. Raises ServiceError for a status of another state."""
    if not table.has_state:
        return
    if "statecode" in given and "statuscode" not in given:
        new["statuscode"] = default_status(table, new["statecode"])
    _check(table, new, row_id)


def settle_changed(table: Table, before: Row, new: Row, given: set[str], row_id: str) -> None:
    """State and status after an update. A state alone takes its first status; a status alone must be of the row's state."""
    if not table.has_state or not given & {"statecode", "statuscode"}:
        return
    if new.get("statecode") is None:
        new["statecode"] = before.get("statecode")
    if "statecode" in given and ("statuscode" not in given or new.get("statuscode") in {None, -1}):
        same = new["statecode"] == before.get("statecode")
        new["statuscode"] = before.get("statuscode") if same else default_status(table, new["statecode"])
    _check(table, new, row_id)


def default_status(table: Table, state: int) -> int | None:
    """The status reason that a state takes when none is given: its first (*assumed*)."""
    states = table.columns["statuscode"].states
    first = table.columns["statuscode"].default
    return first if states.get(first) == state else min((s for s, of in states.items() if of == state), default=None)


def _check(table: Table, row: Row, row_id: str) -> None:
    state, status = row.get("statecode"), row.get("statuscode")
    if table.columns["statuscode"].states.get(status if status is not None else -1) != state:
        label = table.columns["statecode"].options.get(state if state is not None else -1, str(state))
        raise errors.bad_status(table.name, status, f"{table.schema_name}State.{label}", row_id)
