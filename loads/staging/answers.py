"""What somebody answered about the rows of single records in an environment; see `mapping.quality.remedies`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa
from django.db.models import QuerySet

from connectors.store import batched, fill
from loads import crosswalk
from loads.models import Crosswalk, LedgerEntry, Phase, Run
from mapping.models import Remedy
from mapping.quality.remedies import AGAIN, LEAVE, NAMES_DIFFER, NEW, RETIRED, SEVERAL_ROWS, SHARED_ROW, WHICH

BATCH = 500
# named: the row, "table:id", of ROW. fresh: no run has made the record's row since it was answered.
ANSWERS = pa.schema([("source_id", pa.string()), ("choice", pa.string()), ("named", pa.string()), ("fresh", pa.bool_())])
SEVERAL_SHOWN = 20  # rows that the reason of a record names


def load(con: duckdb.DuckDBPyConnection, run: Run, object_name: str) -> None:
    """Table `answers` (see ANSWERS): what was answered about rows of an object's records in the run's environment."""
    fill(con, "answers", ANSWERS, _answers(run, object_name))


def _answers(run: Run, object_name: str) -> Iterator[tuple[str, str, str, bool]]:
    for some in batched(_of(run, object_name).values_list("source_id", "choice", "value", "decided_at").iterator(), BATCH):
        once = {source_id: at for source_id, choice, _, at in some if choice in (AGAIN, NEW)}
        made = _made_since(run, object_name, once)
        yield from ((source_id, choice, row, source_id not in made) for source_id, choice, row, _ in some)


def _of(run: Run, object_name: str) -> "QuerySet[Remedy]":
    return Remedy.objects.filter(
        engagement=run.engagement_id, environment=run.environment.kind, object_name=object_name, question=WHICH
    ).order_by("source_id")


def left(run: Run, object_name: str, code: str) -> frozenset[str]:
    """Ids of the records whose rows are left as somebody has them: gone, or retired. code: the reason that was answered."""
    return frozenset(_of(run, object_name).filter(choice=LEAVE, code=code).values_list("source_id", flat=True))


def sold_again(run: Run, object_name: str) -> frozenset[str]:
    """Ids of the records whose products, which somebody retired, go on sale again: once, by the first run that gets to it."""
    asked = _of(run, object_name).filter(choice=AGAIN, code=RETIRED).values_list("source_id", "decided_at").iterator()
    found = set[str]()
    for some in batched(asked, BATCH):
        answered = dict(some)
        found |= answered.keys() - _balanced_since(run, object_name, Phase.Kind.PUBLISH, answered)
    return frozenset(found)


def _made_since(run: Run, object_name: str, answered: Mapping[str, datetime]) -> set[str]:
    """Those of records whose row a run made that was opened after they were answered about: what was asked for once is done."""
    if not answered:
        return set()
    if crosswalk.keeps(run, object_name):
        known = Crosswalk.objects.filter(
            environment=run.environment, object_name=object_name, source_id__in=list(answered), alias=False, applied_run__isnull=False
        )
        return {name for name, at in known.values_list("source_id", "applied_run__created_at") if at > answered[name]}
    return _balanced_since(run, object_name, Phase.Kind.ROWS, answered)


def _balanced_since(run: Run, object_name: str, kind: str, answered: Mapping[str, datetime]) -> set[str]:
    """Those of records with which a phase of this kind did what it does in a run that was opened after they were answered about."""
    done = Phase.objects.filter(run__environment=run.environment, object_name=object_name, kind=kind, state=Phase.State.BALANCED)
    phase = done.filter(undoes=None, run__created_at__gt=min(answered.values())).select_related("run").order_by("run_id").last()
    if phase is None:
        return set()
    held = LedgerEntry.objects.filter(run=phase.run_id, object_name=object_name, source_id__in=list(answered))
    return {name for name, at in answered.items() if phase.run.created_at > at} - set(held.values_list("source_id", flat=True))


def told(code: str, rows: Sequence[str], problem: str = "") -> str:
    """The detail of a reason: which rows at the destination it is about, "table:id", or which record stands for several; else the problem.

    rows: what staging found of either.
    """
    return ", ".join(rows[:SEVERAL_SHOWN]) if code in (SEVERAL_ROWS, SHARED_ROW, NAMES_DIFFER) else problem
