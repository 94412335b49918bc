"""Messages of marketing lists: members, and campaigns that a list is tied to (facts 7.3)."""

from collections.abc import Iterable

from . import consequences, errors, made, writing
from .calls import JSON, Answer, Call
from .identifiers import read_guid, stable_id
from .organisation import Organisation
from .paths import Segment
from .references import named, parameter
from .store import Row
from .tables import Table

MEMBER_TABLES = {1: "account", 2: "contact", 4: "lead"}  # createdfromcode -> what a list takes


def add_members(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /AddListMembersList {"List": …, "Members": […]}: 204. All or none (*assumed*), members that are on the list stay."""
    table, list_id = named(org, parameter(call, "List"), "List")
    given = parameter(call, "Members")
    if table.name != "list" or not isinstance(given, list) or not given:
        raise errors.invalid_argument("AddListMembersList takes a list and at least one member.")
    members = [named(org, item, "Members") for item in given]
    _add(org, call, list_id, [(member.name, member_id) for member, member_id in members])
    return Answer(204)


def add_member(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """POST /lists(id)/NS.AddMemberList {"EntityId": …}: 200 {"Id": …}; for a member already there its id (*assumed*)."""
    _check_bound(table, "AddMemberList")
    entity = _entity(call)
    member = MEMBER_TABLES.get(org.row(table, row_id).get("createdfromcode") or 0, "")
    _check_open(org.row(table, row_id))
    if entity not in org.rows(member):
        raise _unknown_member(org, entity, member)
    _add(org, call, row_id, [(member, entity)])
    context = f"{call.root}$metadata#Microsoft.Dynamics.CRM.AddMemberListResponse"
    return Answer(200, {"@odata.context": context, "Id": find_member(org, row_id, entity)}, {"Content-Type": JSON})


def remove_member(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """POST /lists(id)/NS.RemoveMemberList {"EntityId": …}: 204. Who is no member is refused (*assumed*: as a missing row)."""
    _check_bound(table, "RemoveMemberList")
    writing.demand(call, table, "Write")
    entity = _entity(call)
    _check_open(org.row(table, row_id))
    found = find_member(org, row_id, entity)
    if found is None:
        raise errors.missing_row("listmember", entity)
    org.store.remove("listmember", found)
    consequences.count_members(org, row_id)
    return Answer(204)


def add_to_campaign(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """POST /lists(id)/NS.AddItemCampaign {"Campaign": …}: 200 {"CampaignItemId": …} (*assumed*: the answer, and that twice is once)."""
    _check_bound(table, "AddItemCampaign")
    campaign, campaign_id = named(org, parameter(call, "Campaign"), "Campaign")
    if campaign.name != "campaign":
        raise errors.invalid_argument("AddItemCampaign takes a campaign.")
    writing.demand(call, campaign, "Write")
    item = stable_id(org.name, "campaignitem", campaign_id, row_id)
    if item not in org.rows("campaignitem"):
        values = {"campaignitemid": item, "_campaignid_value": campaign_id, "entityid": row_id, "entitytype": table.name}
        made.make(org, call, org.table("campaignitem"), f"{campaign_id}:{row_id}", values)
    context = f"{call.root}$metadata#Microsoft.Dynamics.CRM.AddItemCampaignResponse"
    return Answer(200, {"@odata.context": context, "CampaignItemId": item}, {"Content-Type": JSON})


def find_member(org: Organisation, list_id: str, entity_id: str) -> str | None:
    """The id of the row that says that somebody is on a list."""
    rows, ids = org.rows("listmember"), org.store.by_value("listmember", "_entityid_value").ids.get(entity_id, ())
    return next((row_id for row_id in ids if rows[row_id].get("_listid_value") == list_id), None)


def _add(org: Organisation, call: Call, list_id: str, members: Iterable[tuple[str, str]]) -> None:
    table, row = org.table("list"), org.rows("list")[list_id]
    writing.demand(call, table, "Write")
    _check_open(row)
    wanted, listmember = MEMBER_TABLES.get(row.get("createdfromcode") or 0), org.table("listmember")
    kind = listmember.columns["entityid"].type_annotation
    with org.store.transaction():
        for member, entity_id in members:
            if member != wanted:
                raise _wrong_member(member)
            if find_member(org, list_id, entity_id) is None:
                member_id = stable_id(org.name, "listmember", list_id, entity_id)
                values = {
                    "listmemberid": member_id,
                    "_listid_value": list_id,
                    "_entityid_value": entity_id,
                    kind: member,
                    "entitytype": member,
                }
                org.written += 1
                made.make(org, call, listmember, f"{list_id}:{entity_id}", values)
        consequences.count_members(org, list_id)


def _check_open(row: Row) -> None:
    if row.get("lockstatus"):
        raise errors.ServiceError(400, "0x80040302", "This list is locked. Members can't be added to or removed from a locked list.")
    if row.get("type"):  # *assumed*: the code
        raise errors.invalid_argument("Members of a dynamic list follow from its query and can't be added or removed.")
    if row.get("statecode") == 1:  # *assumed*: refused, and the code
        raise errors.invalid_argument("Members can't be added to or removed from a list that is inactive.")


def _check_bound(table: Table, name: str) -> None:
    if table.name != "list":
        raise errors.missing_resource(name)


def _entity(call: Call) -> str:
    given = parameter(call, "EntityId")
    found = read_guid(given)
    if found is None:
        raise errors.wrong_type(given, "Edm.Guid")
    return found


def _unknown_member(org: Organisation, entity_id: str, wanted: str) -> errors.ServiceError:
    others = [name for name in MEMBER_TABLES.values() if entity_id in org.rows(name)]
    return _wrong_member(others[0]) if others else errors.missing_row(wanted, entity_id)


def _wrong_member(table: str) -> errors.ServiceError:
    return errors.ServiceError(400, "0x80040301", f"A row of '{table}' can't be a member: the list takes another type of member.")
