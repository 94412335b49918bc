"""How many records each source object has, by the best that is known: the full extraction, else what discovery counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.db.models import Sum

from connectors.models import Dataset
from mapping.models import ObjectMap, OrganisationList, SplitRule
from workbench.engagements.models import Engagement

Basis = Literal["extraction", "discovery", "estimate"]
WORDS: Mapping[Basis, str] = {"extraction": "counted in the full extraction", "discovery": "counted in discovery", "estimate": "estimated"}
PERSON, COMPANY = "user", "company"


@dataclass(frozen=True, slots=True)
class Count:
    """Records of an object, and how that is known."""

    records: int
    basis: Basis


def counts(engagement: Engagement) -> dict[str, Count]:
    """Object -> its records, for every object that has been landed or has a map; an object that nobody has counted isn't in it."""
    found = {name: Count(records_of(dataset), _basis(dataset)) for name, dataset in _newest(engagement).items()}
    if COMPANY not in found:
        found[COMPANY] = Count(OrganisationList.objects.filter(engagement=engagement).count(), "estimate")
    return found


def records_of(dataset: Dataset) -> int:
    """How many records the object has: of samples what was counted, else the records themselves."""
    counted = getattr(dataset, "counts", None) or []
    return sum(int(entry.get("count", 0)) for entry in counted) if counted else dataset.rows


def _basis(dataset: Dataset) -> Basis:
    return "extraction" if dataset.purpose == Dataset.Purpose.LOAD else "discovery"


def _newest(engagement: Engagement) -> dict[str, Dataset]:
    """Object -> its newest sealed dataset, one of the full extraction before one of discovery."""
    sealed = Dataset.objects.filter(engagement=engagement, state=Dataset.State.SEALED).order_by("purpose", "started_at", "pk")
    return {dataset.object_name: dataset for dataset in sealed}  # `discovery` sorts before `load`


def rows_per_table(engagement: Engagement) -> dict[str, dict[str, int]]:
    """Object -> table -> rows that the plan would make, before a sandbox run says it exactly.

    People go where the split says; a company is one account; other objects give one row per record in each of their tables.
    """
    known = counts(engagement)
    planned: dict[str, dict[str, int]] = {}
    for row in ObjectMap.objects.filter(engagement=engagement):
        if row.object_name == PERSON:
            planned[PERSON] = {table: count for table, count in _split(engagement).items() if table in row.tables}
        elif row.object_name in known:
            planned[row.object_name] = {str(table): known[row.object_name].records for table in row.tables}
    return planned


def _split(engagement: Engagement) -> dict[str, int]:
    rows = SplitRule.objects.filter(engagement=engagement).values_list("outcome").annotate(people=Sum("observed")).order_by()
    return {outcome: people or 0 for outcome, people in rows}
