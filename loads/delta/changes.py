"""What changed at the source between what an earlier run loaded and what a run loads, in counts of records."""

from collections import Counter

from django.db.models import QuerySet, Sum

from connectors import landing, store
from connectors.models import Dataset
from loads.models import Phase, Run
from workbench.engagements.models import Engagement

COUNTS = ("new", "changed", "deleted")


def before(run: Run) -> Run | None:
    """The run that loaded the environment before this one, all of it."""
    done = Run.objects.loads().filter(environment=run.environment_id, state=Run.State.DONE, pk__lt=run.pk)
    return done.order_by("-pk").first()


def deltas(engagement: Engagement) -> QuerySet[Run]:
    """Runs of what an extraction of changes brought."""
    changed = Dataset.objects.filter(engagement=engagement, purpose=Dataset.Purpose.LOAD, base__isnull=False)
    ids = set(changed.values_list("pk", flat=True))
    found = [run.pk for run in Run.objects.loads().filter(engagement=engagement) if ids & set(run.datasets.values())]
    return Run.objects.loads().filter(pk__in=found)


def counted(run: Run) -> dict[str, dict[str, int]]:
    """Object -> {"new", "changed", "deleted"} records since the run before; of the source's own objects of which the run loads any."""
    earlier = before(run)
    if earlier is None:
        return {}
    objects = set(run.phases.filter(kind=Phase.Kind.ROWS).values_list("object_name", flat=True))
    found = {}
    for name in sorted(objects & earlier.datasets.keys() & run.datasets.keys()):
        old, new = (Dataset.objects.get(pk=one.datasets[name]) for one in (earlier, run))
        if not new.derived:
            found[name] = dict.fromkeys(COUNTS, 0) if old == new else between(old, new)
    return found


def total(run: Run) -> dict[str, int]:
    """What was counted of a run, over all objects."""
    sums: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    for counts in run.changes.values():
        sums.update(counts)
    return dict(sums)


def between(old: Dataset, new: Dataset) -> dict[str, int]:
    """Records by id: only in the newer dataset, in both with other contents, only in the older one."""
    if new.base_id == old.pk and _all_carried(old, new):
        return {"new": new.rows - old.rows, "changed": 0, "deleted": 0}
    with store.database() as con:
        for name, dataset in (("old", old), ("new", new)):
            files = landing.files(dataset)
            con.execute(_CONTENTS.format(name=name, records=f"read_parquet([{store.quoted(*files)}])" if files else _NOTHING))
        [(added, changed, deleted)] = con.execute(_COMPARED).fetchall()
    return {"new": added, "changed": changed, "deleted": deleted}


def _all_carried(old: Dataset, new: Dataset) -> bool:
    """Whether everything of the older dataset stands in the newer one: records were only added, so that none need be read."""
    carried = new.pieces.filter(number__lt=landing.CARRIED).aggregate(rows=Sum("rows"))["rows"]
    return bool(carried == sum(old.pieces.values_list("rows", flat=True)))


# The contents of a record that stands more than once are taken together; equal ones of overlapping slices once.
_CONTENTS = """
    CREATE TABLE "{name}" AS SELECT source_id, bit_xor(hash(content)) AS content
    FROM (SELECT DISTINCT source_id, content FROM {records}) GROUP BY source_id
"""
_NOTHING = "(SELECT '' AS source_id, ''::BLOB AS content WHERE false)"
_COMPARED = """
    SELECT count(*) FILTER (old.source_id IS NULL), count(*) FILTER (old.content <> new.content), count(*) FILTER (new.source_id IS NULL)
    FROM old FULL OUTER JOIN new ON old.source_id = new.source_id
"""
