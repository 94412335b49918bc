"""What is done with rows once they are there, by the service's messages: states, late lookups, products published.

Deals are closed by `loads.closing`, links and lists' members are those of `loads.membership`; all are sent by `loads.carrying_out`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from connectors.dataverse.client import Client, Operation, Outcome
from loads import tuning
from loads.closing import Close
from loads.delta import conflicts
from loads.delta.models import KEEP
from loads.destination import EDITOR, Destination
from loads.flight import asking
from loads.membership import Associate, Left, Members, Ties
from loads.messaging import Decided, Message, OfTable, Values
from loads.models import Crosswalk, Phase
from loads.staged import StagedRow, looked_up_to
from loads.staging.rows import TARGET
from loads.tuning import BATCH, rows_per_call
from loads.writer import ON_SALE, RETIRED, UNDER_REVISION, answered, parts

# Of products: in which states publishing is done, by whether the source sells them, and why those in others' hands aren't published.
DONE_AT = {True: (ON_SALE["statecode"],), False: (ON_SALE["statecode"], RETIRED)}
THEIRS = {RETIRED: "conflict.retired", UNDER_REVISION["statecode"]: "conflict.under_revision"}
LINES = ("opportunityproduct", "salesorderdetail")  # they take products that are on sale only


def message_of(phase: Phase, destination: Destination, client: Client | None = None, decided: Decided | None = None) -> Message:
    """The message that a phase's kind needs. client: of the application user that sends it, else the first one.

    decided: about edited rows, where it is read already; else it is read here.
    """
    known = conflicts.decided(phase) if decided is None else decided
    return MESSAGES[phase.kind](destination, phase.table, client or destination.client, phase.run.key, known)


class States(OfTable):
    """States by UpdateMultiple, which takes statecode as an update of one row does (*assumed*); a refused call is taken apart.

    A row that somebody else changed last keeps the state that it has, unless somebody decided otherwise. Rows that this run didn't make
    are changed one by one, in the version that was looked at: people may have them open.
    """

    kind = Phase.Kind.STATES
    as_one = True

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The state and its reason."""
        return self.as_decided(row, self.disputed(row, found), found)

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """The same, whatever was decided."""
        return {name: row.values[name] for name in self.columns}

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Rows whose state is somebody else's."""
        theirs = (row for row in rows if self.is_changed_by_others(row) and not self.may_overwrite(row, self.held.get(row.row_id, {})))
        return dict.fromkeys((row.row_id for row in theirs), "conflict.edited")

    @property
    def first(self) -> int:  # type: ignore[override]
        """As many as are created in a call, where there is a message for many."""
        return tuning.first(self.table)[0] if "Update" in self.table.bulk else BATCH

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """Send one part. Raises OutcomeUnknown where the answer got lost."""
        if "Update" not in self.table.bulk:
            return super().send(rows)
        made = [row for row in rows if row.origin == Crosswalk.Origin.CREATED]
        return self._send_together(made) + self._send_singly([row for row in rows if row.origin != Crosswalk.Origin.CREATED])

    def _send_together(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        if not rows:
            return []
        targets = [{self.table.primary_id: row.row_id, **self.body(row)} for row in rows]
        return self.many(rows, lambda: self.client.update_multiple(self.table.name, self.table.entity_set, targets))

    def _send_singly(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        """In batches of a size of their own: how long they take says nothing of calls that take many rows."""
        size = rows_per_call(self.client.base_url, self.name, f"{self.kind} singly")
        batches = (answered(self.client, part, self.operation, repeatable=False, size=size) for part in parts(rows, size.size))
        return [sent for batch in batches for sent in batch]

    def body(self, row: StagedRow) -> Values:
        """What is written."""
        return row.values

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", dict(self.body(row)), self.as_seen(row))


class Lookups(States):
    """Lookups to rows that came later in the load, sent as states are.

    values: {"ids": column as it is read -> row id, "binds": the same column -> [property, address], "last": what an earlier run set columns
    to, "ours": whether the row is one that we made}. What somebody else put there stays: silently where the source still says what it
    said then, and where the row was found there; else the row is refused, for a person to decide about.
    """

    kind = Phase.Kind.LOOKUPS
    as_one = False
    _found: Mapping[str, Values] = {}  # by row id, what was read last

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Of each row its lookups, those that lead somewhere with the table that they lead to."""
        self._found = self._of_each(rows)
        return dict(self._found)

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """The same, and who changed the row last."""
        return self._of_each(rows, EDITOR)

    def _of_each(self, rows: Sequence[StagedRow], *more: str) -> dict[str, Values]:
        wanted = {row.row_id: row.values["ids"].keys() for row in rows}
        found = self._noted(rows, [*more, *sorted({name for names in wanted.values() for name in names})], annotations=TARGET)
        return {row_id: {**_with_targets(row, wanted[row_id]), **{name: row.get(name) for name in more}} for row_id, row in found.items()}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """The ids, but for what stays as it is."""
        staying = {name: found.get(name) for name in _staying(row, found)}
        return self.as_decided(row, row.values["ids"], found) | staying

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """The ids of what doesn't stay by itself."""
        staying = _staying(row, found)
        return {name: row_id for name, row_id in row.values["ids"].items() if name not in staying}

    def did(self, row: StagedRow, before: Values, found: Values) -> bool:
        """Whether all is found that this made of what was there."""
        return all(found.get(name) == row_id for name, row_id in self.wanted(row, before).items())

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        """Rows of ours that somebody else changed last, or of which somebody set a lookup that the source changed too."""
        ours = [row for row in rows if row.values["ours"] and not self.may_overwrite(row, self._found.get(row.row_id, {}))]
        changed = [row.row_id for row in ours if row.row_id in self._found and self._is_on_both_sides(row, self._found[row.row_id])]
        return {**super().barred(ours), **dict.fromkeys(changed, "conflict.edited")}

    def _is_on_both_sides(self, row: StagedRow, found: Values) -> bool:
        wanted, last = self.wanted(row, found), row.values["last"]
        return any(found.get(name) not in (row_id, last.get(name)) for name, row_id in wanted.items())

    def body(self, row: StagedRow) -> Values:
        """What is written: all but what stays, by what was read last."""
        found = self._found.get(row.row_id, {})
        stays = _staying(row, found) | {name for name, choice in self.chosen(row, found).items() if choice == KEEP}
        return {key: address for name, (key, address) in row.values["binds"].items() if name not in stays}


def _staying(row: StagedRow, found: Values) -> set[str]:
    """Lookups that are somebody else's: of rows that we made where the source says nothing new, of others where they aren't empty."""
    ids, last, theirs = row.values["ids"], row.values["last"], set[str]()
    for name, row_id in ids.items():
        there = found.get(name)
        if there != last.get(name) and (name in last and last[name] == row_id if row.values["ours"] else there is not None):
            theirs.add(name)
    return theirs


def _with_targets(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """These lookups of a row, in lower case, with the tables that they lead to."""
    found = {name: row[name].lower() if row.get(name) else None for name in names}
    return found | {f"{name}@{TARGET}": row.get(f"{name}@{TARGET}") for name, row_id in found.items() if row_id}


class Gone(States):
    """Rows whose source records are gone: deactivated, and opted out where the person is to be forgotten; sent as states are.

    What people edited of them is looked at when they are staged, and again when they are changed: the run may have waited in between.
    """

    kind = Phase.Kind.GONE

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
        return self._of_each(rows)

    def there(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """Of each row what is changed of it, and who changed it last."""
        return self._of_each(rows, EDITOR)

    def _of_each(self, rows: Sequence[StagedRow], *more: str) -> dict[str, Values]:
        names = {row.row_id: (*row.values, *more) for row in rows}
        found = self.look(rows, sorted({name for each in names.values() for name in each}))
        return {row_id: {name: values[name] for name in names[row_id]} for row_id, values in found.items()}

    def wanted(self, row: StagedRow, found: Values) -> Values:
        """All that is changed."""
        return row.values

    def disputed(self, row: StagedRow, found: Values) -> Values:
        """Nothing: the row is listed with those that no record stands for any more."""
        return {}


def _refusals(row: StagedRow) -> dict[str, Any]:
    return {name: value for name, value in row.values.items() if name not in States.columns}


class Publish(OfTable):
    """Products go on sale: drafts, and those that an earlier run retired and that the source sells again or new lines name. Others stay so.

    What others retired or have under revision is theirs; our own revisions end in the change set that begins them.
    Each by its state: PublishProductHierarchy is for families alone (learn.microsoft.com/dynamics365/sales/developer,
    publish-revise-revert-retire-activate-products). values: {"for_sale": by the source, "ours": whether the row is one that we made,
    "again": whether somebody said that it goes on sale again though others retired it}.
    """

    kind = Phase.Kind.PUBLISH
    _named: frozenset[str] = frozenset()  # retired ones that the source doesn't sell, and that lines to be made name nonetheless

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Values]:
        """What is there now, by row id."""
        found = super().read(rows)
        unsold = [row.row_id for row in rows if row.row_id in found and not row.values.get("for_sale", True)]
        retired = [row_id for row_id in unsold if found[row_id]["statecode"] == RETIRED]
        with asking():
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
        states = {row.row_id: found[row.row_id]["statecode"] for row in theirs}
        again = {row.row_id for row in theirs if row.values.get("again") and states[row.row_id] == RETIRED}
        return {row_id: THEIRS[state] for row_id, state in states.items() if state in THEIRS and row_id not in again}

    def operation(self, row: StagedRow) -> Operation:
        """What a batch does for one row."""
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", ON_SALE, self.as_seen(row))


MESSAGES: Mapping[str, Callable[[Destination, str, Client, str, Decided], Message]] = {
    Phase.Kind.STATES: States,
    Phase.Kind.LOOKUPS: Lookups,
    Phase.Kind.GONE: Gone,
    Phase.Kind.PUBLISH: Publish,
    Phase.Kind.CLOSE: Close,
    Phase.Kind.LINKS: Associate,
    Phase.Kind.TIES: Ties,
    Phase.Kind.MEMBERS: Members,
    Phase.Kind.LEFT: Left,
}
