"""The removal of provisioned schema: signed in the portal for production, agreed to by an engineer's word for the sandbox."""

from html import unescape

import pytest
from django.urls import reverse

from loads.models import SchemaRemoval
from loads.removal import opening
from reports import certificate
from reports.books.certificate import book
from tests.pages import cast
from workbench.engagements import gates, signoffs
from workbench.engagements.models import AuditEntry, SignOff

pytestmark = pytest.mark.django_db
PAGE = "/engagements/northwind/removal/"
MARKUP = "<i>odd</i>"


def plan(engagement, kind="production") -> SchemaRemoval:
    goes = {"kind": "String", "table": "contact", "column": "mwb_sourceid", "rows": 0, "made": True, "dependents": "", "verdict": "remove"}
    stays = {**goes, "column": MARKUP, "rows": 3, "verdict": "keep", "reason": "3 rows hold a value in it."}
    environment = engagement.environments.get(kind=kind)
    return SchemaRemoval.objects.create(environment=environment, requested_by="ada", components=[{**goes, "reason": ""}, stays])


def sign(client, **changes):
    shown = client.get(PAGE).context
    return client.post(PAGE, {"shown_sha256": shown["sha256"], "read": "on", "note": "Agreed.", **changes})


def missing(engagement, kind="production") -> list[str]:
    return [one.says for one in gates.missing("removal", engagement, engagement.environments.get(kind=kind))]


def test_the_approver_is_asked_reads_what_goes_and_what_stays_and_signs_it(northwind, people, as_user):
    removal, client = plan(northwind), as_user(people.approver)
    assert missing(northwind) == [f"The customer hasn't signed: {removal}."]
    assert "Read what would be removed of the schema" in client.get("/engagements/northwind/").content.decode()
    text = client.get(PAGE).content.decode()
    for expected in ("mwb_sourceid", "&lt;i&gt;odd&lt;/i&gt;", "3 rows hold a value in it.", "https://production.crm4.dynamics.com"):
        assert expected in text, expected
    assert not cast.INLINE_CODE.search(text)
    assert sign(client).status_code == 302
    removal.refresh_from_db()
    signoff = SignOff.objects.get(kind="schema")
    assert (removal.signoff, removal.agreed_by, signoff.content) == (signoff, people.approver, opening.content(removal))
    assert missing(northwind) == []
    assert AuditEntry.objects.get(engagement=northwind, action="signed schema").detail["content_sha256"] == signoff.content_sha256
    assert "This is signed" in client.get(PAGE).content.decode()
    told = certificate.content(signoff)
    assert told["holds"]
    assert [part.heading for part in book(told).parts][1:3] == ["To be removed, where still empty", "To be kept"]


def test_a_newer_plan_needs_a_signature_of_its_own(northwind, people, as_user):
    client = as_user(people.approver)
    plan(northwind)
    old = client.get(PAGE).context["sha256"]
    sign(client)
    newer = plan(northwind)
    assert missing(northwind) == [f"The customer hasn't signed: {newer}."]
    assert sign(client, shown_sha256=old).status_code == 409
    assert '<button class="button">Sign as' in client.get(PAGE).content.decode()


@pytest.mark.parametrize("role", ["engineer", "viewer", "admin"])
def test_nobody_but_the_approver_signs_and_no_engineer_agrees_for_production(northwind, people, as_user, role):
    removal, user = plan(northwind), getattr(people, role)
    assert sign(as_user(user)).status_code == 403
    with pytest.raises(opening.NotYours):
        opening.agree(removal, user, shown_sha256=signoffs.content_hash(opening.content(removal)))
    assert not SchemaRemoval.objects.exclude(agreed_at=None).exists()


def test_while_something_loaded_is_there_nothing_is_signed_or_agreed_to(northwind, people, as_user):
    cast.make_planned(northwind)
    plan(northwind)
    run = cast.make_run(northwind, people.engineer, kind="production")
    cast.make_chunks(run.phases.last(), done=1, waiting=0)
    text = unescape(as_user(people.approver).get(PAGE).content.decode())
    assert "There is nothing to sign yet" in text
    assert f"{run} isn't taken back whole" in text
    assert "Read what would be removed" not in as_user(people.approver).get("/engagements/northwind/").content.decode()


def test_an_engineer_agrees_for_the_sandbox_by_its_word_to_exactly_what_was_shown(northwind, people, as_user):
    removal, client = plan(northwind, "sandbox"), as_user(people.engineer)
    page, agree = (reverse(f"admin:loads_schemaremoval_{name}", args=[removal.pk]) for name in ("change", "agree"))
    shown = client.get(page)
    text = unescape(shown.content.decode())
    assert "write the word <strong>Sandbox</strong>" in text
    assert "3 rows hold a value in it." in text
    given = {"word": "go", "shown": shown.context["sha256"]}
    assert "write the word Sandbox" in unescape(client.post(agree, given, follow=True).content.decode())
    assert "Read the page again" in client.post(agree, {"word": "sandbox", "shown": "0" * 64}, follow=True).content.decode()
    assert missing(northwind, "sandbox") == [f"Nobody has agreed to: {removal}."]
    text = client.post(agree, {**given, "word": "sandbox"}, follow=True).content.decode()
    assert "Remove the schema now" in text
    assert AuditEntry.objects.get(engagement=northwind, action="agreed to schema removal").detail == {"content_sha256": given["shown"]}
    assert "removal of the schema" in client.get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()


def test_an_engineer_of_another_engagement_sees_no_removal_and_plans_none(northwind, people, as_user):
    removal = plan(northwind, "sandbox")
    other = as_user(cast.make_cast(cast.make_engagement("Contoso")).engineer)
    page = reverse("admin:loads_schemaremoval_change", args=[removal.pk])
    assert other.get(page).status_code in (302, 403, 404)
    assert other.post(reverse("admin:loads_schemaremoval_agree", args=[removal.pk]), {"word": "Sandbox"}).status_code == 404
    removal.refresh_from_db()
    assert removal.agreed_at is None
