"""Rows that a load wrote, as they stand now: to be removed, restored, or kept since somebody else has to do with them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Column, Table
from loads.destination import EDITOR, RUN_ID, Destination
from loads.models import Phase, Run
from loads.reasons import reason
from loads.rollback.hanging import Standing, look_under
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE, Verdict
from loads.staged import StagedRow
from loads.staging.rows import STATE, TARGET
from loads.verification import BIND, ReadBack, column_name, same
from loads.writer import ON_SALE

DRAFT = 2  # statecode of a product; from no other state does a way lead back to it
LOOKUPS = ("Lookup", "Customer", "Owner")
Reason = dict[str, str]


def runs_of(load: Run) -> dict[str, str]:
    """Key of each run of the load's environment -> its name."""
    return {run.key: str(run) for run in Run.objects.filter(environment=load.environment).select_related("environment__engagement")}


class RowJudge:
    """Judges rows of one phase of a load by what the destination holds now."""

    def __init__(self, phase: Phase, destination: Destination, client: Client, runs: Mapping[str, str]) -> None:
        """phase: the load's. client: of the application user that reads. runs: key of each run of the environment -> its name."""
        self.phase, self.destination, self.client, self.runs = phase, destination, client, runs
        self.table: Table = destination.table(phase.table)
        self.key = phase.run.key
        own = destination.own(RUN_ID)
        self.mark = own if own in self.table.columns else None
        self._back = ReadBack(client, self.table, {})

    def judge(self, rows: Sequence[StagedRow], standing: Standing) -> Iterator[Verdict]:
        """A verdict on each row that is there and that the load wrote."""
        found = self.read(rows)
        written = [row for row in rows if row.row_id in found and not self._untouched(row, found[row.row_id])]
        whys = {row.row_id: self.touched(row, found[row.row_id]) for row in written}
        made = [row.row_id for row in written if row.action == "create" and whys[row.row_id] is None]
        under = look_under(self.destination, self.client, self.phase.table, made, standing) if made else None
        for row in written:
            why, etag = whys[row.row_id], found[row.row_id].get("@odata.etag")
            if why is not None:
                yield Verdict(row, KEEP, why)
            elif row.action == "update":
                yield self._restoring(row, etag)
            elif under and row.row_id in under.others:
                yield Verdict.keep(row, "rollback.built_upon", under.words(row.row_id))
            else:
                yield Verdict(row, REMOVE, dict(under.followers.get(row.row_id, {})) if under else {}, etag=etag)

    def read(self, rows: Sequence[StagedRow]) -> dict[str, Mapping[str, Any]]:
        """Row id -> what it holds in the columns that the load wrote, its version and who changed it last, of the rows that exist."""
        select = {key for row in rows for key in self._back.meant(row)} | {EDITOR}
        select |= {name for name in (*STATE, self.mark) if name and name in self.table.columns}
        table = self.table
        read = self.client.retrieve(table.entity_set, table.primary_id, [row.row_id for row in rows], sorted(select))
        return {row[table.primary_id].lower(): row for row in read}

    def _untouched(self, row: StagedRow, found: Mapping[str, Any]) -> bool:
        """Whether the load never came to write the row: it was stopped before."""
        before = (row.before or {}).get(self.mark or "")
        return row.action == "update" and self.mark is not None and found.get(self.mark) == before != self.key

    def touched(self, row: StagedRow, found: Mapping[str, Any]) -> Reason | None:
        """Why the row is somebody else's by now: a later run wrote it, or a person did.

        A person's hand is told by who changed the row last, or by a written column that holds something else. A lookup that was emptied
        while we are the last who changed the row lost its target: the service empties it when that is removed.
        """
        if self.mark and (by := found.get(self.mark)) != self.key:
            later = self.runs.get(str(by))
            return reason("rollback.later_run", detail=later) if later else reason("rollback.edited", detail=self.mark)
        ours = str(found.get(EDITOR) or "").lower() in self.destination.user_ids
        columns = [column_name(key) for key, value in self._back.meant(row).items() if self._differs(key, value, found.get(key), ours)]
        return None if ours and not columns else reason("rollback.edited", detail=", ".join(columns))

    def _differs(self, key: str, wanted: Any, found: Any, ours: bool) -> bool:
        column = self._back.column(column_name(key))
        if ours and found is None and column is not None and column.kind in LOOKUPS:
            return False
        return not same(column, wanted, found)

    def _restoring(self, row: StagedRow, etag: str | None) -> Verdict:
        if row.before is None or (self.mark and self.mark not in row.before):
            return Verdict.keep(row, "rollback.before_unknown")
        before = {key: value for key, value in row.before.items() if "@" not in key}
        if self.phase.table == "product" and before.get("statecode") == DRAFT:
            before |= ON_SALE
        body = {key: before[key] for key in (*STATE, self.mark) if key in before}
        for key in row.values:
            body |= put_back(self.destination, self.table, key, row.before)
        return Verdict(row, RESTORE, body, before, etag)


def put_back(destination: Destination, table: Table, key: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a body that gives a written column what it held; a lookup by the property of the table that it pointed at."""
    if not key.endswith(BIND):
        return {key: before.get(key)}
    navigation = key.removesuffix(BIND)
    column = next(column for column in table.columns.values() if navigation in column.navigation.values())
    held = f"_{column.name}_value"
    if before.get(held) is None:
        return {navigation: None}
    target = before.get(f"{held}@{TARGET}") or _only_target(column, navigation)
    return {f"{column.navigation[target]}{BIND}": destination.address(target, before[held])}


def _only_target(column: Column, navigation: str) -> str:
    return next(target for target, name in column.navigation.items() if name == navigation)


def holds(table: Table, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a row holds what it held before."""
    return all(same(table.columns.get(column_name(key)), value, found.get(key)) for key, value in wanted.items())
