"""What the service does beyond a table's metadata: per table, checks and values that follow from others.

A rule is `rule(org, call, table, before, new, given)`; `before` is None at create, `given` the columns that the client wrote.
Rules run after states, before keys. New ones are added to RULES; follow-up rows to FOLLOW_UPS.
"""

from collections.abc import Callable, Mapping

from . import errors
from .calls import Call
from .organisation import Organisation
from .store import Row
from .tables import Table

Rule = Callable[[Organisation, Call, Table, Row | None, Row, set[str]], None]
FollowUp = Callable[[Organisation, Call, Table, str, Row], None]


def _person_name(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    if before is not None and not given & {"firstname", "lastname", "yomifirstname", "yomilastname"}:
        return
    plain = [new.get("firstname"), new.get("lastname")]
    yomi = [new.get("yomifirstname") or plain[0], new.get("yomilastname") or plain[1]]
    new["fullname"] = " ".join(filter(None, plain)) or None
    new["yomifullname"] = " ".join(filter(None, yomi)) or None


def _open_deals_only(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    if before is not None and "statecode" in given and new.get("statecode") in {1, 2} and new["statecode"] != before.get("statecode"):
        raise errors.ServiceError(
            400, "0x80100005", "This message can not be used to set the state of opportunity to Won or Lost."
            " In order to set state of opportunity to Won or Lost, use the WinOpportunity or LoseOpportunity message instead.",
        )  # fmt: skip


def _campaign_needed(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    if before is None and not new.get("_regardingobjectid_value"):
        raise errors.ServiceError(400, "0x8004030a", "The campaign response must have a parent campaign.")


def _note(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    new["isdocument"] = bool(new.get("documentbody"))
    new["objecttypecode"] = new.get("_objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname")


def _party_type(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    new["objecttypecode"] = new.get("_parentid_value@Microsoft.Dynamics.CRM.lookuplogicalname")


RULES: Mapping[str, tuple[Rule, ...]] = {
    "contact": (_person_name,),
    "lead": (_person_name,),
    "systemuser": (_person_name,),
    "opportunity": (_open_deals_only,),
    "campaignresponse": (_campaign_needed,),
    "annotation": (_note,),
    "customeraddress": (_party_type,),
}
FOLLOW_UPS: Mapping[str, tuple[FollowUp, ...]] = {}


def apply(org: Organisation, call: Call, table: Table, before: Row | None, new: Row, given: set[str]) -> None:
    """Run a table's rules on a row about to be written."""
    for rule in RULES.get(table.name, ()):
        rule(org, call, table, before, new, given)


def follow_up(org: Organisation, call: Call, table: Table, row_id: str, row: Row) -> None:
    """Make what the service makes itself once a row is created."""
    for make in FOLLOW_UPS.get(table.name, ()):
        make(org, call, table, row_id, row)
