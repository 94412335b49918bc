"""The data-quality report in the portal and on the run's page: everybody reads it, the approver decides, also about many at once."""

import pytest
from django.utils import timezone

from loads.models import QualityGroup, Run
from loads.sums import AMOUNTS, DISPOSITIONS
from mapping.models import QualityDecision, QualityDuty
from reports import quality
from tests.pages import cast
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE, DECIDE = "/engagements/northwind/quality/", "/engagements/northwind/quality/decide/"
DUTY = "/engagements/northwind/quality/duty/"
MARKUP = "<b>=HYPERLINK()</b>"


@pytest.fixture
def run(northwind, people):
    cast.make_planned(northwind)
    run = cast.make_run(northwind, people.engineer, state="paused", measured_at=cast.NOON)
    groups = [
        ("score", "number.unparseable", "loss", 1_200),
        (MARKUP, "text.shortened", "loss", 3),
        ("", "email.missing", "hold", 7),
        ("", "split.review", "hold", 40),
    ]
    for field, code, severity, records in groups:
        samples = [[f"u-{MARKUP}", MARKUP * 40]]
        QualityGroup.objects.create(
            run=run, object_name="user", field=field, code=code, severity=severity, records=records, samples=samples
        )
    return run


def group(code):
    return QualityGroup.objects.get(code=code).pk


def send(client, given, **fields):
    """Answer about the groups as the page shows them now."""
    shown = client.get(DECIDE, given).context
    return client.post(DECIDE, {**given, "shown": shown["found"].digest if shown and "found" in shown else "", **fields}, follow=True)


def choices():
    return {decision.code: decision.choice for decision in QualityDecision.objects.all()}


@pytest.mark.parametrize("role", ["engineer", "viewer", "admin"])
def test_others_than_the_approver_read_and_do_not_decide(run, people, as_user, role):
    client = as_user(getattr(people, role))
    for address in (PAGE, f"{DECIDE}?all=1"):
        text = client.get(address).content.decode()
        assert 'name="choice"' not in text
        assert ('name="group"' in text) == (role == "engineer" and address == PAGE)  # who may say who sees to them
        assert MARKUP not in text
        assert not cast.INLINE_CODE.search(text)
    assert client.post(DECIDE, {"group": group("email.missing"), "choice": "skip"}).status_code == 403
    assert not choices()


def test_somebody_of_another_customer_sees_nothing(run, as_user):
    other = cast.make_cast(cast.make_engagement("Southwind"))
    assert as_user(other.approver).get(PAGE).status_code == 404
    assert as_user(other.approver).post(DECIDE, {"group": group("email.missing"), "choice": "skip"}).status_code == 404


def test_the_approver_is_asked_and_decides_about_one_group(run, people, as_user):
    client = as_user(people.approver)
    assert PAGE in client.get("/engagements/northwind/").content.decode()
    shown = client.get(f"{DECIDE}?group={group('number.unparseable')}").content.decode()
    assert "1,200 records" in shown
    answer = send(client, {"group": group("number.unparseable")}, choice="clean", comment="Ask Eva")
    assert "Decided about 1 group." in answer.content.decode()
    assert choices() == {"number.unparseable": "clean"}


def test_all_are_decided_as_proposed_and_taken_back_at_once(run, people, as_user):
    client = as_user(people.approver)
    send(client, {"all": "1", "show": "open"}, choice="proposed")
    assert choices() == {"number.unparseable": "text", "text.shortened": "text", "email.missing": "clean"}
    # Nothing is provisioned here, so that a gate is closed.
    assert "The run doesn&#x27;t go on by itself: Load can&#x27;t start:" in client.get(PAGE).content.decode()
    send(client, {"all": "1", "show": "decided"}, choice="")
    assert not choices()


def give(client, page, given, owner, day):
    """Give the groups an owner and a day, as the page shows them now."""
    shown = client.get(page, given).context["found"].digest
    return client.post(page, {**given, "shown": shown, "owner": owner.pk, "due_on": day}, follow=True)


def test_groups_get_an_owner_and_a_day_many_at_once_and_what_is_overdue_is_told(run, people, as_user):
    answer = give(as_user(people.approver), DUTY, {"all": "1", "show": "open"}, people.viewer, "2999-01-01")
    assert "3 groups have an owner and a day." in answer.content.decode()
    assert f"{people.viewer.get_full_name()}, until 1 Jan 2999" in as_user(people.viewer).get(PAGE).content.decode()
    page = f"/admin/loads/run/{run.pk}/quality/duty/"
    answer = give(as_user(people.engineer), page, {"group": group("number.unparseable")}, people.admin, timezone.now().date().isoformat())
    assert "1 group has an owner and a day." in answer.content.decode()
    QualityDuty.objects.filter(owner=people.admin).update(due_on="2026-05-04")
    for address in ("/", "/engagements/northwind/"):
        assert "1 group of the data-quality report to see to, 1 overdue." in as_user(people.admin).get(address).content.decode()
        assert "2 groups of the data-quality report to see to." in as_user(people.viewer).get(address).content.decode()
        assert "without a decision. 1 of them is overdue." in as_user(people.approver).get(address).content.decode()
    cockpit = as_user(people.engineer).get(f"/admin/engagements/engagement/{run.engagement_id}/change/").content.decode()
    assert "without a decision. 1 of them is overdue." in cockpit
    told = {one["code"]: (one["owner"], one["due_on"], one["overdue"]) for one in quality.content(run)["groups"] if one["asks"]}
    assert told["number.unparseable"] == (people.admin.get_full_name(), "2026-05-04", True)
    assert told["email.missing"] == (people.viewer.get_full_name(), "2999-01-01", False)
    send(as_user(people.approver), {"all": "1", "show": "overdue"}, choice="clean")
    assert choices() == {"number.unparseable": "clean"}
    assert "overdue" not in as_user(people.approver).get("/").content.decode()
    assert AuditEntry.objects.filter(action="gave data to clean").count() == 2


def test_owner_and_day_come_from_who_leads_the_work_and_fit(run, people, as_user):
    assert as_user(people.viewer).get(DUTY, {"all": "1"}).status_code == 403
    client, stranger = as_user(people.approver), cast.make_cast(cast.make_engagement("Southwind")).viewer
    for owner, day in ((stranger, "2999-01-01"), (people.viewer, "2020-01-01"), (people.viewer, "")):
        assert give(client, DUTY, {"all": "1", "show": "open"}, owner, day).status_code == 400
    assert not QualityDuty.objects.exists()


def test_an_answer_that_a_group_does_not_offer_is_refused(run, people, as_user):
    client = as_user(people.approver)
    for code, choice in (("email.missing", "text"), ("number.unparseable", "default"), ("email.missing", "nonsense")):
        assert send(client, {"group": group(code)}, choice=choice).status_code == 400
    answer = send(client, {"group": group("split.review")}, choice="skip")
    assert "No group is chosen" in answer.content.decode()
    assert not choices()


def test_pages_without_a_report_or_without_problems_say_so(northwind, people, as_user):
    client = as_user(people.approver)
    assert "No report yet" in client.get(PAGE).content.decode()
    cast.make_planned(northwind)
    cast.make_run(northwind, people.engineer, measured_at=cast.NOON)
    assert "Nothing would fail" in client.get(PAGE).content.decode()


def test_the_runs_page_shows_the_report(run, people, as_user):
    text = as_user(people.engineer).get(f"/admin/loads/run/{run.pk}/change/").content.decode()
    assert "The value can&#x27;t be read as a number without guessing." in text
    assert MARKUP not in text


def test_what_money_comes_to_stands_on_both_pages_with_what_cannot_be_explained(run, people, as_user):
    counts = dict.fromkeys(DISPOSITIONS, 0) | {"object": "purchase", "landed": 9, "planned": 9, "doubled": 0}
    amounts = dict.fromkeys(AMOUNTS, "0") | {"landed": "1234567.5", "staged": "1234567", "unexplained": "0.5"}
    money = {"object": "purchase", "name": "total", "currency": "EUR", **amounts, "without": 0, "differing": 1, "positions": [3]}
    Run.objects.filter(pk=run.pk).update(sums={"records": [counts], "money": [money], "left": []})
    for client, page in ((as_user(people.viewer), PAGE), (as_user(people.engineer), f"/admin/loads/run/{run.pk}/change/")):
        text = client.get(page).content.decode()
        assert "1,234,567.5" in text
        assert "Of purchase 0.5 EUR (total) of 1234567.5 landed can&#x27;t be explained: 1 record, at place 3 of the dataset." in text


def test_a_report_of_hundreds_of_groups_takes_few_queries(run, people, as_user, django_assert_max_num_queries):
    made = [
        QualityGroup(run=run, object_name="user", field=f"f{n}", code="choice.unmapped", severity="loss", records=n) for n in range(500)
    ]
    QualityGroup.objects.bulk_create(made)
    with django_assert_max_num_queries(30):
        as_user(people.approver).get(PAGE)


def test_a_run_that_waits_for_decisions_is_the_customers_move_and_no_failure(run, people, as_user):
    text = as_user(people.viewer).get("/engagements/northwind/").content.decode()
    assert "The data-quality report has 3 groups (1,210 records) without a decision." in text
    assert "The engineer is looking at it." not in text
    run.message = "Paused by somebody."
    run.measured_at = None
    run.save()
    assert "The engineer is looking at it." in as_user(people.viewer).get("/engagements/northwind/").content.decode()


def test_an_answer_is_given_to_the_groups_that_were_shown_and_to_no_others(run, people, as_user):
    client = as_user(people.approver)
    shown = client.get(DECIDE, {"all": "1", "show": "open"}).context["found"].digest
    QualityGroup.objects.create(run=run, object_name="user", field="late", code="choice.unmapped", severity="loss", records=9)
    answer = client.post(DECIDE, {"all": "1", "show": "open", "shown": shown, "choice": "skip"})
    assert answer.status_code == 400
    assert "The report changed while this page was open." in answer.content.decode()
    assert not choices()


def test_an_engineer_records_what_the_customer_said_with_who_and_when(run, people, as_user):
    page, client = f"/admin/loads/run/{run.pk}/quality/", as_user(people.engineer)
    given = {"group": group("number.unparseable")}
    shown = client.get(page, given)
    assert "1,200 records" in shown.content.decode()
    sent = {**given, "shown": shown.context["found"].digest, "choice": "clean", "comment": "On the telephone"}
    for who, day in (("", "2026-05-04"), (people.viewer.pk, "2026-05-04"), (people.approver.pk, ""), (people.approver.pk, "2999-01-01")):
        assert client.post(page, {**sent, "said_by": who, "said_on": day}).status_code == 400
    assert not choices()
    answer = client.post(page, {**sent, "said_by": people.approver.pk, "said_on": "2026-05-04"}, follow=True)
    assert "Recorded for 1 group" in answer.content.decode()
    decision = QualityDecision.objects.get()
    assert decision.decided_by == f"{people.approver}, recorded by {people.engineer}"
    assert decision.decided_at.date().isoformat() == "2026-05-04"
    entry = AuditEntry.objects.get(action="decided clean")
    assert (entry.actor, entry.detail["said_by"], entry.detail["said_on"]) == (str(people.engineer), str(people.approver), "2026-05-04")


def test_a_report_that_is_closed_is_read_and_an_engineer_alone_records_for_the_next_run(run, people, as_user):
    Run.objects.filter(pk=run.pk).update(state="done")
    client, given = as_user(people.approver), {"group": group("number.unparseable")}
    assert 'name="group"' not in client.get(PAGE).content.decode()
    answer = send(client, given, choice="clean")
    assert "its report is closed" in answer.content.decode()
    assert answer.status_code == 400
    assert 'name="choice"' not in client.get(DECIDE, given).content.decode()
    assert not choices()
    page, client = f"/admin/loads/run/{run.pk}/quality/", as_user(people.engineer)
    shown = client.get(page, given)
    assert "next run" in shown.content.decode()
    sent = {**given, "shown": shown.context["found"].digest, "choice": "clean"}
    client.post(page, {**sent, "said_by": people.approver.pk, "said_on": "2026-05-04"})
    assert choices() == {"number.unparseable": "clean"}


def test_others_engineers_and_customers_have_no_page_to_record_on(run, people, as_user):
    other = cast.make_cast(cast.make_engagement("Southwind"))
    page = f"/admin/loads/run/{run.pk}/quality/?all=1"
    assert as_user(other.engineer).get(page).status_code == 404
    assert as_user(people.approver).get(page).status_code == 302
