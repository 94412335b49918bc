"""What every message is that does something with rows once they are there: it reads, compares, and sends only what is missing."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import Column, Table
from connectors.http import ServerFailed
from loads.delta.models import KEEP
from loads.destination import EDITOR, Destination
from loads.staged import StagedRow
from loads.tuning import BATCH, RowsPerCall, rows_per_call
from loads.writer import answered, parts
from workbench.engagements.errors import Retryable

Values = Mapping[str, Any]


Decided = Mapping[str, Mapping[str, Values]]  # row id -> column -> what was decided, see `loads.delta.conflicts.decided`
NOTHING: Decided = MappingProxyType({})


class Seen(NamedTuple):
    """A row as it was looked at. version: its etag. editor: the user who changed it last."""

    version: str
    editor: str


class Message(Protocol):
    """One kind of thing to do with rows."""

    outcome: str
    outcome_of_barred: str
    decided: Decided

    @property
    def size(self) -> RowsPerCall:
        """How many rows go in a call."""

    def ends(self, row: StagedRow) -> tuple[str, ...]:
        """Ids of the rows that something is done with."""

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Row id -> what the service holds now of what is changed, of the rows that exist."""

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""

    def did(self, row: StagedRow, before: Values, found: Values) -> bool:
        """Whether what is found is what this message made of what was there before, and nobody else's doing since."""

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Row ids of those for which it is done already, read from the service."""

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Row id -> what the service holds now and who changed it last, of those of which there is anything to be read back."""

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """What is to be found of a row after the message, by column; found: what the service holds."""

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """What of it somebody may decide about column by column, where somebody else's edit keeps it from being done."""

    @property
    def types(self) -> Mapping[str, Column]:
        """The columns that `wanted` speaks of, as far as they have a type."""

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Row id -> reason code of those for which it must not be done, though it isn't done yet. They were read just before."""

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""


def done(message: Message, rows: Sequence[StagedRow], found: Mapping[str, Values]) -> set[str]:
    """Row ids of those for which it is done already, by what was read."""
    return {row.row_id for row in rows if row.row_id in found and message.is_done(row, found[row.row_id])}


class OfTable(ABC):
    """What messages on rows of one table share."""

    outcome = "updated"
    outcome_of_barred = "refused"
    columns: tuple[str, ...] = ("statecode", "statuscode")
    kind = ""  # of its calls, whose size is learned by it; of its phases, as a rule
    first = BATCH  # rows of a call to begin with
    as_one = False  # whether what is decided about one of its columns holds for all

    def __init__(self, destination: Destination, table: str, client: Client, run_key: str = "", decided: Decided = NOTHING) -> None:
        """table: whose rows it is about. client: of the application user that sends it. run_key: of the run that does it.

        decided: about rows that somebody edited.
        """
        self.destination, self.client, self.name, self.run_key, self.decided = destination, client, table, run_key, decided
        self.seen: dict[str, Seen] = {}  # by row id
        self.held: dict[str, Values] = {}  # the same: what was read last

    @property
    def table(self) -> Table:
        """The table's metadata."""
        return self.destination.table(self.name)

    @property
    def size(self) -> RowsPerCall:
        """How many rows go in a call."""
        return rows_per_call(self.client.base_url, self.name, self.kind, self.first)

    def ends(self, row: StagedRow) -> tuple[str, ...]:
        """The row itself."""
        return (row.row_id,)

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        """The rows as they are sent together."""
        return list(parts(rows, self.size.size))

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """State and whatever else the message changes, of the rows that exist."""
        return self.look(rows, self.columns)

    def look(self, rows: Sequence[StagedRow], columns: Sequence[str]) -> dict[str, Values]:
        """Row id -> these columns, of the rows that exist. Their versions are noted: what is sent afterwards changes no other one."""
        found = self._noted(rows, columns)
        return {row_id: {name: row.get(name) for name in columns} for row_id, row in found.items()}

    def _noted(self, rows: Sequence[StagedRow], columns: Sequence[str], annotations: str | None = None) -> dict[str, dict[str, Any]]:
        """Row id -> the row as it was read, of the rows that exist, with its version and who changed it last noted."""
        table, select = self.table, dict.fromkeys((*columns, EDITOR))
        ids = [row.row_id for row in rows]
        read = self.client.retrieve(table.entity_set, table.primary_id, ids, [table.primary_id, *select], annotations=annotations)
        found = {row[table.primary_id].lower(): row for row in read}
        self.held |= found
        self.seen |= {row_id: Seen(str(row.get("@odata.etag") or "*"), str(row.get(EDITOR) or "").lower()) for row_id, row in found.items()}
        return found

    def as_seen(self, row: StagedRow) -> dict[str, str]:
        """The header by which a row is changed only in the version in which it was looked at last."""
        return {"If-Match": self.seen[row.row_id].version if row.row_id in self.seen else "*"}

    def is_changed_by_others(self, row: StagedRow) -> bool:
        """Whether somebody else changed the row last, as it was looked at last."""
        return row.row_id in self.seen and self.seen[row.row_id].editor not in self.destination.user_ids

    @property
    def types(self) -> Mapping[str, Column]:
        """The table's columns."""
        return self.table.columns

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What the message changes and who changed it last, of the rows that exist."""
        return self.look(rows, (*self.columns, EDITOR))

    @abstractmethod
    def wanted(self, row: StagedRow, found: Values) -> Values:
        """What is to be found of a row after the message."""

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """Nothing, as a rule."""
        return {}

    def chosen(self, row: StagedRow, found: Values) -> Mapping[str, str]:
        """Column -> keep or overwrite, of what is disputed and was decided about just these values."""
        known = self.decided.get(row.row_id)
        if not known:
            return {}
        differing = {name: value for name, value in self.disputed(row, found).items() if found.get(name) != value}
        about = {name: known[name] for name in differing if name in known}
        choices = {name: one["choice"] for name, one in about.items() if (one["now"], one["new"]) == (found.get(name), differing[name])}
        return dict.fromkeys(differing, KEEP) if self.as_one and KEEP in choices.values() else choices

    def as_decided(self, row: StagedRow, wanted: Values, found: Values) -> dict[str, Any]:
        """What is wanted, and in columns that were to be kept what is found."""
        choices = self.chosen(row, found)
        return {name: found.get(name) if choices.get(name) == KEEP else value for name, value in wanted.items()}

    def may_overwrite(self, row: StagedRow, found: Values) -> bool:
        """Whether somebody decided about all of it, so that what they didn't keep is written over."""
        choices = self.chosen(row, found)
        return bool(choices) and all(name in choices or found.get(name) == value for name, value in self.disputed(row, found).items())

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """Whether that is what is wanted."""
        return all(found.get(name) == value for name, value in self.wanted(row, found).items())

    def did(self, row: StagedRow, before: Values, found: Values) -> bool:
        """Whether it is done, as a rule."""
        return self.is_done(row, found)

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        """Those for which it is done already."""
        return done(self, rows, self.read(rows))

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """None, as a rule."""
        return {}

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost, and Throttled where the service puts rows off for too long."""
        return answered(self.client, rows, self.operation, repeatable=False, size=self.size)

    def many(self, rows: list[StagedRow], call: Callable[[], object]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part by a call that takes many rows; one that is refused is taken apart. Raises as `send` does.

        Such a call may be carried out twice.
        """
        try:
            call()
        except (DataverseRefused, ServerFailed) as refused:
            if isinstance(refused, Retryable):
                self.size.failed(len(rows), self.client.governor.last_s)
            return answered(self.client, rows, self.operation, repeatable=False)
        except Retryable:
            self.size.failed(len(rows), self.client.governor.last_s)
            raise
        self.size.took(len(rows), self.client.governor.last_s)
        return [(row, Outcome(204)) for row in rows]

    @abstractmethod
    def operation(self, row: StagedRow) -> Operation | ChangeSet:
        """What a batch does for one row."""
