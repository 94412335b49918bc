"""Staged rows written: values merged into what is there already, hashed, and put into the table's file in order."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, cached_property, partial
from types import TracebackType
from typing import Any

import orjson

from connectors import store
from connectors.dataverse.metadata import Column, Table
from connectors.storable import storable
from loads import staged
from loads.destination import EDITED_ON, EDITOR, RUN_ID
from loads.models import Crosswalk
from loads.staging.conflicts import Conflicts, Settled
from loads.staging.context import StagingContext
from loads.staging.merging import Applied, changeable, read_key
from loads.verification import BIND, CURRENCY, column_name, same
from mapping.computed import number
from mapping.consent import consent_columns, stricter_values
from mapping.issues import Issue
from mapping.transforms import rounded

SAMPLES = 25
TARGET = "Microsoft.Dynamics.CRM.lookuplogicalname"  # says which table a lookup with several targets points at
STATE = ("statecode", "statuscode")
EXACT = 2**53
BATCH = 500  # rows that are read from the service together
GROUP = 2_000  # rows that are compressed together


@dataclass(slots=True)
class Draft:
    """A row before it is merged with what is at the destination.

    source: gives the source's values by column.
    always: values that are written into an existing row too, whatever it holds (stage lookups of a lead that became a contact).
    state: statecode and statuscode that the row gets once all rows are there.
    ending: the same of a row that a message closes; with another one the row counts as changed, so that it is closed anew.
    companions: columns that say something of another one's value, and go into an existing row only where that one does.
    former: the same row tied to the lead that its person was before; a row that was loaded so stays so, as the lead's history.
    fills: keys of bodies that the row's rules fill where the source says something. emptied: those of them that we filled and that it says
    nothing of any more; no part of what is meant, since only a row that is there has them.
    """

    row_id: str
    source_id: str
    position: int
    main_table: str
    origin: str
    present: bool
    applied_hash: str
    values: dict[str, Any]
    parents: list[str] = field(default_factory=list)
    lossy: list[str] = field(default_factory=list)
    source: Callable[[], Mapping[str, Any]] = dict
    always: dict[str, Any] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    state: tuple[int, int] | None = None
    ending: tuple[int, int] | None = None
    former: "Draft | None" = None
    fills: Collection[str] = ()
    emptied: Mapping[str, None] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """What a row that is there gets."""
        return {**self.values, **self.emptied}


class TableWriter:
    """Writes the drafts of one object and table; a context manager.

    A row that isn't there is a create. One whose hash is unchanged is equal, unless somebody is asked about it. One that we made and that
    changed is an update, or where a person edited it what was decided of the conflict; see `loads.staging.conflicts`. Into a row that was
    there before us go empty columns, those that hold what we filled them with, our own, stricter consent, and `always`.
    """

    def __init__(self, context: StagingContext, object_name: str, table_name: str, number: int = 0, *, samples: int = SAMPLES) -> None:
        """Open the staged file of a range of records. samples: about so many plain and so many lossy rows will be read back."""
        self.context, self.table = context, context.destination.table(table_name)
        self._file = store.ParquetFile(staged.part(context.run, object_name, table_name, number), staged.STAGED, batch=GROUP)
        self._drafts: list[Draft] = []
        self._conflicts = Conflicts(context, object_name, self.table)
        self._read_name = cache(partial(read_key, self.table))
        self._samples = samples
        self._plain = self._lossy = 0

    def __enter__(self) -> "TableWriter":
        self._file.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        except BaseException as failure:
            self._file.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._file.__exit__(kind, error, trace)

    def add(self, draft: Draft) -> None:
        """Take one draft."""
        self._drafts.append(draft)
        if len(self._drafts) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        drafts, self._drafts = [_as_applied(draft) for draft in self._drafts], []
        hashes = [_hash(draft) for draft in drafts]
        asked = self._conflicts.pending
        changing = [d for d, h in zip(drafts, hashes, strict=True) if _is_there(d) and (h != d.applied_hash or d.row_id in asked)]
        last = self._conflicts.last([draft.row_id for draft in changing]) if changing else {}
        for draft in changing:
            for one in filter(None, (draft, draft.former)):
                one.emptied = self._emptied(one, last.get(draft.row_id, Applied()))
        there = self._read(changing) if changing else {}
        drafts = [self._history(draft, there.get(draft.row_id)) or draft for draft in drafts]
        hashes = [_hash(draft) for draft in drafts] if there else hashes
        settled = self._conflicts.settle([draft for draft in drafts if draft.row_id in there], there, last) if there else {}
        for draft, applied in zip(drafts, hashes, strict=True):
            found = there.get(draft.row_id)
            known = settled.get(draft.row_id) or self._settled(draft, applied, found, last.get(draft.row_id, Applied()))
            self._write(draft, applied, found, known)

    def _emptied(self, draft: Draft, last: Applied) -> dict[str, None]:
        """The keys that we filled last and that the source says nothing of any more.

        Not what a person wrote and kept; and refusals of consent are never taken back.
        """
        if not last.meant:
            return {}
        filled = {name for name, value in last.there.items() if value not in (None, "") and value == last.meant[name]}
        given = {self._read_name(key) for key in (*draft.values, *draft.always)} | set(consent_columns(self.context.prefix))
        return {key: None for key in draft.fills if (name := self._read_name(key)) in filled and name not in given}

    def _read(self, drafts: Sequence[Draft]) -> dict[str, dict[str, Any]]:
        """What the rows to be changed hold now, in the columns to be written."""
        bodies = [body for draft in drafts for one in (draft, draft.former) if one for body in (one.body, one.always)]
        asked = {key for body in bodies for key in read_keys(self.table, changeable(self.table, body))}
        keys = asked | {EDITOR, EDITED_ON, *self._beside} | ({CURRENCY} if asked & self._amounts.keys() else set())
        client = self.context.destination.client
        ids = [draft.row_id for draft in drafts]
        rows = client.retrieve(self.table.entity_set, self.table.primary_id, ids, sorted(keys), annotations=TARGET)
        return {row[self.table.primary_id].lower(): row for row in rows}

    def _history(self, draft: Draft, there: Mapping[str, Any] | None) -> Draft | None:
        """The draft tied to the lead that its person was, where the row is; else None."""
        former = draft.former
        if former is None or there is None:
            return None
        leads = {parent.partition(":")[2] for parent in former.parents if parent.startswith("lead:")}
        return former if any(str(there.get(key)).lower() in leads for key in read_keys(self.table, former.values)) else None

    def _write(self, draft: Draft, applied: str, there: Mapping[str, Any] | None, settled: Settled) -> None:
        action, values = settled.action, settled.values
        source = draft.source() if action in ("create", "update") else {}
        before = self._before(values, there) if there is not None else None
        self._file.add(
            draft.row_id,
            draft.source_id,
            draft.position,
            draft.role,
            draft.main_table,
            action,
            draft.origin,
            orjson.dumps(values),
            draft.parents,
            there.get("@odata.etag") if there else None,
            orjson.dumps(before) if before is not None else None,
            applied,
            draft.lossy,
            _literal(source, values),
            draft.state,
            self._sample(draft, source) if action in ("create", "update") else None,
            orjson.dumps(settled.left) if settled.left else None,
        )

    @cached_property
    def _beside(self) -> list[str]:
        """Columns that the load changes beside those that it writes: the state, later on, and the run's own mark."""
        return [name for name in (*STATE, self.context.destination.own(RUN_ID)) if name in self.table.columns]

    def _before(self, values: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
        """What the columns to be written hold, for a rollback to put back; lookups with the table that they point at."""
        before = {key: there.get(key) for key in (*read_keys(self.table, values), *self._beside)}
        return before | {f"{key}@{TARGET}": there[f"{key}@{TARGET}"] for key in before if there.get(f"{key}@{TARGET}")}

    def _settled(self, draft: Draft, applied: str, there: Mapping[str, Any] | None, last: Applied) -> Settled:
        """What becomes of a row that isn't ours and changed. One that vanished since it was looked for is an update, which is refused."""
        values = {**draft.body, **draft.always}
        if not _is_there(draft):
            return Settled("create", values)
        if applied == draft.applied_hash:
            return Settled("equal", values)
        return Settled("update", changeable(self.table, values) if there is None else self._merged(draft, there, last))

    def _merged(self, draft: Draft, there: Mapping[str, Any], last: Applied) -> dict[str, Any]:
        """What may be written into a row that was there before us, as it is."""
        writable = changeable(self.table, draft.body)
        writable |= self._in_currency_of(there, writable, draft)
        refusals = {key: writable[key] for key in consent_columns(self.context.prefix) if key in writable}
        own = f"{self.context.prefix}_"
        merged = {
            key: value
            for key, value in writable.items()
            if key not in refusals and key != f"ownerid{BIND}" and (key.startswith(own) or self._is_free(key, there, last))
        }
        for column, other in draft.companions.items():
            if other not in merged:
                merged.pop(column, None)
        return {**merged, **stricter_values(refusals, there), **draft.always}

    @cached_property
    def _amounts(self) -> dict[str, Column]:
        """The columns that keep as many decimals as their row's currency has."""
        return {name: column for name, column in self.table.columns.items() if column.by_currency}

    def _in_currency_of(self, there: Mapping[str, Any], values: Mapping[str, Any], draft: Draft) -> dict[str, float]:
        """Amounts with the decimals of the currency that a row has already; the draft says which of them lose by it."""
        base, decimals = self.context.decimals(), self.context.destination.decimals.get(str(there.get(CURRENCY) or "").lower())
        if decimals is None or decimals == base:
            return {}
        source, found = draft.source(), dict[str, float]()
        for name, column in self._amounts.items():
            if values.get(name) is not None:
                found[name], is_less = _rounded(values[name], source.get(name), replace(column, precision=base), decimals)
                draft.lossy = sorted({*draft.lossy, name}) if is_less else draft.lossy
        return found

    def _is_free(self, key: str, there: Mapping[str, Any], last: Applied) -> bool:
        """Whether a column is empty, or holds what we filled it with."""
        name = read_key(self.table, key)
        found = there.get(name)
        return found in (None, "") or (name in last.there and same(self.table.columns.get(column_name(name)), last.there[name], found))

    def _sample(self, draft: Draft, source: Mapping[str, Any]) -> bytes | None:
        """The source values of a row that will be read back: some plain ones and some with losses."""
        if self.context.run.is_sample:
            chosen = True  # whatever is left of it in the end is looked at
        elif draft.lossy:
            self._lossy += 1
            chosen = self._lossy <= self._samples
        else:
            self._plain += 1
            chosen = self._plain <= self._samples
        return orjson.dumps({key: _shown(value) for key, value in source.items()}) if chosen else None


class LateWriter:
    """Writes what is done with rows of a table once they are there, such as closing them; a context manager."""

    def __init__(self, context: StagingContext, object_name: str, table_name: str, kind: str, number: int = 0) -> None:
        """Open the staged file of a range of records. kind: of Phase.Kind, neither rows nor states."""
        self._file = store.ParquetFile(staged.part(context.run, object_name, staged.kind_of(table_name, kind), number), staged.STAGED)

    def __enter__(self) -> "LateWriter":
        self._file.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.__exit__(kind, error, trace)

    def add(
        self,
        row_id: str,
        source_id: str,
        position: int,
        main_table: str,
        values: Mapping[str, Any],
        parents: Sequence[str],
        role: str = "",
        origin: str = Crosswalk.Origin.MATCHED,
    ) -> None:
        """One thing to do. values: what the phase's kind needs. parents: "table:row id" of what must be there beside the row.

        origin: `created` where the run makes the row itself, so that there is nothing to put back.
        """
        body = orjson.dumps(values)
        self._file.add(
            row_id, source_id, position, role, main_table, "update", origin, body, list(parents),
            None, None, "", [], [], None, None, None,
        )  # fmt: skip


def _rounded(value: Any, source: Any, column: Column, decimals: int) -> tuple[float, bool]:
    """An amount as a column keeps it, with so many decimals instead, and whether that is less than was meant.

    source: the number itself, unless something else was taken in its place.
    """
    whole = number(source)
    if whole is None or rounded(whole, column)[0] != value:
        whole = Decimal(str(value))
    kept, issue = rounded(whole, replace(column, precision=decimals))
    return kept, issue is not None


def lossy_columns(issues: Iterable[Issue], sources: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """The columns that hold less than the source said, or nothing: by what is told of their fields, or of themselves if a rule fills them.

    sources: column -> field.
    """
    lossy = {issue.field for issue in issues if issue.severity == "loss"}
    return sorted({column for column, source in sources.items() if source in lossy} | (lossy & values.keys()))


def _literal(source: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Columns that hold the source's value as it is, be it as a number or as the same text."""
    return [name for name, raw in source.items() if name in values and (raw == values[name] or str(raw) == str(values[name]))]


def _shown(value: Any) -> Any:
    """A source value as the field diff shows it; what a signature's canonical JSON has no form for is shown as text."""
    if value is None or isinstance(value, bool) or (isinstance(value, (int, float)) and abs(value) < EXACT):
        return value
    return storable(str(value)[:500])


def _as_applied(draft: Draft) -> Draft:
    """The draft, or the one tied to the former lead where that is what was applied."""
    if draft.former is None or _hash(draft) == draft.applied_hash:
        return draft
    return draft.former if _hash(draft.former) == draft.applied_hash else draft


def _is_there(draft: Draft) -> bool:
    return draft.present or draft.origin == Crosswalk.Origin.MATCHED


def _hash(draft: Draft) -> str:
    """SHA-1 over what is meant, so that an unchanged row is told without reading the destination."""
    meant = [draft.values, draft.always, *([draft.ending] if draft.ending else [])]
    text = orjson.dumps(meant, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def read_keys(table: Table, values: Mapping[str, Any]) -> list[str]:
    """The columns of a body as they are read: `_column_value` for lookups."""
    return [read_key(table, key) for key in values]
