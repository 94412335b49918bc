"""By which answers about records rows were staged: none is sent by one that was changed or taken back since."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from connectors import store
from connectors.store import batched
from loads import staged
from loads.models import Phase, Run
from mapping.models import Remedy
from mapping.quality.remedies import QUESTION_OF, WHICH
from workbench.engagements.models import Environment

if TYPE_CHECKING:
    import duckdb

KIND = "answered"  # of the files: row_id, source_id (of the record that was asked about), choice, named
CHANGED = "answer.changed"
TOGETHER = 500

Told = tuple[str, str, str, str]  # a row of such a file


def keep(con: "duckdb.DuckDBPyConnection", run: Run, object_name: str, query: str) -> None:
    """Keep what a query finds: the rows of an object that are as they are by an answer. In place of what was kept before."""
    path = staged.part(run, object_name, KIND, 0)
    path.unlink(missing_ok=True)
    if con.execute(f"SELECT 1 FROM ({query}) LIMIT 1").fetchone():  # noqa: S608 - names of our own
        store.copy(con, query, path)


def changed(phase: Phase, row_ids: Sequence[str]) -> set[str]:
    """Those of a phase's rows whose answer doesn't hold any more."""
    paths = staged.parts(phase.run, phase.object_name, KIND) if phase.kind == Phase.Kind.ROWS else []
    if not (paths and row_ids):
        return set()
    with store.reader() as con:
        query = "SELECT row_id, source_id, choice, named FROM read_parquet(?) WHERE row_id IN (SELECT unnest(?))"
        told = con.execute(query, [[str(path) for path in paths], list(row_ids)]).fetchall()
    return set(_changed(phase.run.environment, phase.object_name, told))


def is_any_changed(run: Run) -> bool:
    """Whether any answer by which the run was staged doesn't hold any more."""
    for object_name in run.staged:
        for path in staged.parts(run, object_name, KIND):
            told = ((row["row_id"], row["source_id"], row["choice"], row["named"]) for row in store.read_rows(path))
            if next(_changed(run.environment, object_name, told), None):
                return True
    return False


def _changed(environment: Environment, object_name: str, told: Iterable[Told]) -> Iterator[str]:
    """Ids of rows whose answer isn't given so now; those about rows are of the environment, the others of all.

    What was answered of somebody who was erased since isn't known any more.
    """
    for some in batched(told, TOGETHER):
        given = Remedy.objects.filter(
            engagement=environment.engagement_id, object_name=object_name, source_id__in=[source_id for _, source_id, _, _ in some]
        )
        now = set(given.exclude(question="").values_list("source_id", "environment", "choice", "value"))
        for row_id, source_id, choice, named in some:
            of = environment.kind if QUESTION_OF.get(choice) == WHICH else ""
            if choice and (source_id, of, choice, named) not in now:
                yield row_id
