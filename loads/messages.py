"""What is done with rows once they are there, by the service's messages: lists tied and filled, products published, deals closed, states.

None of it has an id of ours: after any doubt the state is read, and only what is missing is sent. One outcome per staged row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Table
from connectors.http import OutcomeUnknown
from connectors.store import batched
from loads.destination import EDITOR, Destination
from loads.flight import Job
from loads.models import Phase
from loads.reasons import reason, refusal
from loads.staged import StagedRow
from loads.verification import same
from loads.writer import ON_SALE, RETIRED, UNDER_REVISION, Written, parts

BATCH, MEMBERS_AT_ONCE, STATES_AT_ONCE, TRIES = 50, 500, 100, 3
# Of products: in which states publishing is done, by whether the source sells them, and why those in others' hands aren't published.
DONE_AT = {True: (ON_SALE["statecode"],), False: (ON_SALE["statecode"], RETIRED)}
THEIRS = {RETIRED: "conflict.retired", UNDER_REVISION["statecode"]: "conflict.under_revision"}


class Message(Protocol):
    """One kind of thing to do with rows."""

    outcome: str

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Row ids of those for which it is done already, read from the service."""

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Row id -> reason code of those for which it must not be done, though it isn't done yet."""

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""


def message_of(phase: Phase, destination: Destination, client: Client | None = None) -> Message:
    """The message that a phase's kind needs. client: of the application user that sends it, else the first one."""
    return MESSAGES[phase.kind](destination, phase.table, client or destination.client, phase.run.key)


def jobs(destination: Destination, phase: Phase, rows: Sequence[StagedRow]) -> Iterator[Job]:
    """The calls that do it for a chunk's rows."""
    for part in message_of(phase, destination).parts(rows):
        yield partial(_carried_out, phase, destination, part)


def _carried_out(phase: Phase, destination: Destination, rows: list[StagedRow], client: Client) -> list[Written]:
    """Do it for every row for which it isn't done yet (else it is `equal`) and may be done. Raises Retryable."""
    message = message_of(phase, destination, client)
    there = message.present(rows)
    left = [row for row in rows if row.row_id not in there]
    barred = message.barred(left)
    settled = [Written(row, "equal") for row in rows if row.row_id in there]
    settled += [Written(row, "refused", reason(barred[row.row_id])) for row in left if row.row_id in barred]
    return settled + _settled(message, [row for row in left if row.row_id not in barred])


def _settled(message: Message, rows: list[StagedRow]) -> list[Written]:
    """One Written per row: after a lost answer the service is asked which are done, and only the others are sent again."""
    left, done = rows, []
    for attempt in range(TRIES if rows else 0):
        try:
            outcomes = message.send(left)
        except OutcomeUnknown:
            if attempt == TRIES - 1:
                raise
            there = message.present(left)
            done += [Written(row, message.outcome) for row in left if row.row_id in there]
            left = [row for row in left if row.row_id not in there]
        else:
            return done + [
                Written(row, message.outcome) if outcome.ok else Written(row, "refused", refusal(outcome)) for row, outcome in outcomes
            ]
        if not left:
            break
    return done


class _OfTable(ABC):
    """What messages on rows of one table share."""

    outcome = "updated"

    def __init__(self, destination: Destination, table: str, client: Client, run_key: str) -> None:
        self.destination, self.client, self.name, self.run_key = destination, client, table, run_key

    @property
    def table(self) -> Table:
        return self.destination.table(self.name)

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        return list(parts(rows, BATCH))

    def states(self, rows: Sequence[StagedRow]) -> dict[str, tuple[Any, Any]]:
        """Row id -> (statecode, statuscode), of the rows that exist."""
        found = self.read(rows, ["statecode", "statuscode"])
        return {row_id: (row.get("statecode"), row.get("statuscode")) for row_id, row in found.items()}

    def read(self, rows: Sequence[StagedRow], columns: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Row id -> these columns, of the rows that exist."""
        table = self.table
        found = self.client.retrieve(table.entity_set, table.primary_id, [row.row_id for row in rows], [table.primary_id, *columns])
        return {row[table.primary_id].lower(): row for row in found}

    @abstractmethod
    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Those for which it is done already."""

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """None, as a rule."""
        return {}

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        outcomes = self.client.batch([self.operation(row) for row in rows])
        return list(zip(rows, outcomes, strict=True))

    @abstractmethod
    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        """What a batch does for one row."""


class _States(_OfTable):
    """States by UpdateMultiple, which takes statecode as an update of one row does (*assumed*); a refused call is taken apart."""

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        states = self.states(rows)
        return {row.row_id for row in rows if states.get(row.row_id) == (row.values["statecode"], row.values["statuscode"])}

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        return list(parts(rows, STATES_AT_ONCE))

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        targets = [{self.table.primary_id: row.row_id, **row.values} for row in rows]
        try:
            self.client.update_multiple(self.table.name, self.table.entity_set, targets)
        except DataverseRefused:
            return super().send(rows)
        return [(row, Outcome(204)) for row in rows]

    def operation(self, row: StagedRow) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", row.values, {"If-Match": "*"})


class _Publish(_OfTable):
    """Products go on sale: drafts, and those that an earlier run retired and the source sells again. Retired ones that it doesn't stay so.

    What others retired or have under revision is theirs to publish; our own revisions end in the change set that begins them.
    Each by its state: PublishProductHierarchy is for families alone (learn.microsoft.com/dynamics365/sales/developer,
    publish-revise-revert-retire-activate-products). values: {"for_sale": by the source, "ours": whether the row is one that we made}.
    """

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        states = self.states(rows)
        return {row.row_id for row in rows if states.get(row.row_id, (None,))[0] in DONE_AT[row.values["for_sale"]]}

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        found = self.read(rows, ["statecode", EDITOR]) if rows else {}
        there = [(row, found[row.row_id]) for row in rows if row.row_id in found]
        theirs = [(row, product) for row, product in there if not (row.values["ours"] and self._is_our_edit(product))]
        return {row.row_id: THEIRS[state] for row, product in theirs if (state := product["statecode"]) in THEIRS}

    def _is_our_edit(self, product: Mapping[str, Any]) -> bool:
        return str(product.get(EDITOR)).lower() in self.destination.user_ids

    def operation(self, row: StagedRow) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", ON_SALE, {"If-Match": "*"})


@dataclass(frozen=True, slots=True)
class Ending:
    """The message that closes a row, the activity that it adds with the values it takes, and the state that it leads to.

    told: column of a closed row -> the close's value that it holds.
    """

    message: str
    activity: str
    parameter: str
    values: tuple[str, ...]
    state: int
    status: int
    told: Mapping[str, str] = field(default_factory=dict)


OF_DEAL, OF_ORDER = ("subject", "actualrevenue", "actualend"), ("subject", "actualend")
ENDINGS: Mapping[str, Ending] = {
    "opportunity": Ending("WinOpportunity", "opportunityclose", "OpportunityClose", OF_DEAL, 1, 3, {"actualvalue": "actualrevenue"}),
    "salesorder": Ending("FulfillSalesOrder", "orderclose", "OrderClose", OF_ORDER, 3, 100001),
}
REOPENED = {"statecode": 0, "statuscode": 1}  # *assumed*: no message reopens a deal


class _Close(_OfTable):
    """Deals are won and orders fulfilled by their messages, with the close's own date; each adds an activity, so none is sent twice.

    One that this run changed and that was closed otherwise before is reopened, closed anew, and loses our earlier close, all or nothing.
    One that somebody reopened since it was closed stays open.
    """

    _again: Mapping[str, list[str]] = {}

    @property
    def ending(self) -> Ending:
        return ENDINGS[self.name]

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        found = self._states_of(rows)
        return {row.row_id for row in rows if found.get(row.row_id, {}).get("statecode") == self.ending.state} - self._otherwise(
            rows, found
        )

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        found = self._states_of(rows) if rows else {}
        otherwise = self._otherwise(rows, found)
        self._again = self._closes(sorted(otherwise))
        before = [row.row_id for row in rows if row.row_id not in otherwise and not self._is_of_this_run(found.get(row.row_id, {}))]
        return dict.fromkeys(self._closes(before), "conflict.edited")

    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        ending = self.ending
        close = {name: row.values[name] for name in ending.values} | {
            "@odata.type": f"{NS}.{ending.activity}",
            f"{self.table.primary_id}@odata.bind": f"/{self.table.entity_set}({row.row_id})",
        }
        closing = Operation("POST", ending.message, {"Status": ending.status, ending.parameter: close})
        if row.row_id not in self._again:
            return closing
        activity = self.destination.table(ending.activity)
        earlier = [Operation("DELETE", f"{activity.entity_set}({close_id})") for close_id in self._again[row.row_id]]
        reopening = Operation("PATCH", f"{self.table.entity_set}({row.row_id})", REOPENED, {"If-Match": "*"})
        return (*earlier, reopening, closing)

    def _states_of(self, rows: Sequence[StagedRow]) -> dict[str, Mapping[str, Any]]:
        return self.read(rows, ["statecode", *self.ending.told, *self.destination.stamp(self.name, self.run_key)])

    def _is_of_this_run(self, there: Mapping[str, Any]) -> bool:
        return all(there.get(column) == value for column, value in self.destination.stamp(self.name, self.run_key).items())

    def _otherwise(self, rows: Sequence[StagedRow], found: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Rows that this run changed, and that were closed with another value before."""
        closed = [(row, there) for row in rows if (there := found.get(row.row_id, {})).get("statecode") == self.ending.state]
        return {row.row_id for row, there in closed if self._is_of_this_run(there) and self._differs(row, there)}

    def _differs(self, row: StagedRow, there: Mapping[str, Any]) -> bool:
        """Whether a closed row was closed with another value than it is to have now."""
        wanted = {column: row.values[name] for column, name in self.ending.told.items() if row.values[name] is not None}
        return any(not same(self.table.columns.get(column), value, there.get(column)) for column, value in wanted.items())

    def _closes(self, row_ids: Sequence[str]) -> dict[str, list[str]]:
        """Row id -> our own close activities, of those rows that have one."""
        if not row_ids:
            return {}
        activity, lookup = self.destination.table(self.ending.activity), f"_{self.table.primary_id}_value"
        found: dict[str, list[str]] = {}
        for part in batched(row_ids, MEMBERS_AT_ONCE):
            listed = ",".join(f'"{row_id}"' for row_id in part)
            wanted = f"{NS}.In(PropertyName='{self.table.primary_id}',PropertyValues=[{listed}])"
            select = [activity.primary_id, lookup, "_createdby_value"]
            for close in self.client.rows(activity.entity_set, select=select, filter=wanted):
                if str(close["_createdby_value"]).lower() in self.destination.user_ids:
                    found.setdefault(close[lookup].lower(), []).append(close[activity.primary_id])
        return found


class _Ties(_OfTable):
    """Lists tied to campaigns; the campaign says which lists it has."""

    outcome = "created"

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        campaigns = list(dict.fromkeys(row.values["campaign"] for row in rows))
        tied: set[tuple[str, str]] = set()
        for start in range(0, len(campaigns), BATCH):
            part = campaigns[start : start + BATCH]
            reads = [Operation("GET", f"campaigns({campaign})/campaignlist_association?$select=listid") for campaign in part]
            for campaign, outcome in zip(part, self.client.batch(reads, repeatable=True), strict=True):
                tied |= {(campaign, row["listid"].lower()) for row in (outcome.body or {}).get("value", ())}
        return {row.row_id for row in rows if (row.values["campaign"], row.values["list"]) in tied}

    def operation(self, row: StagedRow) -> Operation:
        body = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": row.values["campaign"]}}
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddItemCampaign", body)


class _Members(_OfTable):
    """Members added to lists, many at once; a refused call is taken apart member by member."""

    outcome = "created"

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        found: set[str] = set()
        for list_id, members in _by_list(rows).items():
            for part in parts(members, MEMBERS_AT_ONCE):
                ids = ",".join(f'"{row.values["member"]}"' for row in part)
                wanted = f"_listid_value eq {list_id} and {NS}.In(PropertyName='entityid',PropertyValues=[{ids}])"
                there = {row["_entityid_value"] for row in self.client.rows("listmembers", select=["_entityid_value"], filter=wanted)}
                found |= {row.row_id for row in part if row.values["member"] in there}
        return found

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        return [part for members in _by_list(rows).values() for part in parts(members, MEMBERS_AT_ONCE)]

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        members = [{"@odata.type": f"{NS}.{row.values['table']}", f"{row.values['table']}id": row.values["member"]} for row in rows]
        body = {"List": {"@odata.type": f"{NS}.list", "listid": rows[0].values["list"]}, "Members": members}
        try:
            self.client.post("AddListMembersList", body, repeatable=True)  # who is on the list stays on it once
        except DataverseRefused:
            return super().send(rows)
        return [(row, Outcome(204)) for row in rows]

    def operation(self, row: StagedRow) -> Operation:
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddMemberList", {"EntityId": row.values["member"]})


def _by_list(rows: Sequence[StagedRow]) -> dict[str, list[StagedRow]]:
    lists: dict[str, list[StagedRow]] = {}
    for row in rows:
        lists.setdefault(row.values["list"], []).append(row)
    return lists


MESSAGES: Mapping[str, Callable[[Destination, str, Client, str], Message]] = {
    Phase.Kind.STATES: _States,
    Phase.Kind.GONE: _States,
    Phase.Kind.PUBLISH: _Publish,
    Phase.Kind.CLOSE: _Close,
    Phase.Kind.TIES: _Ties,
    Phase.Kind.MEMBERS: _Members,
}
