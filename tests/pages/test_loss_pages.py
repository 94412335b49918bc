"""What arrives with less in the portal and on the run's page: read by all, accepted or refused by the approver, recorded by an engineer."""

from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from loads.losses.models import Loss, LossDecision
from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "/engagements/northwind/losses/"
MARKUP = "<i>odd</i>"


def lose(run, column="jobtitle", **fields):
    given = {"kind": "shortened", "code": "text.shortened", "field": MARKUP, "kept_in": "mwb_original_values", "values": 1_200}
    phase = run.phases.get(table="contact")
    samples = [{"source_id": "u-1", "was": f"{MARKUP} long", "became": "long", "detail": "900 of 100"}]
    return Loss.objects.create(run=run, phase=phase, object_name="user", table="contact", column=column, samples=samples, **given | fields)


@pytest.fixture
def run(northwind, people):
    cast.make_planned(northwind)
    run = cast.make_run(northwind, people.engineer)
    lose(run)
    lose(run, "birthdate", kind="emptied", code="date.unparseable", kept_in="", values=1)
    return run


def decide(client, choice, **changes):
    data = {"shown_sha256": client.get(PAGE).context["sha256"], "choice": choice, "read": "on", "comment": "Agreed.", **changes}
    return client.post(PAGE, data)


def test_losses_are_shown_by_object_with_counts_samples_and_where_the_whole_is(run, people, as_user):
    text = as_user(people.viewer).get(PAGE).content.decode()
    for expected in (
        "jobtitle",
        "1,200",
        "&lt;i&gt;odd&lt;/i&gt; long",
        "Kept on the row, in",
        "mwb_original_values",
        "Left empty",
        run.key,
    ):
        assert expected in text, expected
    assert MARKUP not in text
    assert not cast.INLINE_CODE.search(text)
    assert "Only a customer approver" in text


def test_the_approver_is_asked_and_accepts_what_was_shown(run, northwind, people, as_user):
    client = as_user(people.approver)
    overview = unescape(client.get("/engagements/northwind/").content.decode())
    assert "hasn't accepted what arrives with less" in overview
    assert "Read what arrives with less, and accept it" in client.get("/engagements/northwind/sandbox/").content.decode()
    assert decide(client, "accepted").status_code == 302
    decision = LossDecision.objects.get()
    assert (decision.choice, decision.decided_by, decision.address) == ("accepted", str(people.approver), "127.0.0.1")
    entry = AuditEntry.objects.get(engagement=northwind, action="accepted losses")
    assert entry.detail["content_sha256"] == decision.content_sha256
    assert gates.missing("sandbox signature", northwind) == []
    assert "Accepted</strong> by" in client.get(PAGE).content.decode()
    assert '<button class="button">Sign as' in client.get("/engagements/northwind/sandbox/").content.decode()


def test_what_changed_behind_the_page_is_not_accepted_and_asks_again_after_it_was(run, people, as_user):
    client = as_user(people.approver)
    old = client.get(PAGE).context["sha256"]
    lose(run, "lastname", values=3)
    assert decide(client, "accepted", shown_sha256=old).status_code == 409
    assert decide(client, "accepted").status_code == 302
    lose(run, "firstname", values=3)
    assert "about another state of this run" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("choice", "broken", "says"),
    [
        ("accepted", {"read": ""}, "Tick the box"),
        ("refused", {"comment": " "}, "A refusal says why"),
        ("maybe", {}, "Select a valid choice"),
    ],
)
def test_an_answer_without_the_tick_or_the_reason_is_refused(run, people, as_user, choice, broken, says):
    answer = decide(as_user(people.approver), choice, **broken)
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not LossDecision.objects.exists()


def test_a_refusal_keeps_the_sandbox_unsigned_with_its_reason(run, northwind, people, as_user):
    assert decide(as_user(people.approver), "refused", comment="Widen the title.").status_code == 302
    [missing] = gates.missing("sandbox signature", northwind)
    assert missing.says.endswith(f"refused what arrives with less in {run}: Widen the title.")


@pytest.mark.parametrize("role", ["engineer", "viewer", "admin"])
def test_nobody_but_the_approver_decides(run, people, as_user, role):
    assert decide(as_user(getattr(people, role)), "accepted").status_code == 403
    assert not LossDecision.objects.exists()


def test_an_engineer_records_on_the_runs_page_what_the_customer_said(run, people, as_user):
    client = as_user(people.engineer)
    page = reverse("admin:loads_run_losses", args=[run.pk])
    assert "The customer hasn't decided" in unescape(client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode())
    shown = client.get(page)
    assert "1,201 values" in shown.content.decode()
    given = {"shown": shown.context["loss_sha256"], "choice": "accepted", "comment": "On the telephone."}
    assert client.post(page, given).status_code == 400
    said = {"said_by": people.approver.pk, "said_on": timezone.now().date().isoformat()}
    assert client.post(page, {**given, **said}).status_code == 302
    decision = LossDecision.objects.get()
    assert decision.decided_by == f"{people.approver}, recorded by {people.engineer}"
    assert AuditEntry.objects.get(action="accepted losses").detail["said_by"] == str(people.approver)


def test_the_hand_off_waits_for_what_production_lost_and_for_nothing_where_nothing_was(run, northwind, people, as_user):
    assert gates.missing("handoff", northwind) == []
    production = cast.make_run(northwind, people.engineer, kind="production")
    assert gates.missing("handoff", northwind) == []
    lose(production)
    [missing] = gates.missing("handoff", northwind)
    assert (missing.move, "1,200 values in 1 group." in missing.says) == ("approver", True)
    client = as_user(people.approver)
    page = f"{PAGE}?run={production.pk}"
    sha256 = client.get(page).context["sha256"]
    assert client.post(page, {"shown_sha256": sha256, "choice": "accepted", "read": "on"}).status_code == 302
    assert gates.missing("handoff", northwind) == []
    assert client.get(f"{PAGE}?run=999999").status_code == 404
