"""The measured inputs of an estimate: each with its figure and where that comes from."""

from collections.abc import Iterator

from django.db.models import QuerySet, Sum

from loads.forecast import sandbox_run, shown_apart
from mapping.counts import WORDS, Count, counts
from mapping.estimates.grading import Input
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap, OwnerMatch, SourceField, SplitRule
from workbench.engagements.models import Engagement

INVENTORY = ("journey", "template", "snippet")  # what is documented and has no object map
BESIDE = ("channel", "messageType", "forgotten", "campaignMetric", "listMember")  # answers that belong to other objects


def moving(engagement: Engagement) -> dict[str, Count]:
    """Objects that are scoped: object -> count. What only completes another object isn't one."""
    return {name: count for name, count in counts(engagement).items() if name not in BESIDE}


def documented(engagement: Engagement) -> set[str]:
    """Objects of which nothing moves."""
    without = object_maps(engagement).filter(tables=[]).values_list("object_name", flat=True)
    return {*without, *(name for name in moving(engagement) if name in INVENTORY)}


def object_maps(engagement: Engagement) -> QuerySet[ObjectMap]:
    """The engagement's object maps."""
    return ObjectMap.objects.filter(engagement=engagement)


def inputs(engagement: Engagement) -> dict[str, Input]:
    """Every input by its name; one that nobody can measure yet isn't in it."""
    found = (*_of_source(engagement), *_of_plan(engagement), *_of_findings(engagement), *_of_run(engagement))
    return {one.name: one for one in found}


def _of_source(engagement: Engagement) -> Iterator[Input]:
    known, left = moving(engagement), documented(engagement)
    how = ", ".join(sorted({WORDS[count.basis] for count in known.values()})) or "nothing is counted yet"
    yield Input("records", "Records", sum(count.records for name, count in known.items() if name not in left), how)
    items = sum(known[name].records for name in left if name in known)
    yield Input("documented", "Items to document", items, "journeys, templates and whatever has no table")
    types = SourceField.objects.filter(engagement=engagement).values_list("types", flat=True)
    yield Input("mixed_fields", "Fields of several types", sum(len(one) > 1 for one in types), "profiles of the fields")
    activities = [row.object_name for row in object_maps(engagement) if shown_apart(engagement) & set(row.tables)]
    events = sum(known[name].records for name in activities if name in known)
    yield Input("events", "Events and other history", events, "records that become activities, or rows of a table of their own")


def _of_plan(engagement: Engagement) -> Iterator[Input]:
    yield Input("objects", "Objects that move", object_maps(engagement).exclude(tables=[]).count(), "object maps")
    maps = FieldMap.objects.filter(engagement=engagement).exclude(state=FieldMap.State.LEFT)
    fields = maps.values("object_name", "source").distinct().count() or SourceField.objects.filter(engagement=engagement).count()
    yield Input("fields", "Fields that move", fields, "field maps that aren't left behind")
    yield Input("stages", "Lifecycle stages", SplitRule.objects.filter(engagement=engagement).count(), "split matrix")
    owners = OwnerMatch.objects.filter(engagement=engagement).exclude(source_owner="").exclude(kind=OwnerMatch.Kind.USER)
    yield Input("unmatched_owners", "Owners without a user", owners.count(), "owner list")


def _of_findings(engagement: Engagement) -> Iterator[Input]:
    asked = DiscoveryFinding.objects.filter(engagement=engagement, asks=True)
    if not DiscoveryFinding.objects.filter(engagement=engagement).exclude(environment=None).exists():
        return  # no environment was looked at
    quiet = asked.filter(check_name__startswith="quiet_").values("key").distinct().count()
    yield Input("set_off", "Things that a row would set off", quiet, "checks of the quiet load")
    yield Input("drift", "Differences between the environments", asked.filter(check_name="drift").count(), "drift check")
    yield Input("decisions", "Decisions", asked.values("key").distinct().count(), "findings that ask")


def _of_run(engagement: Engagement) -> Iterator[Input]:
    run = sandbox_run(engagement)
    if run is None:
        return
    sums = run.phases.aggregate(extracted=Sum("extracted", default=0), rejected=Sum("rejected", default=0), held=Sum("held", default=0))
    left = sums["rejected"] + sums["held"]
    yield Input("not_loaded", "Records that didn't load as planned", left, "sandbox run")
    share = 100 * left / sums["extracted"] if sums["extracted"] else 0
    yield Input("not_loaded_share", "Their share in per cent", round(share, 1), "sandbox run")
