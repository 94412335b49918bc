"""The portal: what a person sees is theirs, escaped, and needs no script."""

import pytest

from tests.pages import cast
from workbench.engagements.models import Engagement, Membership
from workbench.pipeline.models import Step

pytestmark = pytest.mark.django_db
PAGES = ["/", "/engagements/northwind/", "/engagements/northwind/matrix/", "/engagements/northwind/sandbox/", "/password/"]


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


def test_names_are_text_whatever_they_hold(people, as_user):
    name = "<b>Bold</b> & {{ 7|add:7 }}"
    engagement = Engagement.objects.create(name=name, slug="bold", platform="iterable")
    Membership.objects.create(engagement=engagement, user=people.approver, role="approver")
    for page in ("/", "/engagements/bold/", "/engagements/bold/matrix/"):
        text = as_user(people.approver).get(page).content.decode()
        assert "<b>Bold" not in text
        assert "{{ 7|add:7 }}" in text


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
