"""Messages that end a deal or an order and publish a product (facts 7.2)."""

from typing import Any, NamedTuple

from . import binding, catalogue, errors, made, states, writing
from .calls import Answer, Call
from .money import money_columns
from .organisation import Organisation
from .paths import Segment
from .references import parameter
from .store import Row
from .tables import Table


class Ending(NamedTuple):
    """How a row is ended: by which close activity, into which state."""

    table: str
    activity: str  # the table of the close activity
    parameter: str
    lookup: str
    state: int


_WON = Ending("opportunity", "opportunityclose", "OpportunityClose", "opportunityid", 1)
_LOST = _WON._replace(state=2)
_FULFILLED = Ending("salesorder", "orderclose", "OrderClose", "salesorderid", 3)


def win(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /WinOpportunity {"Status": 3, "OpportunityClose": …}: 204."""
    return _end_deal(org, call, _WON)


def lose(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /LoseOpportunity {"Status": 4 or 5, "OpportunityClose": …}: 204."""
    return _end_deal(org, call, _LOST)


def fulfill(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /FulfillSalesOrder {"Status": 100001, "OrderClose": …}: 204. `datefulfilled` is the day of the end (*assumed*)."""
    ended = _end(org, call, _FULFILLED)
    _settle(org, call, ended, {"datefulfilled": f"{_day(call, ended.close)}T00:00:00Z"})
    return Answer(204)


def publish(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """POST /products(id)/NS.PublishProductHierarchy: drafts and revisions of it and below it become active (*assumed*: 204, and again)."""
    if table.name != "product":
        raise errors.missing_resource("PublishProductHierarchy")
    writing.demand(call, table, "Write")
    rows = org.rows("product")
    above = rows.get(rows[row_id].get("_parentproductid_value") or "", {})
    if above.get("statecode", catalogue.ACTIVE) != catalogue.ACTIVE:  # *assumed*
        raise errors.invalid_argument("The parent of the product isn't active.")
    for found in _hierarchy(org, row_id):
        if rows[found].get("statecode") in {catalogue.DRAFT, catalogue.UNDER_REVISION}:
            made.change(org, table, found, {"statecode": catalogue.ACTIVE, "statuscode": 1}, call.now, call.caller.user_id)
    return Answer(204)


def _hierarchy(org: Organisation, row_id: str) -> list[str]:
    found = [row_id]
    for above in found:  # grows while it is read
        found += sorted(org.store.by_value("product", "_parentproductid_value").ids.get(above, ()))
    return found


class _Ended(NamedTuple):
    ending: Ending
    row_id: str
    status: int
    close: Row


def _end_deal(org: Organisation, call: Call, ending: Ending) -> Answer:
    """The value of the close is the deal's; without one a won deal takes its estimate (*assumed*). The day is that of UTC (*assumed*)."""
    ended = _end(org, call, ending)
    deal = org.rows(ending.table)[ended.row_id]
    value = ended.close.get("actualrevenue")
    if value is None and ending.state == _WON.state:
        value = deal.get("estimatedvalue")
    _settle(org, call, ended, {"actualvalue": value, "actualclosedate": _day(call, ended.close)})
    return Answer(204)


def _end(org: Organisation, call: Call, ending: Ending) -> _Ended:
    body = parameter(call, ending.parameter)
    table = org.table(ending.table)
    writing.demand(call, table, "Write")
    reference = body.get(f"{ending.lookup}@odata.bind") if isinstance(body, dict) else None
    if reference is None:
        raise errors.invalid_argument(f"'{ending.lookup}' of '{ending.parameter}' is missing.")
    target, row_id = binding.resolve(org, call, reference)
    if target.name != ending.table:
        raise errors.bad_payload(f"'{ending.lookup}' takes a row of '{ending.table}'.")
    status = _status(org, call, ending, row_id)
    return _Ended(ending, row_id, status, _close_activity(org, call, ending, body, row_id))


def _status(org: Organisation, call: Call, ending: Ending, row_id: str) -> int:
    table, given = org.table(ending.table), parameter(call, "Status")
    state = org.rows(ending.table)[row_id].get("statecode") or 0
    if state not in ({0} if ending.table == "opportunity" else {0, 1}):  # *assumed*: the code
        raise errors.invalid_argument(f"The {ending.table} is closed already.")
    status = states.default_status(table, ending.state) if given == -1 else given
    if not isinstance(status, int) or table.columns["statuscode"].states.get(status) != ending.state:
        raise errors.bad_status(ending.table, given, ending.state, row_id)
    return status


def _close_activity(org: Organisation, call: Call, ending: Ending, body: dict[str, Any], row_id: str) -> Row:
    """The close activity, completed; its natural key counts the closes of one row. It is in the row's currency (*assumed*)."""
    table = org.table(ending.activity)
    body = _in_currency(table, body, org.rows(ending.table)[row_id].get("_transactioncurrencyid_value"))
    taken = org.store.by_value(ending.activity, f"_{ending.lookup}_value").ids.get(row_id, set())
    names = {org.store.made.get(ending.activity, {}).get(i) for i in taken}
    close_id = writing.create(org, call, table, body)
    natural = next(name for number in range(1, len(names) + 2) if (name := f"{row_id}:{number}") not in names)
    org.store.mark_made(ending.activity, close_id, natural)
    row = org.rows(ending.activity)[close_id]
    end = {"statecode": 1, "statuscode": 2, "actualend": row.get("actualend") or call.now}
    made.change(org, table, close_id, end, call.now, call.caller.user_id)
    return row | end


def _in_currency(table: Table, body: dict[str, Any], currency: Any) -> dict[str, Any]:
    """The body with the currency of the row that is closed, where the table has one and the body doesn't say another."""
    names = [f"{name}@odata.bind" for name, (column, _) in table.navigations.items() if column.name == "transactioncurrencyid"]
    if not currency or not names or names[0] in body:
        return body
    return {**body, names[0]: f"/transactioncurrencies({currency})"}


def _settle(org: Organisation, call: Call, ended: _Ended, values: Row) -> None:
    table, row = org.table(ended.ending.table), org.rows(ended.ending.table)[ended.row_id]
    values = values | {"statecode": ended.ending.state, "statuscode": ended.status}
    rate = float(row.get("exchangerate") or 1.0)
    for name, base in money_columns(table):
        if name in values:
            values[base] = None if values[name] is None else round(values[name] / rate, 4)
    made.change(org, table, ended.row_id, values, call.now, call.caller.user_id)


def _day(call: Call, close: Row) -> str:
    return str(close.get("actualend") or call.now)[:10]
