"""State and status reason: what a new row gets, which pairs are valid, what one without the other means."""

from . import errors
from .drafts import Draft
from .tables import Table


def settle_new(draft: Draft) -> None:
    """State and status of a new row. Raises ServiceError for a status of another state."""
    if not draft.table.has_state:
        return
    if "statecode" in draft.given and "statuscode" not in draft.given:
        draft.new["statuscode"] = default_status(draft.table, draft.new["statecode"])
    _check(draft)


def settle_changed(draft: Draft) -> None:
    """State and status after an update. A state alone takes its first status; a status alone must be of the row's state."""
    given, new, before = draft.given, draft.new, draft.before or {}
    if not draft.table.has_state or not given & {"statecode", "statuscode"}:
        return
    if new.get("statecode") is None:
        new["statecode"] = before.get("statecode")
    if "statecode" in given and ("statuscode" not in given or new.get("statuscode") in {None, -1}):
        same = new["statecode"] == before.get("statecode")
        new["statuscode"] = before.get("statuscode") if same else default_status(draft.table, new["statecode"])
    _check(draft)


def default_status(table: Table, state: int) -> int | None:
    """The status reason that a state takes when none is given: its first (*assumed*)."""
    states = table.columns["statuscode"].states
    first = table.columns["statuscode"].default
    return first if states.get(first) == state else min((s for s, of in states.items() if of == state), default=None)


def _check(draft: Draft) -> None:
    table, state, status = draft.table, draft.new.get("statecode"), draft.new.get("statuscode")
    if table.columns["statuscode"].states.get(status if status is not None else -1) != state:
        label = table.columns["statecode"].options.get(state if state is not None else -1, str(state))
        raise errors.bad_status(table.name, status, f"{table.schema_name}State.{label}", draft.row_id)
