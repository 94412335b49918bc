"""What is done with rows once they are there, by the service's messages: lists tied and filled, products published, deals closed, states.

How they are sent stands in `loads.carrying_out`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Column
from connectors.http import ServerFailed
from connectors.store import batched
from loads.destination import Destination
from loads.endings import ENDINGS, NAME, Ending
from loads.membership import Left, Members, Ties
from loads.messaging import Message, OfTable, Values
from loads.models import Crosswalk, Phase
from loads.staged import StagedRow, looked_up_to
from loads.verification import same
from loads.writer import ON_SALE, RETIRED, UNDER_REVISION, answered, parts

STATES_AT_ONCE, ASKED_AT_ONCE = 100, 500
# Of products: in which states publishing is done, by whether the source sells them, and why those in others' hands aren't published.
DONE_AT = {True: (ON_SALE["statecode"],), False: (ON_SALE["statecode"], RETIRED)}
THEIRS = {RETIRED: "conflict.retired", UNDER_REVISION["statecode"]: "conflict.under_revision"}
LINES = ("opportunityproduct", "salesorderdetail")  # they take products that are on sale only


def message_of(phase: Phase, destination: Destination, client: Client | None = None) -> Message:
    """The message that a phase's kind needs. client: of the application user that sends it, else the first one."""
    return MESSAGES[phase.kind](destination, phase.table, client or destination.client, phase.run.key)


class States(OfTable):
    """States by UpdateMultiple, which takes statecode as an update of one row does (*assumed*); a refused call is taken apart.

    A row that somebody else changed last keeps the state that it has. Rows that this run didn't make are changed one by one, in the version
    that was looked at: people may have them open.
    """

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The state and its reason."""
        return {name: row.values[name] for name in self.columns}

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Rows whose state is somebody else's."""
        return dict.fromkeys((row.row_id for row in rows if self.is_changed_by_others(row)), "conflict.edited")

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return list(parts(rows, STATES_AT_ONCE))

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        made = [row for row in rows if row.origin == Crosswalk.Origin.CREATED]
        others = [row for row in rows if row.origin != Crosswalk.Origin.CREATED]
        return self._send_together(made) + (super().send(others) if others else [])

    def _send_together(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        if not rows or "Update" not in self.table.bulk:
            return super().send(rows)
        targets = [{self.table.primary_id: row.row_id, **row.values} for row in rows]
        try:
            self.client.update_multiple(self.table.name, self.table.entity_set, targets)
        except (DataverseRefused, ServerFailed):
            return super().send(rows)
        return [(row, Outcome(204)) for row in rows]

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", dict(row.values), self.as_seen(row))


class Gone(States):
    """Rows whose source records are gone: deactivated, and opted out where the person is to be forgotten; sent as states are.

    What people edited of them is looked at when they are staged, and again when they are changed: the run may have waited in between.
    """

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Rows to be deactivated that somebody edited since. Who is to be forgotten is opted out in them nonetheless."""
        edited = [row for row in rows if "statecode" in row.values and self.is_changed_by_others(row)]
        refusals = [row for row in edited if _refusals(row)]
        lost = {row.row_id for row, outcome in answered(self.client, refusals, self._refusing) if not outcome.ok}
        return {row.row_id: "consent.not_written" if row.row_id in lost else "conflict.edited" for row in edited}

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row; a refusal alone is written whatever anybody did to the row meanwhile."""
        return super().operation(row) if "statecode" in row.values else self._refusing(row)

    def _refusing(self, row: StagedRow) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", _refusals(row), {"If-Match": "*"})

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Of each row what is changed of it."""
        names = {row.row_id: row.values.keys() for row in rows}
        found = self.look(rows, sorted({name for each in names.values() for name in each}))
        return {row_id: {name: values[name] for name in names[row_id]} for row_id, values in found.items()}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """All that is changed."""
        return row.values


def _refusals(row: StagedRow) -> dict[str, Any]:
    return {name: value for name, value in row.values.items() if name not in States.columns}


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
        """Whether that is what is wanted, and no line waits for the product."""
        return super().is_done(row, found) and row.row_id not in self._named

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """One of the states in which publishing is done: the one that is there, if it is one of them."""
        first, *others = DONE_AT[row.values["for_sale"]]
        return {"statecode": found["statecode"] if found.get("statecode") in others else first}

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Products that others retired or have under revision."""
        found = self.look(rows, ["statecode"]) if rows else {}
        theirs = [row for row in rows if row.row_id in found and not (row.values["ours"] and not self.is_changed_by_others(row))]
        return {row.row_id: THEIRS[state] for row in theirs if (state := found[row.row_id]["statecode"]) in THEIRS}

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", ON_SALE, self.as_seen(row))


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
        more = (*self.ending.told, *self._stamp)
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

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is read of the rows that exist, with the values of a close activity: of the one that is as it is to be, if there is one."""
        found = self.read(rows)
        for row in rows:
            if row.row_id in found:
                closes = [self._named(close) for close in found[row.row_id][CLOSES].values()]
                close = next((one for one in closes if not self._differs(self._of_close(row), one)), closes[-1] if closes else {})
                found[row.row_id] = {**found[row.row_id], **close}
        return found

    @cached_property
    def types(self) -> Mapping[str, Column]:  # type: ignore[override]
        """The table's columns, and those of the close activity by their names with the table's before them."""
        return {**self.table.columns, **self._named(self.destination.table(self.ending.activity).columns)}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The state; of a row that this run changed, which is closed by this run or as this run would, also all that the close sets."""
        if not self._is_of_this_run(found):
            return {"statecode": self.ending.state}
        return {"statecode": self.ending.state, "statuscode": self.ending.status, **self._told(row), **self._of_close(row)}

    def _told(self, row: StagedRow) -> Values:
        """What the row is to hold once it is closed."""
        return {column: value for column, name in self.ending.told.items() if (value := row.values.get(name)) is not None}

    def _as_closed(self, row: StagedRow) -> Values:
        """What the service makes the row hold: the day is that of the close's moment, in a zone of its own."""
        return {**self._told(row), **({self.ending.day: row.values["actualend"][:10]} if self.ending.day else {})}

    def _of_close(self, row: StagedRow) -> Values:
        """What the close activity is to hold, but for its name, for which a deal isn't closed anew."""
        return self._named({name: row.values[name] for name in self.ending.values if name != NAME and row.values[name] is not None})

    def _named(self, of_activity: Mapping[str, Any]) -> Mapping[str, Any]:
        return {f"{self.ending.activity}.{name}": value for name, value in of_activity.items()}

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
        """Those that are closed as is wanted, once the day of those that we closed is."""
        ours = self._closes([row.row_id for row in rows])
        self._mend([row for row in rows if row.row_id in ours])
        return super().present(rows)

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        sent = super().send(rows)
        refused = self._mend([row for row, outcome in sent if outcome.ok])
        return [(row, refused.get(row.row_id, outcome)) for row, outcome in sent]

    def _mend(self, rows: Sequence[StagedRow]) -> dict[str, Outcome]:
        """Put the day right of closed rows that have another; row id -> why it isn't taken."""
        day = self.ending.day
        wanted = {row.row_id: self._told(row)[day] for row in rows if day in self._told(row)}
        found = self.look([row for row in rows if row.row_id in wanted], ("statecode", day)) if wanted else {}
        closed = {key: there[day] for key, there in found.items() if there["statecode"] == self.ending.state}
        shifted = [row for row in rows if row.row_id in closed and not same(self.types.get(day), wanted[row.row_id], closed[row.row_id])]
        sent = answered(self.client, shifted, lambda row: self._on_day(row, wanted[row.row_id], self.as_seen(row)))
        return {row.row_id: outcome for row, outcome in sent if not outcome.ok}

    def _on_day(self, row: StagedRow, day: str, version: Mapping[str, str]) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", {self.ending.day: day}, version)

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
        return (*earlier, Operation("PATCH", f"{self.table.entity_set}({row.row_id})", values, self.as_seen(row)))

    def _is_of_this_run(self, there: Values) -> bool:
        return all(there.get(column) == value for column, value in self._stamp.items())

    def _is_otherwise(self, row: StagedRow, there: Values) -> bool:
        """Whether this run changed the row, and it was closed with another value, or on another day, before."""
        is_closed = there.get("statecode") == self.ending.state
        closed_so = (self._told(row), self._as_closed(row))
        return is_closed and self._is_of_this_run(there) and all(self._differs(wanted, there) for wanted in closed_so)

    def _differs(self, wanted: Values, there: Values) -> bool:
        return any(not same(self.types.get(column), value, there.get(column)) for column, value in wanted.items())

    def _closes(self, row_ids: Sequence[str]) -> dict[str, list[str]]:
        """Row id -> our own close activities, of those rows that have one."""
        if not row_ids:
            return {}
        activity, lookup = self.destination.table(self.ending.activity), f"_{self.table.primary_id}_value"
        found: dict[str, list[str]] = {}
        for part in batched(row_ids, ASKED_AT_ONCE):
            listed = ",".join(f'"{row_id}"' for row_id in part)
            wanted = f"{NS}.In(PropertyName='{self.table.primary_id}',PropertyValues=[{listed}])"
            select = [activity.primary_id, lookup, "_createdby_value"]
            for close in self.client.rows(activity.entity_set, select=select, filter=wanted):
                if str(close["_createdby_value"]).lower() in self.destination.user_ids:
                    found.setdefault(close[lookup].lower(), []).append(close[activity.primary_id])
        return found


MESSAGES: Mapping[str, Callable[[Destination, str, Client, str], Message]] = {
    Phase.Kind.STATES: States,
    Phase.Kind.GONE: Gone,
    Phase.Kind.PUBLISH: Publish,
    Phase.Kind.CLOSE: Close,
    Phase.Kind.TIES: Ties,
    Phase.Kind.MEMBERS: Members,
    Phase.Kind.LEFT: Left,
}
