"""What the service does beyond a table's metadata: per table, checks and values that follow from others.

A rule is `rule(draft)`; it checks or completes `draft.new`. Rules run after states and money, before keys. Rules of further tables are
added to RULES; a FOLLOW_UP runs once a new row is stored, and makes the rows that the service makes itself.
"""

from collections.abc import Callable, Mapping

from . import errors
from .drafts import Draft

Rule = Callable[[Draft], None]


def _person_name(draft: Draft) -> None:
    if not draft.creating and not draft.given & {"firstname", "lastname", "yomifirstname", "yomilastname"}:
        return
    new = draft.new
    plain = [new.get("firstname"), new.get("lastname")]
    yomi = [new.get("yomifirstname") or plain[0], new.get("yomilastname") or plain[1]]
    new["fullname"] = " ".join(filter(None, plain)) or None
    new["yomifullname"] = " ".join(filter(None, yomi)) or None


def _open_deals_only(draft: Draft) -> None:
    state = draft.new.get("statecode")
    if draft.before is not None and state in {1, 2} and state != draft.before.get("statecode"):
        raise errors.ServiceError(
            400, "0x80100005", "This message can not be used to set the state of opportunity to Won or Lost."
            " In order to set state of opportunity to Won or Lost, use the WinOpportunity or LoseOpportunity message instead.",
        )  # fmt: skip


def _campaign_needed(draft: Draft) -> None:
    if draft.creating and not draft.new.get("_regardingobjectid_value"):
        raise errors.ServiceError(400, "0x8004030a", "The campaign response must have a parent campaign.")


def _note(draft: Draft) -> None:
    draft.new["isdocument"] = bool(draft.new.get("documentbody"))
    draft.new["objecttypecode"] = draft.new.get("_objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname")


def _address(draft: Draft) -> None:
    draft.new["objecttypecode"] = draft.new.get("_parentid_value@Microsoft.Dynamics.CRM.lookuplogicalname")


RULES: Mapping[str, tuple[Rule, ...]] = {
    "contact": (_person_name,),
    "lead": (_person_name,),
    "systemuser": (_person_name,),
    "opportunity": (_open_deals_only,),
    "campaignresponse": (_campaign_needed,),
    "annotation": (_note,),
    "customeraddress": (_address,),
}
FOLLOW_UPS: Mapping[str, tuple[Rule, ...]] = {}


def apply(draft: Draft) -> None:
    """Run a table's rules on a row about to be written."""
    for rule in RULES.get(draft.table.name, ()):
        rule(draft)


def follow_up(draft: Draft) -> None:
    """Make what the service makes itself once a row is created."""
    for make in FOLLOW_UPS.get(draft.table.name, ()):
        make(draft)
