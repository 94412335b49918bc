"""A sample after the plan was changed: told as outdated, and loaded again with the same records, before and after side by side."""

from html import unescape

import pytest
from django.urls import reverse

from loads import resampling, staged
from loads.models import Run
from mapping import plan
from mapping.models import FieldMap
from reports import diff
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, engagement_on
from tests.spine.test_load_engine import Prepared, unqueued
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step
from workbench.pipeline.way import way

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
TIERED = [user(f"u-{n}", f"p{n}@northpine.example", plan=f"plan {n % 3}", tier=f"tier {n % 3}") for n in range(20)]
OTHER = [user(f"u-l{n}", f"l{n}@northpine.example", "lead", plan="lead's") for n in range(10)]


@pytest.fixture
def prepared(tmp_path):
    with engagement_on(folders.write(tmp_path / "source", [*TIERED, *OTHER]), tmp_path) as (engagement, cast, servers):
        yield Prepared(engagement, cast, servers, OTHERS)


def chosen(run: Run) -> set[str]:
    return {one["source_id"] for one in staged.read_dispositions(run, "user") if one["disposition"] == "planned"}


def stage(prepared: Prepared):
    return next(one for one in way(prepared.engagement) if one.key == "sandbox-sample")


def swap(prepared: Prepared) -> None:
    """A correction of the map: two fields of contacts stood in each other's columns."""
    maps = FieldMap.objects.filter(engagement=prepared.engagement, table="contact")
    columns = dict(maps.filter(source__in=("plan", "tier")).values_list("source", "column"))
    specs = dict(maps.filter(source__in=("plan", "tier")).values_list("source", "new_column"))
    for source, other in (("plan", "tier"), ("tier", "plan")):
        maps.filter(source=source).update(column=f"{columns[other]}x")
    for source, other in (("plan", "tier"), ("tier", "plan")):
        maps.filter(source=source).update(column=columns[other], new_column=specs[other])
    plan.confirm(prepared.engagement, ["maps"], user=prepared.cast.engineer)
    demonstration._step(prepared.engagement, Step.Name.PROVISION, prepared.sandbox, prepared.cast, lambda said: None)


def test_after_the_maps_changed_the_same_sample_is_loaded_again_by_one_press_and_shows_before_and_after(prepared, client, settings):
    settings.SECURE_SSL_REDIRECT = False
    client.force_login(prepared.cast.engineer)
    page = reverse("admin:engagements_engagement_change", args=[prepared.engagement.pk])
    with unqueued():
        first = resampling.open_sample(prepared.sandbox, prepared.cast.engineer)
    assert prepared.work(first).state == Run.State.DONE, first.message
    assert (stage(prepared).state, stage(prepared).again) == ("done", "")
    assert "again" not in diff.content(first)

    swap(prepared)
    assert (stage(prepared).state, "maps" in stage(prepared).says) == ("ready", True)
    assert "Load the same sample again" in unescape(client.get(page).content.decode())
    start = reverse("admin:engagements_engagement_start", args=[prepared.engagement.pk])
    client.post(start, {"step": "sample", "environment": prepared.sandbox.pk})
    again = Run.objects.filter(kind=Run.Kind.SAMPLE).latest("pk")
    assert (again.pk > first.pk, again.state) == (True, Run.State.DONE), again.message
    assert chosen(again) == chosen(first)
    assert stage(prepared).again == ""

    told = diff.content(again)
    assert told["again"]["run"] == first.key
    assert {row["source_id"] for row in told["rows"]} == {one["userId"] for one in TIERED}
    assert told["again"]["equal"] >= len(OTHER)
    fields = {field["column"]: field for field in next(row for row in told["rows"] if row["source_id"] == "u-1")["fields"]}
    assert {(field["before"], field["found"]) for name, field in fields.items() if name in ("mwb_plan", "mwb_tier")} == {
        ("plan 1", "tier 1"), ("tier 1", "plan 1")
    }  # fmt: skip
    [_, values] = diff.sheets(again)
    assert values.header[-3:] == ["Read back before", "Read back", "Verdict"]
    shown = unescape(client.get(reverse("admin:loads_run_change", args=[again.pk])).content.decode())
    assert "<th>Before</th>" in shown
