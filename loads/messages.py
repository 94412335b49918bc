"""What is done with rows once they are there, by the service's messages: lists tied and filled, products published, deals closed, states.

How they are sent stands in `loads.carrying_out`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Table
from connectors.store import batched
from loads.destination import EDITOR, Destination
from loads.endings import ENDINGS, Ending
from loads.models import Phase
from loads.staged import StagedRow, looked_up_to
from loads.verification import same
from loads.writer import ON_SALE, RETIRED, UNDER_REVISION, parts

BATCH, MEMBERS_AT_ONCE, STATES_AT_ONCE = 50, 500, 100
# Of products: in which states publishing is done, by whether the source sells them, and why those in others' hands aren't published.
DONE_AT = {True: (ON_SALE["statecode"],), False: (ON_SALE["statecode"], RETIRED)}
THEIRS = {RETIRED: "conflict.retired", UNDER_REVISION["statecode"]: "conflict.under_revision"}
LINES = ("opportunityproduct", "salesorderdetail")  # they take products that are on sale only
Values = Mapping[str, Any]


class Message(Protocol):
    """One kind of thing to do with rows."""

    outcome: str

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Row id -> what the service holds now of what is changed, of the rows that exist."""

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""

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


def done(message: Message, rows: Sequence[StagedRow], found: Mapping[str, Values]) -> set[str]:
    """Row ids of those for which it is done already, by what was read."""
    return {row.row_id for row in rows if row.row_id in found and message.is_done(row, found[row.row_id])}


class OfTable(ABC):
    """What messages on rows of one table share."""

    outcome = "updated"
    columns: tuple[str, ...] = ("statecode", "statuscode")

    def __init__(self, destination: Destination, table: str, client: Client, run_key: str = "") -> None:
        """table: whose rows it is about. client: of the application user that sends it. run_key: of the run that does it."""
        self.destination, self.client, self.name, self.run_key = destination, client, table, run_key

    @property
    def table(self) -> Table:
        """The table's metadata."""
        return self.destination.table(self.name)

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return list(parts(rows, BATCH))

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """State and whatever else the message changes, of the rows that exist."""
        return self.look(rows, self.columns)

    def look(self, rows: Sequence[StagedRow], columns: Sequence[str]) -> dict[str, Values]:
        """Row id -> these columns, of the rows that exist."""
        table = self.table
        found = self.client.retrieve(table.entity_set, table.primary_id, [row.row_id for row in rows], [table.primary_id, *columns])
        return {row[table.primary_id].lower(): {name: row.get(name) for name in columns} for row in found}

    @abstractmethod
    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Those for which it is done already."""
        return done(self, rows, self.read(rows))

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """None, as a rule."""
        return {}

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        outcomes = self.client.batch([self.operation(row) for row in rows])
        return list(zip(rows, outcomes, strict=True))

    @abstractmethod
    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        """What a batch does for one row."""


class States(OfTable):
    """States by UpdateMultiple, which takes statecode as an update of one row does (*assumed*); a refused call is taken apart."""

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return all(found[name] == row.values[name] for name in self.columns)

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return list(parts(rows, STATES_AT_ONCE))

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        targets = [{self.table.primary_id: row.row_id, **row.values} for row in rows]
        try:
            self.client.update_multiple(self.table.name, self.table.entity_set, targets)
        except DataverseRefused:
            return super().send(rows)
        return [(row, Outcome(204)) for row in rows]

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", row.values, {"If-Match": "*"})


class Publish(OfTable):
    """Products go on sale: drafts, and those that an earlier run retired and that the source sells again or new lines name. Others stay so.

    What others retired or have under revision is theirs; our own revisions end in the change set that begins them.
    Each by its state: PublishProductHierarchy is for families alone (learn.microsoft.com/dynamics365/sales/developer,
    publish-revise-revert-retire-activate-products). values: {"for_sale": by the source, "ours": whether the row is one that we made}.
    """

    _named: frozenset[str] = frozenset()  # retired ones that the source doesn't sell, and that lines to be made name nonetheless

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        found = super().read(rows)
        unsold = [row.row_id for row in rows if row.row_id in found and not row.values.get("for_sale", True)]
        retired = [row_id for row_id in unsold if found[row_id]["statecode"] == RETIRED]
        self._named = looked_up_to(Phase.objects.filter(run__key=self.run_key, table__in=LINES), self.name, retired)
        return found

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return found["statecode"] in DONE_AT[row.values["for_sale"]] and row.row_id not in self._named

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Products that others retired or have under revision."""
        found = self.look(rows, ["statecode", EDITOR]) if rows else {}
        there = [(row, found[row.row_id]) for row in rows if row.row_id in found]
        theirs = [(row, product) for row, product in there if not (row.values["ours"] and self._is_our_edit(product))]
        return {row.row_id: THEIRS[state] for row, product in theirs if (state := product["statecode"]) in THEIRS}

    def _is_our_edit(self, product: Mapping[str, Any]) -> bool:
        return str(product.get(EDITOR)).lower() in self.destination.user_ids

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", ON_SALE, {"If-Match": "*"})


CLOSES = "closes"  # a row's close activities, id -> its values, beside the columns that are read of the row
REOPENED = {"statecode": 0, "statuscode": 1}  # *assumed*: no message reopens a deal


class Close(OfTable):
    """Deals are won and orders fulfilled by their messages, with the close's own date; each adds an activity, so none is sent twice.

    The day is read back, and put right where the service took another (*assumed*: a closed deal takes it).
    One that this run changed and that was closed otherwise before is reopened, closed anew, and loses our earlier close, all or nothing.
    One that somebody reopened since it was closed stays open.
    """

    _again: Mapping[str, list[str]] = {}

    @property
    def ending(self) -> Ending:
        """How rows of this table are closed."""
        return ENDINGS[self.name]

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """What it changes, and the run's own mark, by which it is known whether this run changed the row."""
        more = (*self.ending.settles, *self._stamp)
        return (*super().columns, *(name for name in more if name in self.table.columns))

    @property
    def _stamp(self) -> Mapping[str, str]:
        return self.destination.stamp(self.name, self.run_key)

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        found, table, lookup = super().read(rows), self.destination.table(self.ending.activity), self.table.primary_id
        closes: dict[str, dict[str, Values]] = {row_id: {} for row_id in found}
        told = [name for name in self.ending.values if name in table.columns]
        for close in self.client.retrieve(table.entity_set, lookup, list(found), [table.primary_id, f"_{lookup}_value", *told]):
            closes[close[f"_{lookup}_value"].lower()][close[table.primary_id]] = {name: close.get(name) for name in told}
        return {row_id: {**values, CLOSES: closes[row_id]} for row_id, values in found.items()}

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return bool(found["statecode"] == self.ending.state) and not self._is_otherwise(row, found)

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Deals and orders that somebody reopened; those that are closed otherwise are noted, to be closed anew."""
        found = self.look(rows, self.columns) if rows else {}
        otherwise = {row.row_id for row in rows if self._is_otherwise(row, found.get(row.row_id, {}))}
        self._again = self._closes(sorted(otherwise))
        before = [row.row_id for row in rows if row.row_id not in otherwise and not self._is_of_this_run(found.get(row.row_id, {}))]
        return dict.fromkeys(self._closes(before), "conflict.edited")

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Those that are closed as is wanted, once the day of those that are closed is."""
        self._mend(rows)
        return super().present(rows)

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        sent = super().send(rows)
        refused = self._mend([row for row, outcome in sent if outcome.ok])
        return [(row, refused.get(row.row_id, outcome)) for row, outcome in sent]

    def _mend(self, rows: Sequence[StagedRow]) -> dict[str, Outcome]:
        """Put the day right of closed rows that have another; row id -> why it isn't taken."""
        day, column = self.ending.day, self.table.columns.get(self.ending.day)
        wanted = {row.row_id: value for row in rows if (value := row.values.get(self.ending.told.get(day, "")))}
        found = self.look([row for row in rows if row.row_id in wanted], ("statecode", day)) if wanted else {}
        closed = {key: there[day] for key, there in found.items() if there["statecode"] == self.ending.state}
        shifted = [key for key, there in closed.items() if not same(column, wanted[key], there)]
        mending = [Operation("PATCH", f"{self.table.entity_set}({key})", {day: wanted[key]}, {"If-Match": "*"}) for key in shifted]
        outcomes = self.client.batch(mending, repeatable=True) if mending else ()
        return {key: outcome for key, outcome in zip(shifted, outcomes, strict=True) if not outcome.ok}

    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        """What a batch does for one row."""
        closing = self.closing(row, row.values)
        return (*self.reopening(row, self._again[row.row_id]), closing) if row.row_id in self._again else closing

    def closing(self, row: StagedRow, values: Values, close_id: str = "") -> Operation:
        """The message that closes a row. values: of its close activity. close_id: the id that this is to have (*assumed* to be taken)."""
        ending = self.ending
        given = {self.destination.table(ending.activity).primary_id: close_id} if close_id else {}
        close = (
            {name: values[name] for name in ending.values}
            | given
            | {
                "@odata.type": f"{NS}.{ending.activity}",
                f"{self.table.primary_id}@odata.bind": f"/{self.table.entity_set}({row.row_id})",
            }
        )
        return Operation("POST", ending.message, {"Status": ending.status, ending.parameter: close})

    def reopening(self, row: StagedRow, closes: Sequence[str], values: Values = REOPENED) -> ChangeSet:
        """What opens a row again, without these of its close activities. values: what is written into it."""
        activity = self.destination.table(self.ending.activity)
        earlier = [Operation("DELETE", f"{activity.entity_set}({close_id})") for close_id in closes]
        return (*earlier, Operation("PATCH", f"{self.table.entity_set}({row.row_id})", values, {"If-Match": "*"}))

    def _is_of_this_run(self, there: Values) -> bool:
        return all(there.get(column) == value for column, value in self._stamp.items())

    def _is_otherwise(self, row: StagedRow, there: Values) -> bool:
        """Whether this run changed the row, and it was closed with another value before."""
        is_closed = there.get("statecode") == self.ending.state
        return is_closed and self._is_of_this_run(there) and self._differs(row, there)

    def _differs(self, row: StagedRow, there: Mapping[str, Any]) -> bool:
        """Whether a closed row was closed with another value than it is to have now."""
        wanted = {column: value for column, name in self.ending.told.items() if (value := row.values.get(name)) is not None}
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


class Ties(OfTable):
    """Lists tied to campaigns; the campaign says which lists it has."""

    outcome = "created"

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        campaigns = list(dict.fromkeys(row.values["campaign"] for row in rows))
        tied: set[tuple[str, str]] = set()
        for start in range(0, len(campaigns), BATCH):
            part = campaigns[start : start + BATCH]
            reads = [Operation("GET", f"campaigns({campaign})/campaignlist_association?$select=listid") for campaign in part]
            for campaign, outcome in zip(part, self.client.batch(reads, repeatable=True), strict=True):
                tied |= {(campaign, row["listid"].lower()) for row in (outcome.body or {}).get("value", ())}
        return {row.row_id: {"there": (row.values["campaign"], row.values["list"]) in tied} for row in rows}

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return bool(found["there"])

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        body = {"Campaign": {"@odata.type": f"{NS}.campaign", "campaignid": row.values["campaign"]}}
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddItemCampaign", body)


class Members(OfTable):
    """Members added to lists, many at once; a refused call is taken apart member by member."""

    outcome = "created"

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        found: dict[str, Values] = {}
        for list_id, members in _by_list(rows).items():
            for part in parts(members, MEMBERS_AT_ONCE):
                ids = ",".join(f'"{row.values["member"]}"' for row in part)
                wanted = f"_listid_value eq {list_id} and {NS}.In(PropertyName='entityid',PropertyValues=[{ids}])"
                there = {row["_entityid_value"] for row in self.client.rows("listmembers", select=["_entityid_value"], filter=wanted)}
                found |= {row.row_id: {"there": row.values["member"] in there} for row in part}
        return found

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return bool(found["there"])

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return [part for members in _by_list(rows).values() for part in parts(members, MEMBERS_AT_ONCE)]

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        members = [{"@odata.type": f"{NS}.{row.values['table']}", f"{row.values['table']}id": row.values["member"]} for row in rows]
        body = {"List": {"@odata.type": f"{NS}.list", "listid": rows[0].values["list"]}, "Members": members}
        try:
            self.client.post("AddListMembersList", body, repeatable=True)  # who is on the list stays on it once
        except DataverseRefused:
            return super().send(rows)
        return [(row, Outcome(204)) for row in rows]

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddMemberList", {"EntityId": row.values["member"]})


def _by_list(rows: Sequence[StagedRow]) -> dict[str, list[StagedRow]]:
    lists: dict[str, list[StagedRow]] = {}
    for row in rows:
        lists.setdefault(row.values["list"], []).append(row)
    return lists


MESSAGES: Mapping[str, Callable[[Destination, str, Client, str], Message]] = {
    Phase.Kind.STATES: States,
    Phase.Kind.GONE: States,
    Phase.Kind.PUBLISH: Publish,
    Phase.Kind.CLOSE: Close,
    Phase.Kind.TIES: Ties,
    Phase.Kind.MEMBERS: Members,
}
