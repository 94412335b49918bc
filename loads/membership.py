"""Lists tied to campaigns, and members put on lists and taken from them: links, which have no ids of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Column
from connectors.store import batched
from loads.messaging import OfTable, Values
from loads.models import Phase
from loads.staged import StagedRow
from loads.tuning import BATCH
from loads.writer import answered, parts

MEMBERS_AT_ONCE, NOT_FOUND = 500, 404
THERE = "there"  # of a link: whether it is
ADDED_BY = "_createdby_value"


class Links(OfTable):
    """What messages that make links share."""

    outcome = "created"

    @property
    def types(self) -> Mapping[str, Column]:
        """Links are there or not, and hold nothing."""
        return {}

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """The links that there are."""
        return {row_id: found for row_id, found in self.read(rows).items() if found[THERE]}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The link."""
        return {THERE: True}


class Ties(Links):
    """Lists tied to campaigns; the campaign says which lists it has."""

    kind = Phase.Kind.TIES

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        one_of_each = {row.values["campaign"]: row for row in rows}
        tied: set[tuple[str, str]] = set()
        for part in batched(one_of_each.values(), BATCH):
            for row, outcome in answered(self.client, part, self._lists_of):
                tied |= {(row.values["campaign"], each["listid"].lower()) for each in _listed(outcome)}
        return {row.row_id: {THERE: (row.values["campaign"], row.values["list"]) in tied} for row in rows}

    @staticmethod
    def _lists_of(row: StagedRow) -> Operation:
        return Operation("GET", f"campaigns({row.values['campaign']})/campaignlist_association?$select=listid")

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        body = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": row.values["campaign"]}}
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddItemCampaign", body)


class Members(Links):
    """Members added to lists, many at once; a refused call is taken apart member by member."""

    kind = Phase.Kind.MEMBERS
    first = MEMBERS_AT_ONCE

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        found: dict[str, Values] = {}
        for list_id, members in by_list(rows).items():
            there = who_added(self.client, list_id, [row.values["member"] for row in members])
            found |= {row.row_id: {THERE: row.values["member"] in there} for row in members}
        return found

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return [part for members in by_list(rows).values() for part in parts(members, self.size.size)]

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        members = [{"@odata.type": f"{NS}.{row.values['table']}", f"{row.values['table']}id": row.values["member"]} for row in rows]
        body = {"List": {"@odata.type": f"{NS}.list", "listid": rows[0].values["list"]}, "Members": members}
        # Who is on the list already stays on it once. *Assumed*: each member counts as an operation.
        return self.many(rows, lambda: self.client.post("AddListMembersList", body, repeatable=True, operations=len(rows)))

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddMemberList", {"EntityId": row.values["member"]})


class Left(Members):
    """Members taken from lists; the one who put them there is looked at when it is staged."""

    kind = Phase.Kind.LEFT
    first = BATCH
    outcome = "updated"

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """No link any more."""
        return {THERE: False}

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Whether there is a link, of each row."""
        return self.read(rows)

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        return OfTable.send(self, rows)

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("POST", f"lists({row.values['list']})/{NS}.RemoveMemberList", {"EntityId": row.values["member"]})


def _listed(outcome: Outcome) -> Sequence[Mapping[str, Any]]:
    """The lists that a campaign has; a campaign that is gone has none. Raises DataverseRefused where they can't be read."""
    if not outcome.ok and outcome.status != NOT_FOUND:
        said = "Dataverse doesn't say which lists a campaign has."
        raise DataverseRefused(said, status=outcome.status, code=outcome.code, row_message=outcome.message)
    return (outcome.body or {}).get("value", ())


def who_added(client: Client, list_id: str, members: Sequence[str]) -> dict[str, str]:
    """Of these rows those that are on a list -> the user who put them there.

    Source: the column createdby of listmember, learn.microsoft.com/dynamics365/developer/reference/entities/listmember
    """
    found: dict[str, str] = {}
    for part in batched(members, MEMBERS_AT_ONCE):
        ids = ",".join(f'"{member}"' for member in part)
        wanted = f"_listid_value eq {list_id} and {NS}.In(PropertyName='entityid',PropertyValues=[{ids}])"
        for row in client.rows("listmembers", select=["_entityid_value", ADDED_BY], filter=wanted):
            found[row["_entityid_value"].lower()] = str(row.get(ADDED_BY) or "").lower()
    return found


def by_list(rows: Sequence[StagedRow]) -> dict[str, list[StagedRow]]:
    """List -> its rows."""
    lists: dict[str, list[StagedRow]] = {}
    for row in rows:
        lists.setdefault(row.values["list"], []).append(row)
    return lists
