"""Rows linked, lists tied to campaigns, and members put on lists and taken from them: links, which have no ids of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Column
from connectors.store import batched
from loads.delta import unlinked
from loads.destination import EDITOR
from loads.messaging import OfTable, Values
from loads.models import Phase
from loads.staged import StagedRow
from loads.tuning import BATCH
from loads.writer import answered, parts

MEMBERS_AT_ONCE, NOT_FOUND = 500, 404
LINKED_ALREADY = "0x80040237"
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

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Links that an earlier run made and somebody took away."""
        return unlinked.barred(self.run_key, self.name, self.kind, rows)


@dataclass(frozen=True, slots=True)
class Link:
    """Two rows linked by a many-to-many relationship.

    entity_set, row_id, collection: of the row that is asked which rows it is linked to, and by which of its properties. other_set,
    other_key, other_id: of the row at the other end, and the name of its primary key.
    """

    entity_set: str
    row_id: str
    collection: str
    other_set: str
    other_key: str
    other_id: str

    @property
    def path(self) -> str:
        """Where the links are that the row has."""
        return f"{self.entity_set}({self.row_id})/{self.collection}"


class Associate(Links):
    """Rows linked by a many-to-many relationship that has no message of its own. Their values are those of a `Link`.

    Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
    """

    kind: str = Phase.Kind.LINKS

    def link(self, row: StagedRow) -> Link:
        """What is linked."""
        return Link(**row.values)

    def ends(self, row: StagedRow) -> tuple[str, ...]:
        """The rows that are linked."""
        link = self.link(row)
        return link.row_id, link.other_id

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id; each row that is asked says which of those meant here it is linked to."""
        links = {row.row_id: self.link(row) for row in rows}
        by_path: dict[str, list[StagedRow]] = {}
        for row in rows:
            by_path.setdefault(links[row.row_id].path, []).append(row)
        linked: set[tuple[str, str]] = set()
        for part in batched(by_path.values(), BATCH):
            asked = [together[0] for together in part]
            for row, outcome in answered(self.client, asked, lambda row: self._others(by_path[links[row.row_id].path])):
                link = links[row.row_id]
                linked |= {(link.path, each[link.other_key].lower()) for each in _listed(outcome)}
        return {row_id: {THERE: (link.path, link.other_id) in linked} for row_id, link in links.items()}

    def _others(self, rows: Sequence[StagedRow]) -> Operation:
        """The request that says to which of the other rows one is linked: to these alone, so that the answer is one page."""
        link, ids = self.link(rows[0]), ",".join(f'"{self.link(row).other_id}"' for row in rows)
        among = quote(f"{NS}.In(PropertyName='{link.other_key}',PropertyValues=[{ids}])", safe="")
        return Operation("GET", f"{link.path}?$select={link.other_key}&$filter={among}")

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost. What somebody else linked meanwhile is linked."""
        return [(row, Outcome(204) if outcome.code == LINKED_ALREADY else outcome) for row, outcome in super().send(rows)]

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        link = self.link(row)
        return Operation("POST", f"{link.path}/$ref", {"@odata.id": f"{self.client.base_url}{link.other_set}({link.other_id})"})

    def unlinking(self, row: StagedRow) -> Operation:
        """What takes a link away again."""
        link = self.link(row)
        return Operation("DELETE", f"{link.path}({link.other_id})/$ref")


class Ties(Associate):
    """Lists tied to campaigns; the campaign says which lists it has, and a message of the list's ties it."""

    kind = Phase.Kind.TIES

    def link(self, row: StagedRow) -> Link:
        """A campaign and its list."""
        return Link("campaigns", row.values["campaign"], "campaignlist_association", "lists", "listid", row.values["list"])

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        body = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": row.values["campaign"]}}
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddItemCampaign", body)


class Members(Links):
    """Members added to lists, many at once; a refused call is taken apart member by member."""

    kind = Phase.Kind.MEMBERS
    first = MEMBERS_AT_ONCE

    def ends(self, row: StagedRow) -> tuple[str, ...]:
        """The list and the member."""
        return row.values["list"], row.values["member"]

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        return {row_id: {THERE: by is not None} for row_id, by in self._added(rows).items()}

    def _added(self, rows: Sequence[StagedRow]) -> dict[str, str | None]:
        """Row id -> the user who put the member on the list; None where it isn't on it."""
        found: dict[str, str | None] = {}
        for list_id, members in by_list(rows).items():
            there = who_added(self.client, list_id, [row.values["member"] for row in members])
            found |= {row.row_id: there.get(row.values["member"]) for row in members}
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

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """None."""
        return {}

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Whether there is a link, and who made it, of each row."""
        return {row_id: {THERE: False} if by is None else {THERE: True, EDITOR: by} for row_id, by in self._added(rows).items()}

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        return OfTable.send(self, rows)

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("POST", f"lists({row.values['list']})/{NS}.RemoveMemberList", {"EntityId": row.values["member"]})


def _listed(outcome: Outcome) -> Sequence[Mapping[str, Any]]:
    """The rows that one is linked to; one that is gone is linked to none. Raises DataverseRefused where they can't be read."""
    if not outcome.ok and outcome.status != NOT_FOUND:
        said = "Dataverse doesn't say what a row is linked to."
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
