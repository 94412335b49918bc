"""The portal: what a person sees is theirs, escaped, and needs no script."""

import html
from collections import Counter

import pytest
from django.urls import reverse

from connectors.base import Finding
from mapping import plan
from mapping.checks.keeping import keep
from tests.pages import cast
from workbench.engagements.models import Engagement, Membership
from workbench.pipeline.models import Step

pytestmark = pytest.mark.django_db
PAGES = [
    "/",
    "/engagements/northwind/",
    "/engagements/northwind/matrix/",
    "/engagements/northwind/sandbox/",
    "/engagements/northwind/decisions/",
    "/engagements/northwind/tickets/",
    "/engagements/northwind/words/",
    "/password/",
]


@pytest.fixture
def planned(northwind, people):
    cast.make_planned(northwind)
    Step.objects.create(engagement=northwind, name="discover", state="done", requested_by="ada")
    cast.make_run(northwind, people.engineer)
    return northwind


def test_every_page_asks_for_a_sign_in_first(client, northwind):
    for page in PAGES:
        answer = client.get(page)
        assert answer.status_code == 302
        assert answer.url.startswith("/sign-in/?next=")


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("role", ["engineer", "approver", "viewer", "admin"])
def test_every_page_answers_for_every_role_under_a_policy_that_allows_no_inline_code(people, as_user, role):
    client = as_user(getattr(people, role))
    for page in PAGES:
        answer = client.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not cast.INLINE_CODE.search(text), page


def test_somebody_elses_engagement_is_not_there(northwind, people, as_user):
    cast.make_engagement("Contoso")
    client = as_user(people.approver)
    assert "Contoso" not in client.get("/").content.decode()
    for page in ("", "matrix/", "sandbox/"):
        assert client.get(f"/engagements/contoso/{page}").status_code == 404
        assert client.post(f"/engagements/contoso/{page}").status_code in (404, 405) or not page
    assert client.get("/engagements/contoso/").content == client.get("/engagements/nobody/").content


@pytest.mark.parametrize(("role", "asked"), [("approver", True), ("viewer", False), ("engineer", False), ("admin", False)])
def test_the_approver_is_asked_to_sign_and_nobody_else(planned, people, as_user, role, asked):
    text = as_user(getattr(people, role)).get("/").content.decode()
    assert ("Read the split matrix and sign it." in text) is asked


def test_the_dynamics_admin_is_asked_for_owners(planned, people, as_user):
    planned.owner_matches.update(kind="open", answer="")
    text = as_user(people.admin).get("/engagements/northwind/").content.decode()
    assert "Asked of you" in text
    assert "no answer for" in text


def test_nobody_is_asked_for_owners_before_discovery_found_any(northwind, people, as_user):
    assert "Asked of you" not in as_user(people.admin).get("/engagements/northwind/").content.decode()


def test_a_long_list_of_what_is_missing_is_folded_by_whose_move_it_is(planned, people, as_user):
    planned.object_maps.update(confirmed=False)
    text = as_user(people.viewer).get("/engagements/northwind/").content.decode()
    assert f"<summary>{len(plan.PARTS)} things to do. " in text
    assert "The customer hasn&#x27;t signed the split matrix. <span" in text


def test_names_are_text_whatever_they_hold(people, as_user):
    name = "<b>Bold</b> & {{ 7|add:7 }}"
    engagement = Engagement.objects.create(name=name, slug="bold", platform="iterable")
    Membership.objects.create(engagement=engagement, user=people.approver, role="approver")
    for page in ("/", "/engagements/bold/", "/engagements/bold/matrix/"):
        text = as_user(people.approver).get(page).content.decode()
        assert "<b>Bold" not in text
        assert "{{ 7|add:7 }}" in text


def test_an_offers_words_stand_beside_the_true_ones_with_the_engagements_prefix(northwind, people, as_user):
    page = as_user(people.viewer).get("/engagements/northwind/words/").content.decode()
    for said, called in (
        ("External ID", f"{northwind.prefix}_sourceid"),
        ("Price book, price book entry", "pricelevel, productpricelevel"),
    ):
        assert page.index(said) < page.index(called) < page.index(said) + 200


def test_someone_without_an_engagement_is_told_what_to_do(as_user):
    text = as_user(cast.make_user("lonely")).get("/").content.decode()
    assert "Ask your contact" in text
    assert "lonely" in text


def test_a_person_changes_their_own_password(people, as_user):
    new = "another good phrase"
    data = {"old_password": cast.PASSWORD, "new_password1": new, "new_password2": new}
    assert as_user(people.viewer).post("/password/", data).status_code == 302
    people.viewer.refresh_from_db()
    assert people.viewer.check_password(new)


def quiet_findings(engagement, count: int = 1):
    """Plug-in steps that production would set off."""
    production = engagement.environments.get(kind="production")
    made = [Finding("quiet_plugin_steps", "warning", f"Runs {n}.", subject=f"Step {n}") for n in range(count)]
    keep(engagement, production, made, actor="discovery")


def test_the_dynamics_admin_decides_ticked_findings_and_all_the_others_at_once(northwind, people, as_user):
    quiet_findings(northwind, 40)
    client, page = as_user(people.admin), f"/engagements/{northwind.slug}/decisions/"
    assert "40 decisions to take" in client.get(f"/engagements/{northwind.slug}/").content.decode()
    assert "All 40" in client.get(page).content.decode()
    given = {"check": "quiet_plugin_steps", "comment": "They write e-mails."}
    client.post(page, {**given, "keys": ["quiet_plugin_steps:Step 3"], "decision": "off"})
    client.post(page, {**given, "every": "1", "decision": "bypass"})
    decided = Counter(northwind.findings.values_list("decision", "decided_by"))
    assert decided == {("bypass", str(people.admin)): 39, ("off", str(people.admin)): 1}
    assert "Every decision is taken" in client.get(page).content.decode()
    front = client.get(f"/engagements/{northwind.slug}/").content.decode()
    assert "1 still to do (off for the window): Step 3." in front
    assert "Engineer's move" in html.unescape(front)
    assert "still to do" not in front.partition("Where it stands")[0]  # not asked of who can't press the button
    cockpit = reverse("admin:engagements_engagement_change", args=[northwind.pk])
    assert '<a class="mw-link" href="#decisions">Plug-in steps: 1 still to do' in as_user(people.engineer).get(cockpit).content.decode()


def test_what_was_decided_to_be_done_is_asked_of_who_decided_it(northwind, people, as_user):
    made = [Finding("drift", "warning", "Sandbox only.", subject="mwb_tier")]
    keep(northwind, northwind.environments.get(kind="production"), made, actor="discovery")
    client, page = as_user(people.admin), f"/engagements/{northwind.slug}/"
    client.post(f"{page}decisions/", {"check": "drift", "keys": ["drift:mwb_tier"], "decision": "align"})
    asked = f'<a href="{page}decisions/?show=all">Differences: 1 still to do (align the environments): mwb_tier.'
    assert asked in client.get(page).content.decode()
    assert asked not in as_user(people.approver).get(page).content.decode()


@pytest.mark.parametrize(("role", "status"), [("approver", 403), ("viewer", 403), ("engineer", 403)])
def test_a_decision_of_another_role_is_read_only(northwind, people, as_user, role, status):
    quiet_findings(northwind)
    client, page = as_user(getattr(people, role)), f"/engagements/{northwind.slug}/decisions/"
    shown = client.get(page).content.decode()
    assert "Step 0" in shown
    assert '<button class="button">Decide' not in shown
    answer = client.post(page, {"check": "quiet_plugin_steps", "keys": ["quiet_plugin_steps:Step 0"], "decision": "run"})
    assert answer.status_code == status
    assert not northwind.findings.exclude(decision="").exists()


def test_a_decision_without_a_ticked_line_says_what_is_missing(northwind, people, as_user):
    quiet_findings(northwind)
    answer = as_user(people.admin).post(f"/engagements/{northwind.slug}/decisions/", {"check": "quiet_plugin_steps", "decision": "run"})
    assert answer.status_code == 400
    assert "Tick at least one line" in answer.content.decode()
