"""From a row at the destination back to the record that it was made of, and from a record to the runs that decided on it."""

from collections.abc import Iterator
from dataclasses import dataclass

from connectors import store
from loads import staged
from loads.models import Crosswalk, Phase, Run
from loads.staging import companies
from workbench.engagements.models import Environment

RUNS_BACK = 5  # further back nobody looks for a row that isn't in the crosswalk


@dataclass(frozen=True, slots=True)
class Source:
    """A source record by its object and id."""

    object_name: str
    source_id: str


def source_of(environment: Environment, table: str, row_id: str) -> Source | None:
    """The record that a row was made of, of merged ones the survivor; None where no run of the newest few wrote the row.

    By the crosswalk's index; of objects that the crosswalk leaves out, such as events, by the staged files of the newest runs.
    """
    kept = Crosswalk.objects.filter(environment=environment, table=table, row_id=row_id).order_by("alias", "-current", "pk").first()
    if kept is not None:
        return Source(kept.object_name, kept.source_id)
    runs = Run.objects.loads().filter(environment=environment).order_by("-pk")[:RUNS_BACK]
    phases = (
        Phase.objects.filter(run__in=list(runs), table=table, kind=Phase.Kind.ROWS).select_related("run__engagement").order_by("-run_id")
    )
    for phase in phases:
        if row := staged.find(phase, row_id):
            return Source(phase.object_name, row.source_id)
    return None


def survivor_of(environment: Environment, object_name: str, name: str) -> str | None:
    """The source id that another id or key of the same cluster, such as an e-mail address, stands for; None for unknown names."""
    named = Crosswalk.objects.filter(environment=environment, object_name=object_name)
    alias = named.filter(source_id__in={name, name.lower()}, alias=True).first()
    kept = named.filter(table=alias.table, row_id=alias.row_id, alias=False).first() if alias else None
    return kept.source_id if kept else None


def company_of(run: Run, position: int) -> str | None:
    """The source id of the company that staging gave the person at a position; None for none."""
    path = staged.folder(run) / companies.ASSIGNED
    if not path.exists():
        return None
    with store.reader() as con:
        found = con.execute("SELECT company FROM read_parquet(?) WHERE position = ?", [str(path), position]).fetchone()
    return found[0] if found else None


def runs_of(environment: Environment, object_name: str) -> Iterator[Run]:
    """The newest runs that staged an object's records, the latest first."""
    runs = Run.objects.loads().filter(environment=environment).select_related("engagement", "environment__connection").order_by("-pk")
    yield from (run for run in runs.defer("environment__connection__secret")[:RUNS_BACK] if object_name in run.staged)


def phases_of(run: Run, object_name: str, table: str) -> list[Phase]:
    """The phases of rows of an object and a table, in load order."""
    return list(run.phases.filter(object_name=object_name, table=table, kind=Phase.Kind.ROWS))
