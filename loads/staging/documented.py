"""What is documented only: nothing of it moves, and each record has its disposition nonetheless, set-based from what was landed."""

import orjson
import pyarrow as pa

from connectors import landing, store
from connectors.models import Dataset
from loads import staged
from loads.models import Phase
from loads.reasons import reason
from loads.staging import phases
from loads.staging.context import StagingContext
from mapping import objects

PROBLEMS = pa.schema([("problem", pa.string()), ("reasons", pa.binary())])


def names(context: StagingContext) -> list[str]:
    """The objects, in the order in which they are told."""
    return [name for name in objects.documented(context.objects, context.playbook) if name in context.run.datasets]


def stage(context: StagingContext, object_name: str) -> None:
    """Give every landed record of an object its disposition; safe to repeat."""
    repeats = context.objects[object_name]["record"]["repeats"] if object_name in context.objects else "latest"
    _write(context, object_name, context.dataset(object_name), repeats)
    phases.record(context.run, object_name, [("", Phase.Kind.DOCUMENT)], context.worker)


def _write(context: StagingContext, object_name: str, dataset: Dataset, repeats: str) -> None:
    if not dataset.rows:
        with phases.Dispositions(context.run, object_name):
            return
    with store.database() as con:
        con.execute(f"CREATE TABLE landed AS {landing.standing(dataset)}")
        problems = con.execute("SELECT DISTINCT problem FROM landed WHERE problem IS NOT NULL").fetchall()
        unreadable = ((problem, orjson.dumps([reason("record.unreadable", detail=problem)])) for (problem,) in problems)
        store.fill(con, "problems", PROBLEMS, unreadable)
        store.copy(con, _TOLD[repeats], staged.part(context.run, object_name, staged.DISPOSITIONS_KIND, 0))


# As records with one id are told apart, or stand for each other, where they load; see `loads.staging.judging`.
_TOLD = {
    "each": """
        SELECT position, source_id || CASE WHEN occurrence > 1 THEN '#' || occurrence ELSE '' END AS source_id,
               CASE WHEN reasons IS NOT NULL THEN 'rejected' ELSE 'documented' END AS disposition, '' AS main_table, '' AS "into",
               coalesce(reasons, '[]'::BLOB) AS reasons
        FROM (SELECT *, row_number() OVER (PARTITION BY source_id ORDER BY position) AS occurrence FROM landed)
        LEFT JOIN problems USING (problem) ORDER BY position
    """,
    "latest": """
        SELECT position, source_id,
               CASE WHEN reasons IS NOT NULL THEN 'rejected' WHEN latest THEN 'documented' ELSE 'merged' END AS disposition,
               '' AS main_table, CASE WHEN reasons IS NULL AND NOT latest THEN source_id ELSE '' END AS "into",
               coalesce(reasons, '[]'::BLOB) AS reasons
        FROM (SELECT *, row_number() OVER (PARTITION BY source_id ORDER BY position DESC) = 1 AS latest FROM landed)
        LEFT JOIN problems USING (problem) ORDER BY position
    """,
}
