"""A sample that the plan has overtaken: told as outdated, and loaded again with the same records."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from connectors.store import batched
from loads.models import Run, VerifiedRow
from loads.runs import open_run
from mapping import plan
from workbench.engagements.models import Environment

AGAIN = "again"  # in the scope of a sample: the one whose records it loads again
AT_ONCE = 500


def newest(environment: Environment) -> Run | None:
    """The environment's last sample."""
    return Run.objects.filter(environment=environment, kind=Run.Kind.SAMPLE).order_by("-pk").first()


def outdated(run: Run) -> list[str]:
    """The parts of the plan that were confirmed otherwise since a run was opened; none while it isn't done."""
    if run.state != Run.State.DONE:
        return []
    now = plan.covers(plan.current(run.engagement).values())
    return [part for part, version in now.items() if run.parts.get(part, {}).get("sha256") != version["sha256"]]


def open_sample(environment: Environment, user: User) -> Run:
    """A sample; where the last one is outdated, of the same records again. Raises what `open_run` raises."""
    last = newest(environment)
    scope = {AGAIN: last.pk} if last and outdated(last) else {}
    return open_run(environment, user, kind=Run.Kind.SAMPLE, scope=scope)


def before(run: Run) -> Run | None:
    """The sample whose records this one loads again."""
    return Run.objects.filter(pk=run.scope.get(AGAIN), environment=run.environment).first() if run.is_sample else None


def with_before(run: Run, rows: Iterable[VerifiedRow]) -> Iterator[VerifiedRow]:
    """The rows, each of their fields with what the destination held `before`, where the run loads a sample again; see `VerifiedRow`."""
    earlier = [one.pk for one in _chain(run)]
    if not earlier:
        yield from rows
        return
    for together in batched(rows, AT_ONCE):
        held = _held(earlier, [row.row_id for row in together])
        for row in together:
            row.fields = [{**field, "before": held.get(row.row_id, {}).get(field["column"])} for field in row.fields]
            yield row


def _chain(run: Run) -> Iterator[Run]:
    """The samples before this one: what one of them found equal stands as an earlier one read it."""
    while earlier := before(run):
        yield earlier
        run = earlier


def _held(earlier: list[int], row_ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """Row id -> column -> what was found there when the row was read back last."""
    rows = VerifiedRow.objects.filter(run__in=earlier, row_id__in=row_ids).order_by("run_id")
    return {row.row_id: {field["column"]: field["found"] for field in row.fields} for row in rows}
