"""What the service does beyond a table's metadata: per table, checks and values that follow from others.

A rule is `rule(draft)`; it checks or completes `draft.new`. Rules run after states and money, before keys. Rules of further tables are
added to RULES; a FOLLOW_UP runs once a new row is stored, and makes the rows that the service makes itself.
"""

import re
from collections.abc import Callable, Mapping

from . import attached, catalogue, errors, lines
from .drafts import Draft
from .identifiers import stable_id
from .store import Row

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{1,7}")

Rule = Callable[[Draft], None]


PEOPLE = ("contact", "lead", "systemuser")


def full_names(row: Row) -> Row:
    """What the service computes of a person's names."""
    plain = [row.get("firstname"), row.get("lastname")]
    yomi = [row.get("yomifirstname") or plain[0], row.get("yomilastname") or plain[1]]
    return {"fullname": " ".join(filter(None, plain)) or None, "yomifullname": " ".join(filter(None, yomi)) or None}


def _person_name(draft: Draft) -> None:
    if draft.creating or draft.given & {"firstname", "lastname", "yomifirstname", "yomilastname"}:
        draft.new |= full_names(draft.new)


def _open_deals_only(draft: Draft) -> None:
    state = draft.new.get("statecode")
    if draft.before is not None and state in {1, 2} and state != draft.before.get("statecode"):
        raise errors.ServiceError(
            400, "0x80100005", "This message can not be used to set the state of opportunity to Won or Lost."
            " In order to set state of opportunity to Won or Lost, use the WinOpportunity or LoseOpportunity message instead.",
        )  # fmt: skip


def _order(draft: Draft) -> None:
    """An order without a number gets one (*assumed*: form); it is fulfilled or cancelled by messages only (*assumed*, with this code)."""
    state = draft.new.get("statecode")
    if draft.before is not None and state in {2, 3} and state != draft.before.get("statecode"):
        raise errors.invalid_argument("Use the FulfillSalesOrder or CancelSalesOrder message to end a salesorder.")
    if draft.creating and not draft.new.get("ordernumber"):
        draft.new["ordernumber"] = f"ORD-{stable_id('salesorder', draft.row_id)[:8].upper()}"


def _close_currency(draft: Draft) -> None:
    deal = draft.org.rows("opportunity").get(draft.new.get("_opportunityid_value") or "", {})
    catalogue.follow_currency(draft, deal)


def _campaign_needed(draft: Draft) -> None:
    if draft.creating and not draft.new.get("_regardingobjectid_value"):
        raise errors.ServiceError(400, "0x8004030a", "The campaign response must have a parent campaign.")


def _address(draft: Draft) -> None:
    draft.new["objecttypecode"] = draft.new.get("_parentid_value@Microsoft.Dynamics.CRM.lookuplogicalname")


def _publisher(draft: Draft) -> None:
    prefix, number = str(draft.new.get("customizationprefix") or ""), draft.new.get("customizationoptionvalueprefix")
    if not _PREFIX.fullmatch(prefix) or prefix.lower().startswith("mscrm"):
        raise errors.invalid_argument(f"CustomizationPrefix '{prefix}' is 2 to 8 letters or digits, begins with a letter, not with mscrm.")
    if not isinstance(number, int) or not 10000 <= number <= 99999:
        raise errors.invalid_argument("CustomizationOptionValuePrefix is 10000 to 99999.")
    _unique_name(draft)


def _unique_name(draft: Draft) -> None:
    name = str(draft.new.get("uniquename") or "").casefold()
    for row_id, row in draft.org.rows(draft.table.name).items():
        if row_id != draft.row_id and str(row.get("uniquename") or "").casefold() == name:
            raise errors.ServiceError(412, "0x80040237", f"A {draft.table.name} with the unique name '{name}' exists already.")


def _list(draft: Draft) -> None:
    """The kind of member and `type` are for good; `membertype` repeats the first (*assumed*: the number is the same)."""
    before = draft.before
    if before is None:
        draft.new |= {"membertype": draft.new.get("createdfromcode"), "membercount": 0}
    else:
        draft.new["type"] = before.get("type")


def _campaign_code(draft: Draft) -> None:
    """A campaign without a code gets one; the service counts, here it follows from the id so that two runs are alike (*assumed*: form)."""
    if draft.creating and not draft.new.get("codename"):
        draft.new["codename"] = f"CMP-{stable_id('campaign', draft.row_id)[:8].upper()}"


def _done(draft: Draft) -> None:
    """A task that is completed or cancelled without an end ends now (*assumed*)."""
    was = draft.before.get("statecode") if draft.before else 0
    if draft.new.get("statecode") in {1, 2} and draft.new["statecode"] != was and not draft.new.get("actualend"):
        draft.new["actualend"] = draft.call.now


RULES: Mapping[str, tuple[Rule, ...]] = {
    **dict.fromkeys(PEOPLE, (_person_name,)),
    "opportunity": (_open_deals_only, lines.check_prices),
    "salesorder": (_order, lines.check_prices),
    "uom": (catalogue.unit,),
    "product": (catalogue.product,),
    "productpricelevel": (catalogue.price_item,),
    "campaign": (_campaign_code,),
    "campaignresponse": (_campaign_needed,),
    "list": (_list,),
    "task": (_done,),
    "publisher": (_publisher,),
    "solution": (_unique_name,),
    "annotation": (attached.check_note,),
    "activitymimeattachment": (attached.check_file,),
    "customeraddress": (_address,),
}
PREPARING: Mapping[str, tuple[Rule, ...]] = {
    "opportunity": (lines.head,),
    "salesorder": (lines.head,),
    "opportunityproduct": (lines.price_line,),
    "salesorderdetail": (lines.price_line,),
    "productpricelevel": (catalogue.item_currency,),
    "opportunityclose": (_close_currency,),
}
STORED: Mapping[str, tuple[Rule, ...]] = {"opportunityproduct": (lines.line_stored,), "salesorderdetail": (lines.line_stored,)}
FOLLOW_UPS: Mapping[str, tuple[Rule, ...]] = {"uomschedule": (catalogue.base_unit,)}


def prepare(draft: Draft) -> None:
    """What must be known before money is settled: the currency that follows from a parent."""
    for rule in PREPARING.get(draft.table.name, ()):
        rule(draft)


def apply(draft: Draft) -> None:
    """Run a table's rules on a row about to be written."""
    for rule in RULES.get(draft.table.name, ()):
        rule(draft)


def stored(draft: Draft) -> None:
    """What follows elsewhere once a row is written, new or changed."""
    for rule in STORED.get(draft.table.name, ()):
        rule(draft)


def follow_up(draft: Draft) -> None:
    """Make what the service makes itself once a row is created."""
    for make in FOLLOW_UPS.get(draft.table.name, ()):
        make(draft)
