"""Functions and actions that aren't bound to a table's rows, and those bound to one: who am I, counts, privileges, bulk delete."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from . import blocks, cascades, closing, errors, marketing, metadata_changes, metadata_removing, metadata_writing, security
from .calls import JSON, Answer, Call
from .identifiers import new_id, read_guid
from .organisation import Organisation
from .paths import Segment, arguments
from .row_names import RowNames
from .tables import Table

Message = Callable[[Organisation, Call, Segment], Answer]
Bound = Callable[[Organisation, Call, Table, str], Answer]


def who_am_i(org: Organisation, call: Call, segment: Segment) -> Answer:
    """GET /WhoAmI."""
    user = org.rows("systemuser")[call.caller.user_id]
    return _ok(call, "WhoAmIResponse", {
        "BusinessUnitId": user.get("_businessunitid_value"), "UserId": call.caller.user_id,
        "OrganizationId": org.organization.get("organizationid"),
    })  # fmt: skip


def total_record_count(org: Organisation, call: Call, segment: Segment) -> Answer:
    """GET /RetrieveTotalRecordCount(EntityNames=['account']). The service's snapshot may be a day old; ours is exact."""
    raw = arguments(segment.inside, call.aliases).get("EntityNames", "[]")
    try:
        names = orjson.loads(raw.replace("'", '"'))
    except orjson.JSONDecodeError as error:
        raise errors.bad_query("EntityNames is a list of table names.") from error
    counts = {"Keys": names, "Values": [len(org.rows(org.table(name).name)) for name in names]}
    return _ok(call, "RetrieveTotalRecordCountResponse", {"EntityRecordCountCollection": counts})


def bulk_delete(org: Organisation, call: Call, segment: Segment) -> Answer:
    """POST /BulkDelete: the rows of each QueryExpression, done at once though the service works in the background."""
    if not call.caller.may("prvBulkDelete"):
        raise errors.missing_privilege(call.caller.user_id, 1, "prvBulkDelete", "none", 0)
    body, done, failed = call.json(), 0, 0
    for query in body.get("QuerySet") or []:
        table = org.table(str(query.get("EntityName")))
        for row_id in _query_ids(org, table, query):
            try:
                cascades.delete(org, table, row_id, call.now, call.caller.user_id)
                done += 1
            except errors.ServiceError:
                failed += 1
    job, row_id = new_id(), new_id()
    org.store.put("bulkdeleteoperation", row_id, {
        "bulkdeleteoperationid": row_id, "name": body.get("JobName"), "asyncoperationid": job, "successcount": done, "failurecount": failed,
        "statecode": 3, "statuscode": 30, "createdon": call.now, "versionnumber": org.store.next_version(),
    })  # fmt: skip
    org.store.mark_made("bulkdeleteoperation", row_id, str(body.get("JobName")))
    return _ok(call, "BulkDeleteResponse", {"JobId": job})


def _query_ids(org: Organisation, table: Table, query: Mapping[str, Any]) -> list[str]:
    conditions = (query.get("Criteria") or {}).get("Conditions") or []
    if not conditions:
        raise errors.invalid_argument("A bulk delete without conditions isn't simulated.")
    ids = [row_id for row_id, _ in org.scan(table)]
    for condition in conditions:
        get = RowNames(org, table).getter(str(condition.get("AttributeName")))
        values = {_plain(v.get("Value") if isinstance(v, dict) else v) for v in condition.get("Values") or []}
        if condition.get("Operator") not in {"In", "Equal"}:
            raise errors.invalid_argument("A bulk delete is simulated for the operators In and Equal only.")
        ids = [i for i in ids if _plain(get(org.rows(table.name)[i])) in values]
    return ids


def _plain(value: Any) -> str:
    return read_guid(value) or str(value).casefold()


def _ok(call: Call, kind: str, values: dict[str, Any]) -> Answer:
    return Answer(200, {"@odata.context": f"{call.root}$metadata#Microsoft.Dynamics.CRM.{kind}", **values}, {"Content-Type": JSON})


def _metadata(action: Callable[[Organisation, Call], Answer]) -> Message:
    return lambda org, call, segment: action(org, call)


FUNCTIONS: Mapping[str, Message] = {
    "WhoAmI": who_am_i,
    "RetrieveTotalRecordCount": total_record_count,
    "RetrieveMetadataChanges": metadata_changes.retrieve,
    "RetrieveDependenciesForDelete": metadata_removing.dependencies_for_delete,
}
ACTIONS: Mapping[str, Message] = {
    "BulkDelete": bulk_delete,
    "AddListMembersList": marketing.add_members,
    "WinOpportunity": closing.win,
    "LoseOpportunity": closing.lose,
    "FulfillSalesOrder": closing.fulfill,
    "InitializeAnnotationBlocksUpload": blocks.begin(blocks.NOTE),
    "InitializeAttachmentBlocksUpload": blocks.begin(blocks.ATTACHMENT),
    "UploadBlock": blocks.upload,
    "CommitAnnotationBlocksUpload": blocks.commit(blocks.NOTE),
    "CommitAttachmentBlocksUpload": blocks.commit(blocks.ATTACHMENT),
    **{name: _metadata(action) for name, action in metadata_writing.UNBOUND.items()},
}
BOUND_FUNCTIONS: Mapping[str, Bound] = {
    "RetrieveUserPrivileges": security.user_privileges,
    "RetrieveTeamPrivileges": security.team_privileges,
}
BOUND_ACTIONS: Mapping[str, Bound] = {
    "AddMemberList": marketing.add_member,
    "RemoveMemberList": marketing.remove_member,
    "AddItemCampaign": marketing.add_to_campaign,
    "PublishProductHierarchy": closing.publish,
}
