"""The exceptions desk in the admin: groups, a remedy with its scope, and what keeps a re-run from being opened."""

import uuid

import pytest
from django.urls import reverse

from loads.desk import groups, remedying
from mapping import plan
from mapping.models import Remedy
from tests.pages import cast
from workbench.engagements.models import AuditEntry
from workbench.pipeline import answering, leases, tasks
from workbench.pipeline.models import Step
from workbench.pipeline.work import go_on, started

pytestmark = pytest.mark.django_db
TOO_LONG = {
    "code": "0x80044331", "field": "jobtitle", "severity": "reject", "cause": "The length of the 'jobtitle' attribute exceeded '100'.",
    "detail": "The length of the 'jobtitle' attribute exceeded '100'.",
}  # fmt: skip


@pytest.fixture
def run(northwind, people):
    cast.make_planned(northwind)
    return cast.make_run(northwind, people.engineer)


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def refuse(run, count):
    for number in range(count):
        cast.make_exception(run, f"u-{number}", TOO_LONG["code"], "refused", reasons=[TOO_LONG], row_id=uuid.uuid4())


def desk(run):
    return reverse("admin:reports_exceptions", args=[run.pk])


def group_page(run):
    [group] = [group for group in groups.groups(run) if group.code == TOO_LONG["code"]]
    return reverse("admin:reports_exceptions_group", args=[run.pk, group.key])


def test_a_run_without_exceptions_has_nothing_to_mend(client, run):
    text = client.get(desk(run)).content.decode()
    assert "There is nothing to mend" in text
    assert "Export the workbook" not in text


def test_groups_cost_the_same_however_many_exceptions_there_are(client, run, django_assert_max_num_queries):
    refuse(run, 40)
    cast.make_exception(run, "u-odd")
    with django_assert_max_num_queries(22):
        answer = client.get(desk(run))
    lines = [(group.code, group.records, [one.name for one in offered]) for group, offered, _ in answer.context["lines"]]
    assert lines == [("0x80044331", 40, ["truncate", "value", "text", "blank", "skip"]), ("email.invalid", 1, ["skip"])]


def test_a_remedy_shows_its_scope_then_becomes_part_of_the_plan_and_can_be_taken_back(client, run, northwind):
    refuse(run, 3)
    before = plan.current(northwind)["quality"].version
    page = group_page(run)
    text = client.get(page).content.decode()
    assert "all 3 of them" in text
    assert "u-2" in text
    answer = client.post(page, {"remedy": "owner"}, follow=True)
    assert "don&#x27;t offer this remedy" in answer.content.decode()
    client.post(page, {"remedy": "truncate", "comment": "As agreed with Ada"})
    assert Remedy.objects.filter(engagement=northwind, choice="truncate", column="jobtitle").count() == 3
    version = plan.current(northwind)["quality"]
    assert (version.version, version.confirmation.confirmed_by) == (before + 1, run.requested_by)
    assert [len(one["records"]) for one in version.content["remedies"]] == [3]
    entry = AuditEntry.objects.filter(engagement=northwind, action="gave remedies").get()
    assert (entry.detail["remedies"], entry.detail["comment"]) == ({"truncate": 3}, "As agreed with Ada")
    assert "no other text column" in client.post(page, {"remedy": "text", "kept_in": "birthdate"}).content.decode()
    client.post(page, {"remedy": "text", "kept_in": "description"})
    assert set(Remedy.objects.values_list("choice", "value")) == {("text", "description")}
    assert "3 given" in client.get(desk(run)).content.decode()
    client.post(group_page(run), {"take_back": "1"})
    assert "remedies" not in plan.current(northwind)["quality"].content


def test_a_remedy_that_workers_give_is_given_and_told_once_and_not_taken_back_meanwhile(client, run, monkeypatch):
    monkeypatch.setattr(remedying, "AT_ONCE", 2)
    monkeypatch.setattr(remedying, "TOGETHER", 2)
    refuse(run, 3)
    client.post(group_page(run), {"remedy": "truncate"})
    said = client.post(group_page(run), {"take_back": "1"}).content.decode()
    assert "Answers for many records: a step that is under way would undo this." in said
    step = leases.take(Step.objects.get(name=Step.Name.ANSWER).pk, "silent")
    Step.objects.update(state="queued", worker="")  # another worker may take it up
    with pytest.raises(leases.LeaseLost):
        go_on(started(step), answering.parts(step))
    assert not Remedy.objects.exists()
    tasks.carry_out(step.pk)
    Step.objects.update(state="queued", worker="", done=["records"])  # as where a worker ends before it says that it is done
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert (step.state, step.progress) == ("done", "3 records have it")
    assert AuditEntry.objects.filter(action="gave remedies").count() == 1
    client.post(group_page(run), {"take_back": "1"})
    assert not Remedy.objects.exists()


def test_a_re_run_shows_what_it_sends_and_what_keeps_it_closed(client, run):
    refuse(run, 3)
    cast.make_exception(run, "u-odd")
    [group, _] = groups.groups(run)
    page = reverse("admin:reports_exceptions_rerun", args=[run.pk])
    text = client.get(page, {"group": group.key}).content.decode()
    assert "3 records would be loaded again" in text
    assert "1 other exceptions keep what came of them" in text
    assert "be opened yet" in text  # its gates aren't open in this test
    assert "Nothing was opened." in client.post(page, {"group": [group.key]}, follow=True).content.decode()


def test_the_desk_of_another_engagement_is_not_there(run, as_user):
    refuse(run, 1)
    stranger = as_user(cast.make_cast(cast.make_engagement("Contoso")).engineer)
    for page in (desk(run), group_page(run), reverse("admin:reports_exceptions_rerun", args=[run.pk])):
        assert stranger.get(page).status_code == 404
