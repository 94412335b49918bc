"""Deals are won or lost, and orders fulfilled, by the service's messages; what people did to them meanwhile is left to them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import NS, Operation, Outcome
from connectors.dataverse.metadata import Column
from connectors.store import batched
from loads.delta.models import KEEP
from loads.destination import EDITOR
from loads.endings import CLOSINGS, NAME, OPEN, Closing, Ending
from loads.messaging import OfTable, Values
from loads.models import Phase
from loads.staged import StagedRow
from loads.verification import CURRENCY, column_name, same
from loads.writer import answered

ASKED_AT_ONCE = 500
CLOSES = "closes"  # a row's close activities, id -> its values, beside the columns that are read of the row
REOPENED = {"statecode": 0, "statuscode": 1}  # *assumed*: no message reopens a deal


class Close(OfTable):
    """Deals are won or lost and orders fulfilled by their messages, with the close's own date.

    Each adds an activity, so none is sent twice. Which ending a row has its values say, see `Closing.ending`. The day is read back, and put
    right where the service took another (*assumed*: a closed deal takes it).
    One that this run changed and that was closed otherwise before is reopened, closed anew, and loses our earlier close, all or nothing.
    One that somebody reopened since it was closed stays open, and one that somebody closed stays as it is, unless somebody decided
    otherwise.
    """

    kind = Phase.Kind.CLOSE
    as_one = True
    _again: Mapping[str, Sequence[str]] = {}

    @property
    def how(self) -> Closing:
        """How rows of this table are closed."""
        return CLOSINGS[self.name]

    def ending(self, row: StagedRow) -> Ending:
        """How a row is closed."""
        return self.how.ending(row.values)

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """What it changes, and the run's own mark, by which it is known whether this run changed the row."""
        more = (*self.how.told, *self._stamp)
        return (*super().columns, *(name for name in more if name in self.table.columns))

    @property
    def _stamp(self) -> Mapping[str, str]:
        return self.destination.stamp(self.name, self.run_key)

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        return self._with_closes(self.look(rows, self.columns))

    def _with_closes(self, found: Mapping[str, Values], *more: str) -> dict[str, Values]:
        """Rows with their close activities. more: columns of those beside the ones that a close sets."""
        table, lookup = self.destination.table(self.how.activity), self.table.primary_id
        closes: dict[str, dict[str, Values]] = {row_id: {} for row_id in found}
        told = [*(name for name in self.how.values if name in table.columns), *more]
        for close in self.client.retrieve(table.entity_set, lookup, list(found), [table.primary_id, f"_{lookup}_value", *told]):
            closes[close[f"_{lookup}_value"].lower()][close[table.primary_id]] = {name: close.get(name) for name in told}
        return {row_id: {**values, CLOSES: closes[row_id]} for row_id, values in found.items()}

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is read of the rows that exist, with their currency and the values of a close activity.

        That is the one that is as it is to be, if there is one; where none is left, somebody else removed it.
        """
        currency = (CURRENCY,) if column_name(CURRENCY) in self.table.columns else ()
        found = self._with_closes(self.look(rows, (*self.columns, EDITOR, *currency)), EDITOR)
        for row in rows:
            if row.row_id in found:
                closes = [self._named(close) for close in found[row.row_id][CLOSES].values()] or [self._named({EDITOR: ""})]
                close = next((one for one in closes if not self._differs(self._of_close(row), one)), closes[-1])
                found[row.row_id] = {**found[row.row_id], **close}
        return found

    @cached_property
    def types(self) -> Mapping[str, Column]:  # type: ignore[override]
        """The table's columns, and those of the close activity by their names with the table's before them."""
        return {**self.table.columns, **self._named(self.destination.table(self.how.activity).columns)}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The state; of a row that this run changed, which is closed by this run or as this run would, also all that the close sets."""
        ending = self.ending(row)
        if self._is_kept(row, found):
            return {"statecode": found["statecode"]}
        if not self._is_of_this_run(found):
            return {"statecode": ending.state}
        return {"statecode": ending.state, "statuscode": ending.status, **self._told(row), **self._of_close(row)}

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """The state and its reason."""
        ending = self.ending(row)
        return {"statecode": ending.state, "statuscode": ending.status}

    def _is_kept(self, row: StagedRow, found: Values) -> bool:
        return KEEP in self.chosen(row, found).values()

    def _told(self, row: StagedRow) -> Values:
        """What the row is to hold once it is closed."""
        return {column: value for column, name in self.how.told.items() if (value := row.values.get(name)) is not None}

    def _as_closed(self, row: StagedRow) -> Values:
        """What the service makes the row hold: the day is that of the close's moment, in a zone of its own."""
        return {**self._told(row), **({self.how.day: row.values["actualend"][:10]} if self.how.day else {})}

    def _of_close(self, row: StagedRow) -> Values:
        """What the close activity is to hold, but for its name, for which a deal isn't closed anew."""
        return self._named({name: row.values[name] for name in self.how.values if name != NAME and row.values[name] is not None})

    def _named(self, of_activity: Mapping[str, Any]) -> Mapping[str, Any]:
        return {f"{self.how.activity}.{name}": value for name, value in of_activity.items()}

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        as_wanted = bool(found["statecode"] == self.ending(row).state) and not self._is_otherwise(row, found)
        return as_wanted or self._is_kept(row, found)

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Deals and orders that somebody reopened, or closed while the run loads; others that are closed otherwise are closed anew."""
        found = self.look(rows, self.columns) if rows else {}
        decided = {row.row_id for row in rows if self.may_overwrite(row, found.get(row.row_id, {}))}
        theirs = {row.row_id for row in rows if row.row_id in found and self._is_closed_by_others(row, found[row.row_id])} - decided
        otherwise = {row.row_id for row in rows if self._is_otherwise(row, found.get(row.row_id, {}))} - theirs | decided
        self._again = {**dict.fromkeys(decided, ()), **self._closes(sorted(otherwise))}
        before = [row.row_id for row in rows if row.row_id not in otherwise and not self._is_of_this_run(found.get(row.row_id, {}))]
        return dict.fromkeys({*self._closes(before), *theirs}, "conflict.edited")

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
        day = self.how.day
        wanted = {row.row_id: self._told(row)[day] for row in rows if day in self._told(row)}
        found = self.look([row for row in rows if row.row_id in wanted], ("statecode", day)) if wanted else {}
        ended = [row for row in rows if row.row_id in found and found[row.row_id]["statecode"] == self.ending(row).state]
        shifted = [row for row in ended if not same(self.types.get(day), wanted[row.row_id], found[row.row_id][day])]
        sent = answered(self.client, shifted, lambda row: self._on_day(row, wanted[row.row_id], self.as_seen(row)))
        return {row.row_id: outcome for row, outcome in sent if not outcome.ok}

    def _on_day(self, row: StagedRow, day: str, version: Mapping[str, str]) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", {self.how.day: day}, version)

    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        """What a batch does for one row."""
        closing = self.closing(row, self.ending(row), row.values)
        return (*self.reopening(row, self._again[row.row_id]), closing) if row.row_id in self._again else closing

    def closing(self, row: StagedRow, ending: Ending, values: Values, close_id: str = "") -> Operation:
        """The message that closes a row. values: of its close activity. close_id: the id that this is to have (*assumed* to be taken)."""
        given = {self.destination.table(self.how.activity).primary_id: close_id} if close_id else {}
        close = (
            {name: values[name] for name in self.how.values}
            | given
            | {
                "@odata.type": f"{NS}.{self.how.activity}",
                f"{self.table.primary_id}@odata.bind": f"/{self.table.entity_set}({row.row_id})",
            }
        )
        return Operation("POST", ending.message, {"Status": ending.status, self.how.parameter: close})

    def reopening(self, row: StagedRow, closes: Sequence[str], values: Values = REOPENED) -> ChangeSet:
        """What opens a row again, without these of its close activities. values: what is written into it."""
        activity = self.destination.table(self.how.activity)
        earlier = [Operation("DELETE", f"{activity.entity_set}({close_id})") for close_id in closes]
        return (*earlier, Operation("PATCH", f"{self.table.entity_set}({row.row_id})", values, self.as_seen(row)))

    def _is_closed_by_others(self, row: StagedRow, there: Values) -> bool:
        """Whether somebody else closed a row."""
        return bool(there["statecode"] != OPEN and self.is_changed_by_others(row))

    def _is_of_this_run(self, there: Values) -> bool:
        return all(there.get(column) == value for column, value in self._stamp.items())

    def _is_otherwise(self, row: StagedRow, there: Values) -> bool:
        """Whether this run changed the row, and it was closed with another ending, with another value, or on another day, before."""
        if not (self.how.is_closed(there) and self._is_of_this_run(there)):
            return False
        ending, closed_so = self.ending(row), (self._told(row), self._as_closed(row))
        ended_otherwise = (there["statecode"], there["statuscode"]) != (ending.state, ending.status)
        return ended_otherwise or all(self._differs(wanted, there) for wanted in closed_so)

    def _differs(self, wanted: Values, there: Values) -> bool:
        return any(not same(self.types.get(column), value, there.get(column)) for column, value in wanted.items())

    def _closes(self, row_ids: Sequence[str]) -> dict[str, list[str]]:
        """Row id -> our own close activities, of those rows that have one."""
        if not row_ids:
            return {}
        activity, lookup = self.destination.table(self.how.activity), f"_{self.table.primary_id}_value"
        found: dict[str, list[str]] = {}
        for part in batched(row_ids, ASKED_AT_ONCE):
            listed = ",".join(f'"{row_id}"' for row_id in part)
            wanted = f"{NS}.In(PropertyName='{self.table.primary_id}',PropertyValues=[{listed}])"
            select = [activity.primary_id, lookup, "_createdby_value"]
            for close in self.client.rows(activity.entity_set, select=select, filter=wanted):
                if str(close["_createdby_value"]).lower() in self.destination.user_ids:
                    found.setdefault(close[lookup].lower(), []).append(close[activity.primary_id])
        return found
