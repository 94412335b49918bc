"""A sample after the plan was changed: told as outdated, and loaded again with the same records, before and after side by side."""

from html import unescape

import pytest
from django.urls import reverse

from loads import staged
from loads.models import Run
from mapping import plan
from mapping.models import FieldMap
from reports import diff
from tests.spine.test_load_engine import Prepared
from tests.spine.test_sample import sampled as sampled  # as the samples' own tests have it
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step
from workbench.pipeline.way import way

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def chosen(run: Run) -> set[str]:
    return {one["source_id"] for one in staged.read_dispositions(run, "user") if one["disposition"] == "planned"}


def of_people(rows: list[dict]) -> dict[str, dict]:
    """By the source's id."""
    found = {str(row.get("mwb_sourceid")): row for row in rows}
    return {name.removeprefix("user:"): row for name, row in found.items() if name.startswith("user:")}


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


def test_after_the_maps_changed_the_same_sample_is_loaded_again_by_one_press_and_shows_before_and_after(sampled, client, settings):
    settings.SECURE_SSL_REDIRECT = False
    client.force_login(sampled.cast.engineer)
    page, first = reverse("admin:engagements_engagement_change", args=[sampled.engagement.pk]), sampled.run
    assert (stage(sampled).state, stage(sampled).again) == ("done", "")
    assert "again" not in diff.content(first)
    before = {table: of_people(rows) for table, rows in sampled.rows().items()}

    swap(sampled)
    assert (stage(sampled).state, "maps" in stage(sampled).says) == ("ready", True)
    assert "Load the same sample again" in unescape(client.get(page).content.decode())
    start = reverse("admin:engagements_engagement_start", args=[sampled.engagement.pk])
    client.post(start, {"step": "sample", "environment": sampled.sandbox.pk})
    again = Run.objects.filter(kind=Run.Kind.SAMPLE).latest("pk")
    assert (again.pk > first.pk, again.state) == (True, Run.State.DONE), again.message
    assert chosen(again) == chosen(first)
    assert stage(sampled).again == ""

    told = diff.content(again)
    assert told["again"]["run"] == first.key
    people = {row["source_id"]: {field["column"]: field for field in row["fields"]} for row in told["rows"]}
    assert people.keys() == before["contact"].keys()  # each has a plan
    assert told["again"]["equal"] >= len(before["lead"]) > 0
    tiered = [name for name, row in before["contact"].items() if row.get("mwb_tier")]
    assert tiered
    for name in tiered:
        plan_and_tier = (before["contact"][name]["mwb_plan"], before["contact"][name]["mwb_tier"])
        found = {(field["before"], field["found"]) for column, field in people[name].items() if column in ("mwb_plan", "mwb_tier")}
        assert found == {plan_and_tier, plan_and_tier[::-1]}
    [_, values] = diff.sheets(again)
    assert values.header[-3:] == ["Read back before", "Read back", "Verdict"]
    shown = unescape(client.get(reverse("admin:loads_run_change", args=[again.pk])).content.decode())
    assert "<th>Before</th>" in shown
