"""Lines of opportunities and orders, and the totals that follow from them (facts 7.2).

*assumed*: base = price x quantity; extended = base - discount + tax; the total leaves tax to its own column until the end. Rows keep the
amounts that clients give only where no calculation has them; a deal's or an order's version rises when its totals change.
"""

from typing import Any, NamedTuple

from . import catalogue, errors, made, money
from .drafts import Draft
from .organisation import Organisation
from .store import Row


class Parent(NamedTuple):
    """What a table of lines hangs under."""

    table: str
    column: str  # read name of the lookup
    state: str  # column of a line that repeats the parent's state


PARENTS = {
    "opportunityproduct": Parent("opportunity", "_opportunityid_value", "opportunitystatecode"),
    "salesorderdetail": Parent("salesorder", "_salesorderid_value", "salesorderstatecode"),
}
LINES = {parent.table: table for table, parent in PARENTS.items()}
_PRICED = {"productid", "uomid", "productdescription", "isproductoverridden", "ispriceoverridden", "priceperunit", "quantity", "tax",
           "manualdiscountamount", "transactioncurrencyid"}  # fmt: skip
_TOTALLED = {
    "discountamount",
    "discountpercentage",
    "freightamount",
    "isrevenuesystemcalculated",
    "estimatedvalue",
    "transactioncurrencyid",
}
TOTALS = ("totallineitemamount", "totallineitemdiscountamount", "totaltax", "totaldiscountamount", "totalamountlessfreight", "totalamount")


def price_line(draft: Draft) -> None:
    """Check a line, find its price and compute its amounts, in the currency of its parent."""
    parent = PARENTS[draft.table.name]
    row = draft.org.rows(parent.table).get(draft.new.get(parent.column) or "", {})
    catalogue.follow_currency(draft, row)
    if not draft.creating and not draft.given & _PRICED:
        return
    if draft.new.get("quantity") is None:  # *assumed*: refused
        raise errors.required_missing(draft.table.name, "quantity")
    name = _catalogue_line(draft, parent, row) if draft.new.get("_productid_value") else _write_in(draft)
    draft.new |= {draft.table.primary_name: name[:100], parent.state: row.get("statecode")}
    if draft.new.get("priceperunit") is None:  # *assumed*: refused
        raise errors.required_missing(draft.table.name, "priceperunit")
    money.keep_decimals(draft)
    if draft.org.setting("oobpricecalculationenabled", True):
        _amounts(draft)


def _write_in(draft: Draft) -> str:
    new = draft.new
    if new.get("_uomid_value") and new.get("productdescription"):
        raise errors.ServiceError(400, "0x80043afa", "You can't set both 'uomid' and 'productdescription'.")
    if not new.get("isproductoverridden"):  # *assumed*: a line without a product that doesn't say so is refused
        raise errors.required_missing(draft.table.name, "productid")
    if not new.get("productdescription"):
        raise errors.required_missing(draft.table.name, "productdescription")
    return str(new["productdescription"])


def _catalogue_line(draft: Draft, parent: Parent, row: Row) -> str:
    """*assumed*: the codes where facts give none, and that a line needs the parent's price list."""
    new, org = draft.new, draft.org
    if new.get("productdescription"):
        raise errors.ServiceError(400, "0x80043afb", "You can't set both 'productid' and 'productdescription'.")
    if new.get("isproductoverridden"):
        raise errors.invalid_argument("A line with a product is no write-in: 'isproductoverridden' must be false.")
    sold = org.rows("product").get(new["_productid_value"], {})
    if sold.get("statecode") != catalogue.ACTIVE:
        raise errors.invalid_argument("Only a product that is active can be sold.")
    if new.get("_uomid_value") is None:
        raise errors.required_missing(draft.table.name, "uomid")
    catalogue.check_unit(org, new["_uomid_value"], sold.get("_defaultuomscheduleid_value"))
    prices = row.get("_pricelevelid_value")
    if prices is None:
        raise errors.required_missing(parent.table, "pricelevelid")
    if not new.get("ispriceoverridden"):
        new["priceperunit"] = catalogue.find_price(org, prices, new["_productid_value"], new["_uomid_value"])
        draft.given.add("priceperunit")
        if new["priceperunit"] is None:
            raise errors.invalid_argument("The product isn't on the price list.")
    return str(sold.get("name") or "")


def _amounts(draft: Draft) -> None:
    new = draft.new
    digits = money.decimals(draft.org, new.get("_transactioncurrencyid_value"))
    base = round(float(new["priceperunit"]) * float(new["quantity"]), digits)
    new["baseamount"] = base
    new["extendedamount"] = round(base - float(new.get("manualdiscountamount") or 0) + float(new.get("tax") or 0), digits)
    draft.given.update(("baseamount", "extendedamount"))


def head(draft: Draft) -> None:
    """Totals of a deal or an order before its money is settled; a calculated revenue is its total."""
    if draft.creating or draft.given & _TOTALLED:
        found = totals(draft.org, draft.table.name, draft.row_id, draft.new)
        draft.new |= found
        draft.given.update(found)


def check_prices(draft: Draft) -> None:
    """The price list's currency is the row's."""
    prices = draft.org.rows("pricelevel").get(draft.new.get("_pricelevelid_value") or "")
    if prices and prices.get("_transactioncurrencyid_value") != draft.new.get("_transactioncurrencyid_value"):
        raise catalogue.other_currency()


def line_stored(draft: Draft) -> None:
    """Carry a line's amounts into its parent's totals."""
    sum_up(draft.org, draft.table.name, draft.new, draft.call.now, draft.call.caller.user_id)


def sum_up(org: Organisation, table: str, line: Row, now: str, user: str) -> None:
    """Write the totals of the parent of a line that came, changed or went, where they differ."""
    parent = PARENTS[table]
    row_id = line.get(parent.column) or ""
    row = org.rows(parent.table).get(row_id)
    if row is None or not org.setting("oobpricecalculationenabled", True):
        return
    found = totals(org, parent.table, row_id, row)
    if any(row.get(name) != value for name, value in found.items()):
        rate = float(row.get("exchangerate") or 1.0)
        bases = {f"{name}_base": round(value / rate, 4) for name, value in found.items()}
        made.change(org, org.table(parent.table), row_id, found | bases, now, user)


def totals(org: Organisation, table: str, row_id: str, row: Row) -> dict[str, float]:
    """The totals of a deal or an order from its lines, discounts and freight."""
    column, rows = PARENTS[LINES[table]].column, org.rows(LINES[table])
    found = [rows[i] for i in org.store.by_value(LINES[table], column).ids.get(row_id, ())]
    discounted = _sum(found, "manualdiscountamount")
    amount, tax = _sum(found, "baseamount") - discounted, _sum(found, "tax")
    off = float(row.get("discountamount") or 0) + amount * float(row.get("discountpercentage") or 0) / 100
    whole = amount - off + float(row.get("freightamount") or 0) + tax
    values = (amount, discounted, tax, off, amount - off, whole)
    digits = money.decimals(org, row.get("_transactioncurrencyid_value"))
    made_of = {name: round(value, digits) for name, value in zip(TOTALS, values, strict=True)}
    return made_of | ({"estimatedvalue": made_of["totalamount"]} if row.get("isrevenuesystemcalculated") else {})


def _sum(rows: list[dict[str, Any]], name: str) -> float:
    return sum(float(row.get(name) or 0) for row in rows)
