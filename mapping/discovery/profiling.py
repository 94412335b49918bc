"""Profiles of landed datasets, kept as fields of the source."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from connectors import landing, store
from connectors.base import Finding
from connectors.models import Dataset
from mapping.fieldprofiles import FieldProfile
from mapping.issues import brief
from mapping.models import SourceField
from mapping.playbooks import ListedRule, load_playbook
from mapping.profiles import profile

FIELD_NAME_LIMIT = 300


def keep_profiles(dataset: Dataset, declared: Mapping[str, str] | None = None) -> list[Finding]:
    """Profile every field of a dataset and keep the profiles as those of its object; what can't be mapped is a finding.

    declared: field -> the source's own word for its type.
    """
    profiles = profile(landing.files(dataset) if dataset.rows else [], declared)
    profiles += _computed(dataset, {one.name for one in profiles})
    return _kept(dataset, dataset.object_name, profiles)


def carry_over(dataset: Dataset, object_name: str) -> bool:
    """Make the profiles that an object has those of this dataset, where they were made of just the same records; whether they were."""
    kept = SourceField.objects.filter(engagement=dataset.engagement, object_name=object_name, dataset__sha256=dataset.sha256)
    return bool(dataset.rows and kept.update(dataset=dataset))


def keep_listed_profiles(dataset: Dataset, rule: ListedRule) -> list[Finding]:
    """Profile an object whose records lie in a list of the dataset's, as its maps see them: each item under the rule's name for it."""
    with store.database() as con, store.scratch() as folder:
        path, sources = folder / "items.parquet", [str(file) for file in landing.files(dataset)]
        if dataset.rows:
            con.execute(_ITEMS, {"sources": sources, "path": f'$."{rule.list}"[*]', "item": rule.item})
            store.copy(con, "SELECT * FROM items", path)
        profiles = profile([path] if dataset.rows else [])
    return _kept(dataset, rule.object, profiles)


_ITEMS = """
    CREATE TABLE items AS
    SELECT CAST(json_object($item, item) AS VARCHAR) AS raw, CAST(NULL AS VARCHAR) AS problem FROM (
        SELECT unnest(TRY(json_extract(decode(raw), $path))) AS item FROM read_parquet($sources) WHERE problem IS NULL)
"""


def _kept(dataset: Dataset, object_name: str, profiles: Sequence[FieldProfile]) -> list[Finding]:
    with transaction.atomic():
        _keep_fields(dataset, object_name, [one for one in profiles if _can_be_named(one.name)])
    return list(_unnamable(object_name, profiles))


def _computed(dataset: Dataset, known: Collection[str]) -> list[FieldProfile]:
    """Fields that aren't in the source's records but in what the maps see: joined datasets and computed fields."""
    playbook = load_playbook(dataset.engagement.platform)
    names = [rule.name for rule in playbook.computed if rule.object == dataset.object_name]
    names += [name for joined in playbook.record(dataset.object_name).beside for name in (joined, f"{joined}.measuredAt")]
    rows = dataset.rows
    return [FieldProfile(name, "computed", rows, filled=rows, types={"string": rows}) for name in names if rows and name not in known]


def _can_be_named(field: str) -> bool:
    """Whether a map can name the field: it has a name, which fits, and the database takes its characters."""
    return bool(field.strip()) and len(field) <= FIELD_NAME_LIMIT and "\x00" not in field


def _unnamable(object_name: str, profiles: Iterable[FieldProfile]) -> Iterable[Finding]:
    left = [brief(one.name[:40]) for one in profiles if one.filled and not _can_be_named(one.name)]
    if left:
        shown = ", ".join(map(repr, left[:10]))
        evidence = f"{len(left)} fields of {object_name} can't be mapped, since their names are blank or too long: {shown}."
        yield Finding(
            "fields without a usable name",
            "warning",
            evidence,
            "Copy their values into fields with other names at the source.",
            subject=object_name,
        )


def _keep_fields(dataset: Dataset, object_name: str, profiles: Iterable[FieldProfile]) -> None:
    kept, now = SourceField.objects.filter(engagement=dataset.engagement, object_name=object_name), timezone.now()
    if first_seen := dict(kept.values_list("name", "first_seen_at")):
        kept.delete()
    rows = []
    for one in profiles:
        rows.append(
            SourceField(
                engagement=dataset.engagement,
                dataset=dataset,
                object_name=object_name,
                name=one.name,
                declared_type=one.declared_type,
                rows=one.rows,
                filled=one.filled,
                distinct=one.distinct,
                top=[[shown.replace("\x00", "\ufffd"), count] for shown, count in one.top],
                types=dict(one.types),
                max_length=one.max_length,
                minimum="" if one.min is None else str(one.min),
                maximum="" if one.max is None else str(one.max),
                decimals=one.decimals,
                first_seen_at=first_seen.get(one.name, now),
            )
        )
    SourceField.objects.bulk_create(rows, batch_size=500)
