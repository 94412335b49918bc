"""Discovery of the objects beside people: fields with profiles, event types, summaries, and what a person should know of them."""

from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction

from connectors import landing, store
from connectors.base import Finding
from connectors.inventories import Summary, table
from connectors.models import Dataset
from connectors.registry import INVENTORIES
from connectors.storable import storable_json
from mapping import plan
from mapping.discovery.event_types import event_findings, keep_event_types
from mapping.discovery.keys import PERSON
from mapping.models import EventType, SourceObject
from mapping.playbooks import DatasetRule, load_playbook
from workbench.engagements.models import Engagement

KINDS = {"value": "", "others": "(further names)", "unreadable": "(unreadable)"}


class LandedObjects:
    """The newest datasets of an engagement, as inventories read them (Landed of connectors.inventories, LandedJourneys)."""

    def __init__(self, engagement: Engagement, *purposes: str) -> None:
        """Nothing is read yet. purposes: the first that an object was landed for counts; discovery where none is given."""
        self.engagement, self.names, self._purposes = engagement, plan.names_of(engagement), purposes or (Dataset.Purpose.DISCOVERY,)
        self._people: dict[str, Mapping[str, int]] = {}

    def dataset(self, object_name: str) -> Dataset | None:
        """The newest one of an object."""
        return self._datasets.get(object_name)

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        found = [landing.newest(self.engagement, purpose=purpose) for purpose in self._purposes]
        return dict(ChainMap(*found))

    def has(self, object_name: str) -> bool:
        """Whether the object was landed."""
        return self.dataset(object_name) is not None

    def records(self, object_name: str) -> Iterator[dict[str, Any]]:
        """Its sound records, in order."""
        dataset = self.dataset(object_name)
        return landing.records(dataset) if dataset else iter(())

    def identified(self, object_name: str, ids: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """(source id, record) of its sound records, in order; of `ids` alone, where given: the others aren't parsed."""
        dataset = self.dataset(object_name)
        for landed in landing.scan(dataset) if dataset else ():
            if landed.problem is None and (ids is None or landed.source_id in ids):
                record, _ = landing.parse(landed.raw)
                if record is not None:
                    yield landed.source_id, record

    def unreadable(self, object_name: str) -> int:
        """How many of its lines are no record."""
        dataset = self.dataset(object_name)
        return dataset.bad_rows if dataset else 0

    def taken_at(self, object_name: str) -> datetime | None:
        """When its landing began."""
        dataset = self.dataset(object_name)
        return dataset.started_at if dataset else None

    def people_with(self, field: str) -> Mapping[str, int]:
        """Value -> people whose list field holds it; read once."""
        if field not in self._people:
            dataset = self.dataset(PERSON)
            self._people[field] = listed_values(dataset, field) if dataset else {}
        return self._people[field]


def listed_values(dataset: Dataset, field: str) -> dict[str, int]:
    """Value -> records whose top field, a list, holds it. One pass in SQL; broken lines and what is no list count for nothing."""
    paths = [str(path) for path in landing.files(dataset)]
    if not paths:
        return {}
    with store.database() as con:
        found = con.execute(
            """
            SELECT value, count(*) FROM (
                SELECT unnest(list_distinct(TRY(json_extract_string(decode(raw), $path || '[*]')))) AS value
                FROM read_parquet($paths) WHERE problem IS NULL
            ) WHERE value IS NOT NULL GROUP BY value ORDER BY 2 DESC, 1
            """,
            {"paths": paths, "path": f'$."{field}"'},
        ).fetchall()
    return dict(found)


def keep_objects(engagement: Engagement) -> list[Finding]:
    """Replace event types and summaries by those of the newest datasets; the findings."""
    landed, playbook = LandedObjects(engagement), load_playbook(engagement.platform)
    inventory, findings = INVENTORIES[engagement.platform], told_while_landing(landed)
    with transaction.atomic():
        found = list(inventory.summaries(landed))
        for rule in playbook.datasets:
            dataset = landed.dataset(rule.name)
            if dataset and rule.discovery == "samples":
                types = keep_event_types(dataset, rule, playbook.record(rule.name).envelope)
                found.append(_counted(rule, dataset, types))
                findings += event_findings(types)
        _keep_summaries(landed, found)
    return [*findings, *inventory.findings(landed)]


def told_while_landing(landed: LandedObjects) -> list[Finding]:
    """What the source couldn't give while the datasets were landed."""
    datasets = (landed.dataset(rule.name) for rule in load_playbook(landed.engagement.platform).datasets)
    return [Finding(**found) for dataset in datasets if dataset for found in dataset.findings]


def _counted(rule: DatasetRule, dataset: Dataset, types: list[EventType]) -> Summary:
    """A sampled object: exact counts per name."""
    total = sum(entry["count"] for entry in dataset.counts)
    rows = [
        (KINDS[entry["kind"]] or str(EventType(name=entry["value"])), entry["count"], entry["count"] / total if total else 0.0,
         entry["first"].replace("T", " ").removesuffix("Z"), entry["last"].replace("T", " ").removesuffix("Z"))
        for entry in dataset.counts
    ]  # fmt: skip
    figures = {"records": total, "different names": len(types), "samples kept": dataset.rows, "unreadable": _unreadable(dataset)}
    shown = table("By name", ("Name", "Records", "Share", "First (UTC)", "Last (UTC)"), rows, shares=(2,), empty="The source has none.")
    note = "Counted one by one as they were exported; at most 1,000 of each name were kept to look into."
    return Summary(rule.name, title_of(rule.name), figures, (shown,), note)


def _unreadable(dataset: Dataset) -> int:
    return sum(entry["count"] for entry in dataset.counts if entry["kind"] == "unreadable")


def title_of(object_name: str) -> str:
    """An object's name in words: customEvent is "Custom events"."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in object_name).strip()
    return f"{words.capitalize()}s"


def _keep_summaries(landed: LandedObjects, found: Iterable[Summary]) -> None:
    SourceObject.objects.filter(engagement=landed.engagement).delete()
    rows = []
    for summary in found:
        dataset = landed.dataset(summary.object)
        if dataset:
            rows.append(
                SourceObject(
                    engagement=landed.engagement,
                    dataset=dataset,
                    object_name=summary.object,
                    title=summary.title,
                    records=sum(entry["count"] for entry in dataset.counts) or dataset.rows,
                    content=storable_json(summary.as_json()),
                )
            )
    SourceObject.objects.bulk_create(rows)
