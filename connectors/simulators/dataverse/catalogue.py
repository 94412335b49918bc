"""What the service checks and adds in the product catalogue: units, products, price lists and their items (facts 7.2)."""

from . import errors, made
from .drafts import Draft
from .identifiers import new_id
from .organisation import Organisation
from .store import Row

FAMILY = 2  # productstructure
ACTIVE, RETIRED, DRAFT, UNDER_REVISION = 0, 1, 2, 3  # statecode of a product
# From state to state by a plain update (*assumed*: a draft isn't retired and nothing becomes a draft again).
_MOVES = {
    (DRAFT, ACTIVE),
    (ACTIVE, RETIRED),
    (ACTIVE, UNDER_REVISION),
    (UNDER_REVISION, ACTIVE),
    (UNDER_REVISION, RETIRED),
    (RETIRED, ACTIVE),
}
_ITEM_KEY = ("_pricelevelid_value", "_productid_value", "_uomid_value")


def base_unit(draft: Draft) -> None:
    """A new unit group gets its base unit from the service (*assumed*: `Primary Unit` where no name is given)."""
    values = {
        "uomid": new_id(), "name": draft.new.get("baseuomname") or "Primary Unit", "quantity": 1, "isschedulebaseuom": True,
        "_uomscheduleid_value": draft.row_id,
    }  # fmt: skip
    made.make(draft.org, draft.call, draft.org.table("uom"), f"base:{draft.row_id}", values)


def unit(draft: Draft) -> None:
    """Further units have a quantity of a unit of the same group (*assumed*: both are demanded)."""
    new = draft.new
    if new.get("isschedulebaseuom"):
        return
    for name, read_name in (("quantity", "quantity"), ("baseuom", "_baseuom_value")):
        if new.get(read_name) is None:
            raise errors.required_missing("uom", name)
    check_unit(draft.org, new["_baseuom_value"], new.get("_uomscheduleid_value"))


def check_unit(org: Organisation, unit_id: str | None, schedule: str | None) -> None:
    """A unit must be of a unit group. Raises ServiceError."""
    row = org.rows("uom").get(unit_id or "", {})
    if row.get("_uomscheduleid_value") != schedule:
        raise errors.ServiceError(400, "0x80043b16", "The unit is not in the unit group that is set on the product.")


def product(draft: Draft) -> None:
    """Number, units and states of a product; one that is sold or was is changed only under revision (*assumed* for retired ones)."""
    new, before = draft.new, draft.before
    if before is not None:
        was, now = before.get("statecode"), new.get("statecode")
        if was != now and (was, now) not in _MOVES:
            raise errors.bad_status("product", new.get("statuscode"), now, draft.row_id)
        if was in {ACTIVE, RETIRED} and draft.given - {"statecode", "statuscode", draft.table.primary_id}:
            raise errors.ServiceError(400, "0x8004f995", "You can't update a product that is active. Revise it first.")
    elif draft.org.setting("createproductswithoutparentinactivestate") and not new.get("_parentproductid_value"):
        new |= {"statecode": ACTIVE, "statuscode": 1}
    _check_number(draft)
    if new.get("productstructure") != FAMILY:
        _check_units(draft)


def _check_number(draft: Draft) -> None:
    index = draft.org.store.unique("product", ("productnumber",))
    values = index.values(draft.new)
    if values is not None and index.ids.get(values, draft.row_id) != draft.row_id:
        raise errors.ServiceError(400, "0x80043b06", "A product with the specified product ID already exists.")


def _check_units(draft: Draft) -> None:
    """*assumed*: both and the decimals are demanded, with the code of a required column."""
    new = draft.new
    for name in ("defaultuomscheduleid", "defaultuomid"):
        if new.get(f"_{name}_value") is None:
            raise errors.required_missing("product", name)
    if new.get("quantitydecimal") is None:
        raise errors.required_missing("product", "quantitydecimal")
    check_unit(draft.org, new["_defaultuomid_value"], new["_defaultuomscheduleid_value"])


def item_currency(draft: Draft) -> None:
    """A price is in the currency of its list."""
    prices = draft.org.rows("pricelevel").get(draft.new.get("_pricelevelid_value") or "", {})
    follow_currency(draft, prices)


def follow_currency(draft: Draft, parent: Row) -> None:
    """Take the parent's currency where none is given; another one is refused."""
    currency, own = parent.get("_transactioncurrencyid_value"), draft.new.get("_transactioncurrencyid_value")
    if currency is None or own == currency:
        return
    if "transactioncurrencyid" in draft.given:
        raise other_currency()
    draft.new["_transactioncurrencyid_value"] = currency
    draft.given.add("transactioncurrencyid")


def other_currency() -> errors.ServiceError:
    """The currency of a row and that of its price list or parent differ."""
    return errors.ServiceError(400, "0x80048cf6", "The currency of the record doesn't match the currency of the price list.")


def price_item(draft: Draft) -> None:
    """One price for a product, unit and list; the unit of the product's group; an amount where the price is one."""
    new, org = draft.new, draft.org
    if new.get("_uomid_value") is None:
        raise errors.required_missing("productpricelevel", "uomid")
    sold = org.rows("product").get(new.get("_productid_value") or "", {})
    check_unit(org, new["_uomid_value"], sold.get("_defaultuomscheduleid_value"))
    if new.get("pricingmethodcode") == 1 and new.get("amount") is None:  # *assumed*: with this code
        raise errors.ServiceError(400, "0x80043b10", "The amount of the price list item is missing or invalid.")
    index = org.store.unique("productpricelevel", _ITEM_KEY)
    if index.ids.get(index.values(new) or (), draft.row_id) != draft.row_id:
        raise errors.ServiceError(400, "0x80043b08", "This product and unit combination has a price for this price list.")
    new |= {"productnumber": sold.get("productnumber"), "_uomscheduleid_value": sold.get("_defaultuomscheduleid_value")}


def find_price(org: Organisation, prices: str, product_id: str, unit_id: str) -> float | None:
    """The amount of a product and unit in a price list."""
    index = org.store.unique("productpricelevel", _ITEM_KEY)
    row_id = index.ids.get((prices, product_id, unit_id))
    return org.rows("productpricelevel")[row_id].get("amount") if row_id else None
