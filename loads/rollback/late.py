"""What a load did with rows once they were there, taken back: lookups, states, closings, links, members and ties of lists.

Of rows that this rollback removes, or that the load made and somebody keeps, nothing of it is taken back: it goes or stays with the row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from connectors import store
from connectors.dataverse.batch import ChangeSet
from connectors.dataverse.client import NS, Client, Operation, Outcome
from loads import staged
from loads.closing import CLOSES, Close
from loads.destination import Destination
from loads.membership import Associate, Left, Members, Ties
from loads.messages import Gone, Lookups, Publish, States, message_of
from loads.messaging import Message, OfTable, Values
from loads.models import Chunk, Phase, Run
from loads.rollback.rows import DRAFT, put_back
from loads.rollback.scope import Scope
from loads.rollback.verdicts import RESTORE, Verdict
from loads.staged import StagedRow
from loads.tuning import BATCH, RowsPerCall, rows_per_call


class LateJudge:
    """Judges what one late phase of a load did, by what was written down before it did it and by what the destination holds now."""

    def __init__(self, run: Run, phase: Phase, todo: Sequence[Phase], destination: Destination) -> None:
        """run: the rollback. phase: the load's. todo: all phases of the load that are taken back."""
        self.phase, self.message = phase, message_of(phase, destination)
        self._made = Made(Scope.of(run.scope), [one for one in todo if one.kind == Phase.Kind.ROWS])
        # Products that were put on sale for lines and retired again: what they were at first stands where they were published.
        published = [one for one in todo if (one.table, one.kind) == (phase.table, Phase.Kind.PUBLISH) and phase.kind == Phase.Kind.STATES]
        self._at_first = {key: held for one in published for chunk in one.chunks.all() for key, held in _journal(one, chunk).items()}

    def judge(self, chunk: Chunk, rows: Sequence[StagedRow]) -> Iterator[Verdict]:
        """A verdict on each row for which the load did something."""
        made = self._made.among({row_id for row in rows for row_id in self.message.ends(row)})
        left = [row for row in rows if not made & set(self.message.ends(row))]
        before, now = {**_journal(self.phase, chunk), **self._at_first}, self.message.read(left) if left else {}
        for row in left:
            held, holds = before.get(row.row_id), now.get(row.row_id)
            if holds is None or holds == held or (held is not None and self.message.is_done(row, held)):
                continue  # it isn't there, it was never done, or it was done before the load
            if held is None:
                if self.message.did(row, {}, holds):
                    yield Verdict.keep(row, "rollback.before_unknown")
            elif not self.message.did(row, held, holds) or len(closes_since(held, holds)) > 1:
                yield Verdict.keep(row, "rollback.edited")
            elif self.phase.kind == Phase.Kind.PUBLISH and held["statecode"] == DRAFT:
                yield Verdict.keep(row, "rollback.published")
            else:
                yield Verdict(row, RESTORE, dict(row.values), held)


def closes_since(before: Values, now: Values) -> list[str]:
    """Ids of the close activities that a row has got; the load added one, a second one is somebody else's."""
    return sorted(set(now.get(CLOSES, ())) - set(before.get(CLOSES, ())))


class Made:
    """Rows that the load made and that are taken back in this rollback."""

    def __init__(self, scope: Scope, phases: Sequence[Phase]) -> None:
        """phases: of rows."""
        self._records = set(scope.records)
        self._paths: dict[str, list[str]] = {}
        for phase in phases:
            self._paths.setdefault(phase.object_name, []).extend(map(str, staged.rows_of(phase)))

    def among(self, ids: set[str]) -> set[str]:
        """Those of the ids."""
        found: set[str] = set()
        with store.reader() as con:
            for name, paths in self._paths.items():
                if paths:
                    query = "SELECT row_id, source_id FROM read_parquet(?) WHERE action = 'create' AND row_id IN (SELECT unnest(?))"
                    rows = con.execute(query, [paths, list(ids)]).fetchall()
                    found |= {row_id for row_id, source_id in rows if not self._records or (name, source_id) in self._records}
        return found


def _journal(phase: Phase, chunk: Chunk) -> dict[str, Values]:
    paths = staged.journals(phase, chunk.number)
    return {row["row_id"]: orjson.loads(row["before"]) for path in paths for row in store.read_rows(path)}


class _Back(OfTable):
    """Puts back what was there: the same reading as the message that changed it, the other way round.

    Between plan and deed people go on working: what isn't as the load left it any more is kept.
    """

    outcome = "restored"
    outcome_of_barred = "kept"
    first = BATCH  # row by row, whatever was done by a call for many
    _now: Mapping[str, Values] = {}

    @property
    def size(self) -> RowsPerCall:
        return rows_per_call(self.client.base_url, self.name, f"{self.kind} back", self.first)

    def is_done(self, row: StagedRow, found: Values) -> bool:
        return found == row.before

    def present(self, rows: Sequence[StagedRow]) -> set[str]:
        return OfTable.present(self, rows)

    def barred(self, rows: Sequence[StagedRow]) -> Mapping[str, str]:
        self._now = self.read(rows) if rows else {}
        return {row_id: "rollback.edited" for row in rows if (row_id := row.row_id) in self._now and not self._as_left(row)}

    def _as_left(self, row: StagedRow) -> bool:
        """Whether the row is as the load left it, by what the message says that did it."""
        return super().is_done(row, self._now[row.row_id])

    def send(self, rows: list[StagedRow]) -> list[tuple[StagedRow, Outcome]]:
        return OfTable.send(self, rows)

    def parts(self, rows: Sequence[StagedRow]) -> list[list[StagedRow]]:
        return OfTable.parts(self, rows)

    def operation(self, row: StagedRow) -> Operation:
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", row.before, self.as_seen(row))


class _StatesBack(_Back, States):
    """The state that the row had."""


class _GoneBack(_Back, Gone):
    """The state and the consent that the row had."""


class _LookupsBack(_Back, Lookups):
    """The rows that the lookups led to, or none."""

    def _as_left(self, row: StagedRow) -> bool:
        return self.did(row, row.before or {}, self._now[row.row_id])

    def operation(self, row: StagedRow) -> Operation:
        before, body = row.before or {}, dict[str, Any]()
        for key, _ in row.values["binds"].values():
            body |= put_back(self.destination, self.table, key, before)
        return Operation("PATCH", f"{self.table.entity_set}({row.row_id})", body, self.as_seen(row))


class _PublishBack(_Back, Publish):
    """A product that was under revision is so again; its own values, put back afterwards, end the revision."""


class _CloseBack(_Back, Close):
    """Deals and orders are opened again (*assumed*: by an update of the state), and the close activity that we added is removed.

    Those that were closed before, and that the load closed anew, are closed as they were.
    """

    def is_done(self, row: StagedRow, found: Values) -> bool:
        """A close that was made again has another id than before."""
        return _without_ids(found) == _without_ids(row.before or {})

    def _as_left(self, row: StagedRow) -> bool:
        return super()._as_left(row) and len(closes_since(row.before or {}, self._now[row.row_id])) <= 1

    def operation(self, row: StagedRow) -> ChangeSet:  # type: ignore[override]  # the others put back by one request
        before, now = row.before or {}, self._now.get(row.row_id, {})
        added, lost = closes_since(before, now), closes_since(now, before)
        gone = added if len(added) == 1 else []
        if lost and self.how.is_closed(before):
            closing = self.closing(row, self.how.ending(before), before[CLOSES][lost[-1]], lost[-1])
            return (*self.reopening(row, gone), closing, *self._day_before(row))
        return self.reopening(row, gone, {name: value for name, value in before.items() if name != CLOSES})

    def _day_before(self, row: StagedRow) -> ChangeSet:
        """The day that a close had, which another zone than the service's may have given it."""
        day = (row.before or {}).get(self.how.day)
        return (self._on_day(row, day, {"If-Match": "*"}),) if day else ()  # by then the change set has changed the version itself


def _without_ids(found: Values) -> dict[str, Any]:
    return {**found, CLOSES: sorted(map(repr, found.get(CLOSES, {}).values()))}


class _AssociateBack(_Back, Associate):
    """Rows that aren't linked any more."""

    def operation(self, row: StagedRow) -> Operation:
        return self.unlinking(row)


class _TiesBack(_AssociateBack, Ties):
    """Lists untied from campaigns (*assumed*: by the link, since the message for it isn't among the Web API's actions)."""


class _MembersBack(_Back, Members):
    """Members taken from lists."""

    def operation(self, row: StagedRow) -> Operation:
        return Operation("POST", f"lists({row.values['list']})/{NS}.RemoveMemberList", {"EntityId": row.values["member"]})


class _LeftBack(_Back, Left):
    """Members put on lists again; the service takes us for the one who added them, as it did before."""

    def operation(self, row: StagedRow) -> Operation:
        return Operation("POST", f"lists({row.values['list']})/{NS}.AddMemberList", {"EntityId": row.values["member"]})


BACK: Mapping[str, Callable[[Destination, str, Client, str], Message]] = {
    Phase.Kind.STATES: _StatesBack,
    Phase.Kind.LOOKUPS: _LookupsBack,
    Phase.Kind.GONE: _GoneBack,
    Phase.Kind.PUBLISH: _PublishBack,
    Phase.Kind.CLOSE: _CloseBack,
    Phase.Kind.LINKS: _AssociateBack,
    Phase.Kind.TIES: _TiesBack,
    Phase.Kind.MEMBERS: _MembersBack,
    Phase.Kind.LEFT: _LeftBack,
}


def back_of(phase: Phase, destination: Destination, client: Client | None = None) -> Message:
    """What takes back what a late phase did. phase: the rollback's. client: of the application user that sends it, else the first one."""
    return BACK[phase.kind](destination, phase.table, client or destination.client, phase.run.load.key)
