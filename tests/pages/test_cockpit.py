"""The engagement's page: what is missing and whose move it is, buttons that start steps, live progress."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from loads.models import Run
from mapping import plan
from mapping.models import DiscoveryFinding
from tests.pages import cast
from workbench.engagements import signoffs
from workbench.engagements.models import Engagement, Membership
from workbench.pipeline.cockpit import latest_runs
from workbench.pipeline.models import Step
from workbench.pipeline.way import way

pytestmark = pytest.mark.django_db


def states(engagement) -> dict[str, str]:
    return {stage.key: stage.state for stage in way(engagement)}


def done(engagement, name, environment=None):
    return Step.objects.create(engagement=engagement, environment=environment, name=name, state="done", requested_by="ada")


def sign_matrix(engagement, user):
    covers = plan.covers(version for part, version in plan.current(engagement).items() if part in plan.MATRIX_PARTS)
    signoffs.sign(
        engagement=engagement, kind="matrix", covers=covers, content={}, user=user, shown_sha256=signoffs.content_hash({}), address=None
    )


def start(client, engagement, step, environment=""):
    return client.post(
        reverse("admin:engagements_engagement_start", args=[engagement.pk]), {"step": step, "environment": environment}, follow=True
    )


def test_a_new_engagement_begins_with_discovery_and_everything_else_waits(northwind):
    found = states(northwind)
    assert found.pop("discovery") == "ready"
    assert set(found.values()) == {"waiting"}


def test_before_anything_was_counted_nobody_is_shown_an_estimate(northwind, people, as_user):
    told = as_user(people.approver).get("/engagements/northwind/scope/").content.decode()
    assert "there is no estimate" in told
    assert "weeks" not in told
    assert "weeks" not in as_user(people.engineer).get(reverse("admin:engagements_engagement_scope", args=[northwind.pk])).content.decode()
    cast.make_discovered(northwind)
    assert "weeks" in as_user(people.approver).get("/engagements/northwind/scope/").content.decode()


def test_the_way_moves_on_as_things_are_done(northwind, people):
    cast.make_planned(northwind)
    done(northwind, "discover")
    found = states(northwind)
    assert (found["discovery"], found["plan"], found["matrix"], found["extraction"]) == ("done", "ready", "ready", "waiting")
    plan.confirm(northwind, plan.PARTS, user=people.engineer)
    sign_matrix(northwind, people.approver)
    found = states(northwind)
    assert (found["plan"], found["matrix"], found["extraction"], found["sandbox-provision"]) == ("done", "done", "ready", "ready")
    assert found["production-provision"] == "waiting"


def test_an_edit_after_the_signature_opens_the_matrix_again(northwind, people):
    cast.make_planned(northwind)
    done(northwind, "discover")
    sign_matrix(northwind, people.approver)
    northwind.split_rules.update(outcome="skip")
    stage = next(stage for stage in way(northwind) if stage.key == "matrix")
    assert stage.state == "ready"
    assert [item.move for item in stage.missing] == ["approver"]


def test_an_engagement_without_environments_says_so(db):
    bare = Engagement.objects.create(name="Bare", slug="bare", platform="iterable")
    stage = next(stage for stage in way(bare) if stage.key == "sandbox-provision")
    assert [item.says for item in stage.missing] == ["No sandbox environment is set up."]


def test_a_paused_run_needs_attention_and_says_why(northwind, people):
    cast.make_planned(northwind)
    cast.make_run(northwind, people.engineer, state="paused", message="The service doesn't answer.")
    stage = next(stage for stage in way(northwind) if stage.key == "sandbox-load")
    assert (stage.state, stage.says) == ("failed", "The service doesn't answer.")


@pytest.mark.parametrize(("state", "taken_back", "offered"), [("stopped", False, True), ("done", True, True), ("paused", False, False)])
def test_where_a_run_ended_early_or_was_taken_back_a_new_one_can_be_opened(northwind, people, as_user, state, taken_back, offered):
    cast.make_planned(northwind)
    run = cast.make_run(northwind, people.engineer, state=state)
    if taken_back:
        back = {"kind": "rollback", "undoes": run, "state": "done"}
        Run.objects.create(engagement=northwind, environment=run.environment, requested_by=people.engineer, **back)
    page = as_user(people.engineer).get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()
    assert ("Open a new run" in page) == offered


def test_the_page_says_what_is_missing_and_whose_move_it_is(northwind, people, as_user):
    text = as_user(people.engineer).get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()
    assert "The customer hasn&#x27;t signed the split matrix." in text
    assert "Customer approver's move" in text


def test_a_button_queues_its_step(northwind, people, as_user):
    answer = start(as_user(people.engineer), northwind, "discover")
    step = Step.objects.get(engagement=northwind)
    assert (step.name, step.state, step.requested_by) == ("discover", "queued", str(people.engineer))
    assert "Discovery is queued." in answer.content.decode()


def test_what_is_to_be_switched_off_in_an_environment_is_named_before_the_button(northwind, people, as_user):
    production = northwind.environments.get(kind="production")
    given = {
        "check_name": "quiet_slas",
        "subject": "Answer within <4> hours",
        "severity": "warning",
        "decision": "off",
        "decided_at": cast.NOON,
    }
    DiscoveryFinding.objects.create(engagement=northwind, environment=production, evidence="On lead.", asks=True, **given)
    page = as_user(people.engineer).get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()
    asked = page.split("Switch off in production…")[1].split("Switch off now")[0]
    assert "Answer within &lt;4&gt; hours" in asked


def test_a_closed_gate_is_told_and_nothing_starts(northwind, people, as_user):
    answer = start(as_user(people.engineer), northwind, "extract")
    assert "Extract can&#x27;t start" in answer.content.decode()
    assert not Step.objects.exists()


@pytest.mark.parametrize(
    ("step", "environment"), [("fly", ""), ("load", "999"), ("load", "x"), ("purge", ""), ("erase", ""), ("answer", "")]
)
def test_an_unknown_step_or_environment_is_refused(northwind, people, as_user, step, environment):
    assert start(as_user(people.engineer), northwind, step, environment).status_code == 400
    assert not Step.objects.exists()


def test_a_step_is_not_started_by_a_link_or_by_a_stranger_or_without_the_token(northwind, people, as_user):
    url = reverse("admin:engagements_engagement_start", args=[northwind.pk])
    assert as_user(people.engineer).get(url).status_code == 405
    stranger = cast.make_cast(cast.make_engagement("Contoso")).engineer
    assert as_user(stranger).post(url, {"step": "discover"}).status_code == 404
    guarded = as_user(people.engineer)
    guarded.handler.enforce_csrf_checks = True
    assert guarded.post(url, {"step": "discover"}).status_code == 403
    assert not Step.objects.exists()


def test_the_progress_of_a_running_step_is_live_and_silence_is_said(northwind, people, as_user):
    now = timezone.now()
    step = Step.objects.create(
        engagement=northwind, name="extract", state="running", progress="812 records", requested_by="ada", heartbeat_at=now
    )
    client, url = as_user(people.engineer), reverse("admin:engagements_engagement_live", args=[northwind.pk])
    first = client.get(url).json()
    assert (first["finished"], first["texts"]) == (False, {f"step-{step.pk}": "812 records"})
    Step.objects.filter(pk=step.pk).update(heartbeat_at=now - timedelta(minutes=5))
    assert "No sign of life for 5 min" in client.get(url).json()["texts"][f"step-{step.pk}"]
    Step.objects.filter(pk=step.pk).update(state="done")
    last = client.get(url).json()
    assert last["finished"]
    assert last["stamp"] != first["stamp"]


def test_who_opens_an_engagement_becomes_its_engineer(as_user):
    user = cast.make_user("grace", staff=True)
    data = {"name": "Fabrikam", "slug": "fabrikam", "platform": "iterable", "prefix": "fab", "options": "{}"}
    for prefix in ("memberships", "environments"):
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    assert as_user(user).post(reverse("admin:engagements_engagement_add"), data).status_code == 302
    assert Membership.objects.get(engagement__slug="fabrikam").user == user
    assert Engagement.objects.get(slug="fabrikam").history.get(action="added engagement").actor == "grace"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("[1]", "Write one JSON object"),
        ('{"lifecycle": "stage"}', "Unknown: lifecycle. Known are"),
        ('{"lifecycle_field": 5}', "lifecycle_field isn&#x27;t text."),
        ('{"day_zone": "Mars/Olympus"}', "There is no time zone"),
        ('{"lifecycle_field": "stage", "day_zone": "Europe/Oslo"}', None),
    ],
)
def test_names_and_zones_that_cannot_be_used_are_refused_on_the_page(as_user, northwind, people, options, said):
    address = reverse("admin:engagements_engagement_change", args=[northwind.pk])
    inlines = {f"{name}-{part}_FORMS": 0 for name in ("memberships", "environments") for part in ("TOTAL", "INITIAL")}
    form = {"name": "Northwind", "slug": northwind.slug, "platform": "iterable", "prefix": "mwb", "options": options}
    page = as_user(people.engineer).post(address, {**form, **inlines}, follow=True).content.decode()
    northwind.refresh_from_db()
    if said is None:
        assert northwind.options == {"lifecycle_field": "stage", "day_zone": "Europe/Oslo"}
    else:
        assert said in page
        assert northwind.options == {}


def test_only_platforms_that_have_a_playbook_can_be_chosen(admin_client):
    page = admin_client.get(reverse("admin:engagements_engagement_add")).content.decode()
    assert 'value="iterable"' in page
    assert 'value="wetroo"' not in page


def test_the_latest_runs_are_the_newest_ones(northwind, people):
    sandbox = northwind.environments.get(kind="sandbox")
    made = {"environment": sandbox, "requested_by": people.engineer, "state": Run.State.DONE, "parts": {}}
    runs = [Run.objects.create(engagement=northwind, **made) for _ in range(7)]
    assert latest_runs(northwind) == runs[:1:-1]


def test_the_first_page_says_where_each_engagement_of_the_engineer_stands_and_whose_move_it_is(northwind, people, as_user):
    cast.make_planned(northwind)
    done(northwind, "discover")
    cast.make_engagement("Contoso")
    answer = as_user(people.engineer).get(reverse("admin:index"))
    [row] = answer.context["standings"]
    assert (row.engagement, row.done, [stage.key for stage in row.now]) == (northwind, 1, ["plan", "matrix"])
    assert dict(row.moves) == {"engineer": len(plan.PARTS), "approver": 1}
    text = answer.content.decode()
    assert "Sign-off of the split matrix: to do" in text
    assert "Contoso" not in text


def test_a_run_of_many_phases_is_one_line(northwind, people, as_user):
    cast.make_planned(northwind)
    run = cast.make_run(northwind, people.engineer, state="paused")
    cast.make_phase(run, 3, "list", "campaign", state="unbalanced")
    cast.make_phase(run, 4, "list", "list", state="waiting")
    page = reverse("admin:engagements_engagement_change", args=[northwind.pk])
    text = as_user(people.engineer).get(page).content.decode()
    assert "2 of 4</span>" in text
    assert "list → campaign: doesn&#x27;t balance" in text
    assert "company → account" not in text
