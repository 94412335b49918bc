"""The crosswalk: which row a source id became. Ids are given in one insert-or-keep pass, before chunks exist."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from connectors.store import batched
from loads.models import Crosswalk, Run
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


def give(environment: Environment, object_name: str, proposed: Iterable[Given]) -> int:
    """Insert the proposed ids; one that was given before stays as it is. Returns how many were proposed."""
    count = 0
    for batch in batched(proposed, BATCH):
        rows = [_row(environment, object_name, given) for given in batch]
        Crosswalk.objects.bulk_create(rows, ignore_conflicts=True)
        count += len(rows)
    return count


def _row(environment: Environment, object_name: str, given: Given, **state: object) -> Crosswalk:
    return Crosswalk(
        environment=environment,
        object_name=object_name,
        source_id=given.source_id,
        table=given.table,
        role=given.role,
        row_id=UUID(given.row_id),
        origin=given.origin,
        alias=given.alias,
        **state,
    )


def follow(environment: Environment, object_name: str, moved: Iterable[Given]) -> None:
    """Point ids at another row: an alias follows its survivor, and a survivor takes over its cluster's row."""
    for batch in batched(moved, BATCH):
        rows = [_row(environment, object_name, given) for given in batch]
        Crosswalk.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["environment", "object_name", "source_id", "table", "role"],
            update_fields=["row_id", "alias", "origin"],
        )


def known(environment: Environment, object_name: str) -> Iterator[tuple]:
    """(source id, table, role, row id, alias, origin, state, applied hash) of every id of an object, streamed."""
    rows = Crosswalk.objects.filter(environment=environment, object_name=object_name)
    columns = ("source_id", "table", "role", "row_id", "alias", "origin", "state", "applied_hash")
    for row in rows.values_list(*columns).iterator(chunk_size=BATCH):
        yield (*row[:3], str(row[3]), *row[4:])


@transaction.atomic
def mark_present(run: Run, object_name: str, rows: Iterable[tuple[str, str, str, str, str, str]]) -> None:
    """Record that rows are at the destination: (source id, table, role, row id, origin, hash of what was applied)."""
    for batch in batched(rows, BATCH):
        present = [
            _row(
                run.environment,
                object_name,
                Given(source_id, table, row_id, role, origin),
                state=Crosswalk.State.PRESENT,
                applied_hash=applied,
                applied_run=run,
            )
            for source_id, table, role, row_id, origin, applied in batch
        ]
        Crosswalk.objects.bulk_create(
            present,
            update_conflicts=True,
            unique_fields=["environment", "object_name", "source_id", "table", "role"],
            update_fields=["state", "applied_hash", "applied_run"],
        )
