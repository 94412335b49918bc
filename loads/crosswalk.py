"""The crosswalk: which row a source id became. Staging decides on ids that were given before, so one once given stays."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from connectors.store import batched
from loads.models import Crosswalk, Run
from mapping import plan
from workbench.engagements.models import Environment

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Given:
    """An id that staging proposes. `alias` ids are further ids and keys of the same cluster; they share the row."""

    source_id: str
    table: str
    row_id: str
    role: str = ""
    origin: str = Crosswalk.Origin.CREATED
    alias: bool = False
    current: bool = True


def follow(environment: Environment, object_name: str, decided: Iterable[Given], beat: Callable[[], None] = lambda: None) -> None:
    """Insert ids or point them at the row that staging decided: an alias follows its survivor, a survivor may take over a row.

    What was known of the row an id pointed at before is forgotten with it.
    """
    table = Crosswalk._meta.db_table
    unknown = {"state": f"'{Crosswalk.State.PLANNED.value}'", "applied_hash": "''", "applied_run_id": "NULL"}
    moved = f"excluded.row_id <> {table}.row_id"
    resets = [f"{column} = CASE WHEN {moved} THEN {value} ELSE {table}.{column} END" for column, value in unknown.items()]
    conflict = ", ".join([_replacing("row_id", "alias", "origin", "current"), *resets])
    _insert((_values(environment, object_name, given) for given in decided), conflict, beat)


KEY = ("environment_id", "object_name", "source_id", "table", "role")
# Column -> its type in PostgreSQL; those of the key first.
COLUMNS: Mapping[str, str] = {
    "environment_id": "bigint", "object_name": "text", "source_id": "text", "table": "text", "role": "text",
    "row_id": "uuid", "alias": "boolean", "origin": "text", "state": "text", "current": "boolean",
    "applied_hash": "text", "applied_run_id": "bigint",
}  # fmt: skip


def _values(
    environment: Environment,
    object_name: str,
    given: Given,
    state: str = Crosswalk.State.PLANNED,
    applied_hash: str = "",
    run_id: int | None = None,
) -> tuple:
    row_id = UUID(given.row_id)
    row = row_id if connection.features.has_native_uuid_field else row_id.hex
    return (
        environment.pk, object_name, given.source_id, given.table, given.role,
        row, given.alias, str(given.origin), str(state), given.current, applied_hash, run_id,
    )  # fmt: skip


def _replacing(*columns: str) -> str:
    return "DO UPDATE SET " + ", ".join(f'"{column}" = excluded."{column}"' for column in columns)


def _insert(rows: Iterable[tuple], conflict: str, beat: Callable[[], None] = lambda: None) -> None:
    """Insert many rows, a transaction per batch. Plain SQL: building model instances took four times the CPU."""
    quoted = ", ".join(f'"{column}"' for column in COLUMNS)
    key = ", ".join(f'"{column}"' for column in KEY)
    one, all_at_once = ", ".join(["%s"] * len(COLUMNS)), ", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())
    from_arrays = connection.vendor == "postgresql"  # where each statement has its cost, of one row or of thousands
    source = f"SELECT * FROM unnest({all_at_once})" if from_arrays else f"VALUES ({one})"  # noqa: S608 - names of our own
    statement = f"INSERT INTO {Crosswalk._meta.db_table} ({quoted}) {source} ON CONFLICT ({key}) {conflict}"
    for batch in batched(rows, BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            if from_arrays:
                once = {row[: len(KEY)]: row for row in batch}  # a statement may not meet a key twice; the last one stands
                cursor.execute(statement, [list(values) for values in zip(*once.values(), strict=True)])
            else:
                cursor.executemany(statement, batch)
        beat()


def keeps(run: Run, object_name: str) -> bool:
    """Whether an object's rows stand in the crosswalk; where nothing looks up to them, the run's staged files say what is there."""
    return object_name in _kept(run.key)


@lru_cache(maxsize=64)  # the maps of a run are frozen, and each phase asks
def _kept(run_key: str) -> frozenset[str]:
    """The objects whose rows stand in the crosswalk. run_key: which nothing else ever has."""
    run = Run.objects.select_related("engagement").get(key=run_key)
    objects = plan.content_of(run.engagement, {"maps": run.parts["maps"]})["maps"]["objects"]
    return frozenset(name for name, content in objects.items() if content["record"]["crosswalk"])


def known(environment: Environment, object_name: str) -> Iterator[tuple]:
    """(source id, table, role, row id, alias, origin, state, applied hash) of every id of an object, streamed."""
    rows = Crosswalk.objects.filter(environment=environment, object_name=object_name)
    columns = ("source_id", "table", "role", "row_id", "alias", "origin", "state", "applied_hash")
    for row in rows.values_list(*columns).iterator(chunk_size=BATCH):
        yield (*row[:3], str(row[3]), *row[4:])


def mark_present(run: Run, object_name: str, rows: Iterable[tuple[str, str, str, str, str, str]]) -> None:
    """Record that rows are at the destination: (source id, table, role, row id, origin, hash of what was applied)."""
    present = (
        _values(run.environment, object_name, Given(source_id, table, row_id, role, origin), Crosswalk.State.PRESENT, applied, run.pk)
        for source_id, table, role, row_id, origin, applied in rows
    )
    _insert(present, _replacing("state", "applied_hash", "applied_run_id"))


def mark_removed(environment: Environment, object_name: str, table: str, row_ids: Sequence[str]) -> None:
    """Record that rows are gone again, or are as they were before we knew them. Their ids stay those of their records."""
    _mark(environment, object_name, table, row_ids, state=Crosswalk.State.REMOVED, applied_hash="", applied_run=None)


def mark_kept(environment: Environment, object_name: str, table: str, row_ids: Sequence[str]) -> None:
    """Record that rows stay at the destination since people have a hand in them."""
    _mark(environment, object_name, table, row_ids, state=Crosswalk.State.KEPT)


def mark_applied(environment: Environment, object_name: str, table: str, run: Run, rows: Sequence[tuple[str, str]]) -> None:
    """Record that rows hold again what a run wrote: (row id, hash of what was applied)."""
    by_hash: dict[str, list[str]] = {}
    for row_id, applied in rows:
        by_hash.setdefault(applied, []).append(row_id)
    for applied, row_ids in by_hash.items():
        _mark(environment, object_name, table, row_ids, state=Crosswalk.State.PRESENT, applied_hash=applied, applied_run=run)


def _mark(environment: Environment, object_name: str, table: str, row_ids: Sequence[str], **values: Any) -> None:
    for start in range(0, len(row_ids), 500):
        some = row_ids[start : start + 500]
        named = Crosswalk.objects.filter(environment=environment, table=table, row_id__in=some, object_name=object_name, alias=False)
        named.update(**values)
