"""Edited rows in the admin: three values side by side, choices field by field, many at once after their scope was shown."""

import html
import re
import uuid

import pytest
from django.urls import reverse

from connectors import store
from loads import staged
from loads.delta import conflicts, unlinked
from loads.delta.models import Conflict, Departed
from loads.models import LedgerEntry, Phase
from tests.pages import cast
from workbench.engagements.models import AuditEntry
from workbench.pipeline import dashboard, deciding, leases, tasks
from workbench.pipeline.models import Step
from workbench.pipeline.work import go_on, started

pytestmark = pytest.mark.django_db
LIST = "/admin/loads/conflict/"
BOTH = {"column": "jobtitle", "last": "Clerk", "now": "Director", "new": "<b>Head clerk</b>", "proposed": ""}
THEIRS = {"column": "telephone1", "last": None, "now": "+49 1", "new": None, "proposed": "keep"}
OURS = {"column": "firstname", "last": "Ada", "now": "Ada", "new": "Adelaide", "proposed": "overwrite"}


def make_conflict(run, source_id: str, *fields: dict, **more) -> Conflict:
    given = {"environment": run.environment, "run": run, "object_name": "user", "table": "contact", "row_id": uuid.uuid4()}
    clear = all(field["proposed"] for field in fields)
    return Conflict.objects.create(source_id=source_id, fields=list(fields), is_clear=clear, **{**given, **more})


@pytest.fixture
def run(northwind, people):
    return cast.make_run(northwind, people.engineer)


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def test_a_row_shows_its_three_values_and_takes_a_choice_per_field(client, run, people):
    conflict = make_conflict(run, "u-1", BOTH, OURS)
    text = client.get(reverse("admin:loads_conflict_change", args=[conflict.pk])).content.decode()
    assert all(word in text for word in ("Clerk", "Director", "&lt;b&gt;Head clerk&lt;/b&gt;", "Overwrite (proposed)", "both changed it"))
    decide = reverse("admin:loads_conflict_decide_one", args=[conflict.pk])
    assert "Not every field has a choice." in client.post(decide, {"field-0": "keep"}, follow=True).content.decode()
    client.post(decide, {"field-0": "keep", "field-1": "overwrite", "comment": "She called."})
    conflict.refresh_from_db()
    assert (conflict.state, conflict.choices) == ("decided", {"jobtitle": "keep", "firstname": "overwrite"})
    assert (conflict.comment, conflict.decided_by) == ("She called.", str(people.engineer))


def test_the_engagements_page_counts_rows_that_wait_for_a_decision(client, run, northwind):
    address = reverse("admin:engagements_engagement_change", args=[northwind.pk])
    assert "to decide on" not in client.get(address).content.decode()
    before = dict(dashboard.standing(northwind).moves)["engineer"]
    make_conflict(run, "u-1", BOTH)
    make_conflict(run, "u-2", OURS, state="decided")
    told = f"edited rows in {run.environment.kind} to decide on"
    listed = f"{LIST}?environment={run.environment.pk}&state__exact=open"
    assert (told, 1, listed) in client.get(address).context["figures"]
    assert dict(dashboard.standing(northwind).moves)["engineer"] == before + 1


def form_of(answer, how: str) -> dict[str, str]:
    """The page's form as a browser sends it."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.content.decode())
    return {"how": how, **{name: value for name, value in found if name != "csrfmiddlewaretoken"}}


def test_many_are_decided_after_the_page_has_shown_how_many_each_choice_reaches(client, run):
    clear, both = make_conflict(run, "u-1", THEIRS, OURS), make_conflict(run, "u-2", BOTH, OURS)
    done = make_conflict(run, "u-3", BOTH, state="applied")
    answer = client.post(LIST, {"action": "decide_selected", "_selected_action": [clear.pk, both.pk, done.pk]})
    assert {how: count for how, _, count in answer.context["reach"]} == {
        "merge": 1, "merge_keep": 2, "merge_overwrite": 2, "keep": 2, "overwrite": 2, "take_back": 0,
    }  # fmt: skip
    assert not Conflict.objects.filter(state="decided").exists()
    client.post(f"{LIST}decide/", form_of(answer, "merge"))
    assert [one.source_id for one in Conflict.objects.filter(state="decided")] == ["u-1"]
    client.post(f"{LIST}decide/", form_of(answer, "merge_overwrite"))
    both.refresh_from_db()
    assert both.choices == {"jobtitle": "overwrite", "firstname": "overwrite"}
    assert AuditEntry.objects.filter(action="decided conflicts").count() == 2


def test_all_of_a_list_are_decided_by_its_filter_and_only_as_many_as_were_shown(client, run, monkeypatch):
    monkeypatch.setattr(conflicts, "AT_ONCE", 2)
    several = [make_conflict(run, f"u-{number}", OURS) for number in range(3)]
    other = make_conflict(run, "a-1", OURS, table="account")
    address = re.search(r'href="([^"]+)">Decide about all', client.get(f"{LIST}?table=contact", follow=True).content.decode())[1]
    answer = client.get(html.unescape(address))
    form, place = form_of(answer, "overwrite"), f"{LIST}decide/?{answer.context['filters']}"
    assert "ids" not in form
    ticked = {"action": "decide_selected", "select_across": "1", "_selected_action": [several[0].pk]}
    assert form_of(client.post(html.unescape(address).replace("decide/", ""), ticked), "overwrite") == form
    several.append(make_conflict(run, "u-3", BOTH))
    assert "This would be about 4 rows by now." in client.post(place, form).content.decode()
    assert not Conflict.objects.filter(state="decided").exists()
    client.post(place, form_of(client.post(place, form), "overwrite"))
    assert set(Conflict.objects.filter(state="decided")) == set(several)
    assert AuditEntry.objects.filter(action="decided conflicts").count() == 2
    client.post(place, form_of(client.get(place), "take_back"))
    assert set(Conflict.objects.filter(state="open")) == {*several, other}


def test_workers_decide_about_many_rows_but_those_about_which_somebody_decided_meanwhile(client, run, people, monkeypatch):
    for name, few in (("AT_ONCE", 2), ("IN_REQUEST", 3)):
        monkeypatch.setattr(conflicts, name, few)
    several = [make_conflict(run, f"u-{number}", OURS) for number in range(5)]
    make_conflict(run, "u-applied", OURS, state="applied")
    several.append(make_conflict(run, "u-5", BOTH))
    page = f"{LIST}decide/"
    answer = client.post(page, form_of(client.get(page), "overwrite"), follow=True)
    assert "so many that workers go through them" in answer.content.decode()
    step = Step.objects.get(name=Step.Name.DECIDE)
    assert len(step.kept["asked"]["ranges"]) == 2
    conflicts.decide(several[1], {"firstname": "keep"}, user=people.engineer)
    refused = client.post(LIST, {"action": "take_back_selected", "_selected_action": [several[1].pk]}, follow=True)
    assert "a step that is under way would undo this" in refused.content.decode()
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert (step.state, step.progress) == ("done", "5 of 6 rows")
    choices = {one.source_id: set(one.choices.values()) for one in Conflict.objects.filter(state="decided")}
    assert choices == {one.source_id: {"keep" if one == several[1] else "overwrite"} for one in several}


def test_a_batch_whose_worker_lost_the_step_is_decided_and_counted_once(run, people, monkeypatch):
    for name, few in (("AT_ONCE", 2), ("IN_REQUEST", 1)):
        monkeypatch.setattr(conflicts, name, few)
    several = [make_conflict(run, f"u-{number}", OURS) for number in range(3)]
    conflicts.decide_all(run.engagement, Conflict.objects.all(), "overwrite", user=people.engineer)
    step = leases.take(Step.objects.get(name=Step.Name.DECIDE).pk, "silent")
    Step.objects.update(state="queued", worker="")  # another worker may take it up
    with pytest.raises(leases.LeaseLost):
        go_on(started(step), deciding.parts(step))
    assert not Conflict.objects.filter(state="decided").exists()
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert (step.state, step.progress) == ("done", "3 of 3 rows")
    assert set(Conflict.objects.filter(state="decided")) == set(several)


def test_a_decision_is_taken_back_until_a_run_took_it(client, run):
    decided = make_conflict(run, "u-1", BOTH, state="decided", choices={"jobtitle": "keep"})
    applied = make_conflict(run, "u-2", BOTH, state="applied", choices={"jobtitle": "keep"})
    client.post(LIST, {"action": "take_back_selected", "_selected_action": [decided.pk, applied.pk]})
    assert {one.source_id: (one.state, one.choices) for one in Conflict.objects.all()} == {
        "u-1": ("open", {}), "u-2": ("applied", {"jobtitle": "keep"}),
    }  # fmt: skip


def test_only_the_engagements_own_people_see_and_decide(run, people, as_user):
    conflict = make_conflict(run, "u-1", BOTH)
    other = as_user(cast.make_cast(cast.make_engagement("Southwind")).engineer)
    assert other.get(reverse("admin:loads_conflict_change", args=[conflict.pk])).status_code == 302
    assert "u-1" not in other.get(LIST).content.decode()
    for named in ({"ids": str(conflict.pk)}, {"whole_list": ""}):
        other.post(f"{LIST}decide/?environment__id__exact={run.environment_id}", {"how": "overwrite", "reach-overwrite": "0", **named})
        other.post(f"{LIST}decide/?environment__id__exact={run.environment_id}", {"how": "overwrite", "reach-overwrite": "1", **named})
    assert other.post(reverse("admin:loads_conflict_decide_one", args=[conflict.pk]), {"field-0": "overwrite"}).status_code == 404
    conflict.refresh_from_db()
    assert conflict.state == "open"
    with pytest.raises(conflicts.MayNotDecide):
        conflicts.decide(conflict, {"jobtitle": "keep"}, user=people.viewer)


def test_the_run_page_leads_to_edited_rows_and_to_those_whose_records_are_gone(client, run):
    make_conflict(run, "u-1", BOTH)
    Departed.objects.create(run=run, object_name="user", source_id="u-9", table="contact", row_id=uuid.uuid4(), cause="deleted")
    run.changes = {"user": {"new": 1_200, "changed": 3, "deleted": 1}}
    run.save()
    text = client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode()
    assert all(word in text for word in (f"{LIST}?run__id__exact={run.pk}", "Changed by others, or at the source", "1,200"))
    assert "user:u-9 as contact" in client.get(f"/admin/loads/departed/?run__id__exact={run.pk}").content.decode()


def member_of(run, person: str, number: int) -> tuple[Phase, str]:
    """A phase that puts one member on a list, named by one of the person's records, and the membership's id."""
    phase = Phase.objects.create(run=run, number=9, object_name="listMembership", table="listmember", kind="members", state="balanced")
    row_id, values = str(uuid.UUID(int=number)), b'{"list":"l","member":"m","table":"contact"}'
    path = staged.part(run, "listMembership", staged.kind_of("listmember", "members"), 0)
    with store.ParquetFile(path, staged.STAGED) as file:
        file.add(
            row_id, person, 0, "", "listmember", "update", "matched", values, [], None, None, "", [], [], None, None, None
        )  # fmt: skip
    return phase, row_id


def test_a_decision_about_a_link_goes_with_it_to_the_record_that_names_it_by_now(northwind, people, run, settings, tmp_path):
    settings.STORE_URL = str(tmp_path)
    _, was = member_of(run, "7:u-1", 1)
    decided = {"table": "listmember", "object_name": "listMembership", "kind": "members", "row_id": uuid.UUID(was)}
    make_conflict(run, "7:u-1", unlinked.FIELD, state="decided", choices={"link": "keep"}, **decided)
    later = cast.make_run(northwind, people.engineer)
    phase, row_id = member_of(later, "7:u-2", 2)
    assert unlinked.barred(later.key, "listmember", "members", list(staged.read_phase(phase))) == {row_id: unlinked.STAYS}
    entry = LedgerEntry(
        run=later, phase=phase, object_name="listMembership", source_id="7:u-2", position=0, row_id=row_id, outcome="refused"
    )
    entry.give([{"code": unlinked.STAYS, "severity": "reject"}])
    entry.save()
    unlinked.close(phase)
    [conflict] = Conflict.objects.all()
    assert (str(conflict.row_id), conflict.source_id, conflict.state, conflict.choices) == (row_id, "7:u-2", "decided", {"link": "keep"})
