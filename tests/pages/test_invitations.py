"""Invitations: an engineer asks somebody in, and the link is good once, for the right person, until it expires or is revoked."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.pages import cast
from workbench.engagements import invitations
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, Invitation, Membership
from workbench.portal.models import FailedSignIn

pytestmark = pytest.mark.django_db
ADD = "/admin/engagements/invitation/add/"
GRACE = "grace@customer.test"
GOOD = {"first_name": "Grace", "last_name": "Hopper", "password": "a ship in port is safe", "again": "a ship in port is safe"}


def invite(people, engagement, email=GRACE, role="approver"):
    return invitations.invite(engagement, email=email, role=role, by=people.engineer)


def link(made):
    return reverse("portal:invitation_link", args=[made.token])


def opened(made, client=None):
    client = client or Client()
    return client, client.get(link(made), follow=True)


def roles(email=GRACE):
    return list(Membership.objects.filter(user__username=email).values_list("engagement__slug", "role"))


def test_an_engineer_invites_and_is_shown_the_link_once_where_no_mail_server_is_set(northwind, people, as_user):
    client = as_user(people.engineer)
    answer = client.post(ADD, {"engagement": northwind.pk, "email": "Grace@Customer.test", "role": "approver"})
    text = answer.content.decode()
    assert "Pass this link on yourself" in text
    assert "no-store" in answer["Cache-Control"]
    [invitation] = Invitation.objects.all()
    assert (invitation.email, invitation.invited_by) == (GRACE, people.engineer)
    token = text.partition("testserver/invitation/")[2].partition("/")[0]
    assert Client().get(f"/invitation/{token}/", follow=True).status_code == 200
    for page in (reverse("admin:engagements_invitation_changelist"), f"/admin/engagements/invitation/{invitation.pk}/change/"):
        assert token[:20] not in client.get(page).content.decode()
    assert token not in str(Invitation.objects.values_list())
    assert AuditEntry.objects.get(action="invited").actor == str(people.engineer)
    assert not mail.outbox


def test_where_a_mail_server_is_set_the_link_is_sent_and_not_shown(northwind, people, as_user, settings):
    settings.EMAIL_URL = "smtp://mail.example.test"
    answer = as_user(people.engineer).post(ADD, {"engagement": northwind.pk, "email": GRACE, "role": "viewer"})
    text = answer.content.decode()
    assert "was sent by e-mail" in text
    assert "/invitation/" not in text.replace("/engagements/invitation/", "")
    [message] = mail.outbox
    assert message.to == [GRACE]
    token = message.body.partition("/invitation/")[2].partition("/")[0]
    assert invitations.opened(token).email == GRACE


def test_a_mail_server_that_fails_leaves_the_link_to_be_passed_on(northwind, people, as_user, settings):
    settings.EMAIL_URL, settings.EMAIL_BACKEND = "smtp://127.0.0.1:9", "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    answer = as_user(people.engineer).post(ADD, {"engagement": northwind.pk, "email": GRACE, "role": "viewer"})
    assert "Pass this link on yourself" in answer.content.decode()


def test_accepting_makes_the_account_gives_the_role_and_signs_in(northwind, people):
    client, page = opened(invite(people, northwind))
    text = page.content.decode()
    assert "customer approver" in text
    assert not cast.INLINE_CODE.search(text)
    answer = client.post("/invitation/", GOOD, follow=True)
    assert answer.redirect_chain[-1][0] == "/engagements/northwind/"
    assert "Welcome" in answer.content.decode()
    grace = User.objects.get(username=GRACE)
    assert (grace.email, grace.get_full_name(), grace.is_staff) == (GRACE, "Grace Hopper", False)
    assert roles() == [("northwind", "approver")]
    assert Client().login(username=GRACE, password=GOOD["password"])
    assert AuditEntry.objects.latest("number").action == "accepted invitation"


def test_looking_at_the_link_uses_nothing_up_and_accepting_does(northwind, people):
    made = invite(people, northwind)
    for _ in range(3):
        assert opened(made)[1].status_code == 200
    client, _ = opened(made)
    client.post("/invitation/", GOOD)
    _, again = opened(made)
    assert again.status_code == 410
    assert "was used already" in again.content.decode()
    late, _ = opened(made)
    assert late.post("/invitation/", GOOD).status_code == 410
    assert User.objects.filter(username=GRACE).count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "short", "again": "short"},
        {"password": "grace@customer.test", "again": "grace@customer.test"},
        {"again": "something else here"},
        {"first_name": ""},
    ],
)
def test_a_weak_or_mistyped_password_and_a_missing_name_are_refused_and_the_link_stays_good(northwind, people, fields):
    client, _ = opened(invite(people, northwind))
    assert client.post("/invitation/", {**GOOD, **fields}).status_code == 400
    assert not User.objects.filter(username=GRACE).exists()
    assert client.post("/invitation/", GOOD).status_code == 302


def test_expired_revoked_replaced_and_made_up_links_say_so(northwind, people, as_user):
    expired, revoked = invite(people, northwind, "a@customer.test"), invite(people, northwind, "b@customer.test")
    replaced = invite(people, northwind)
    newest = invite(people, northwind)
    Invitation.objects.filter(pk=expired.invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    given = {"action": "revoke_selected", "_selected_action": [revoked.invitation.pk]}
    text = as_user(people.engineer).post(reverse("admin:engagements_invitation_changelist"), given, follow=True).content.decode()
    assert "1 revoked, 0 were settled already." in text
    for made, status, says in ((expired, 410, "too old"), (revoked, 410, "was revoked"), (replaced, 410, "replaced by a newer one")):
        client, answer = opened(made)
        assert (answer.status_code, says in answer.content.decode()) == (status, True)
        assert client.post("/invitation/", GOOD).status_code == status
    for token in (newest.token[:-1] + ("a" if newest.token[-1] != "a" else "b"), "nonsense", "x" * 5_000):
        answer = Client().get(reverse("portal:invitation_link", args=[token]), follow=True)
        assert answer.status_code == 404
    assert opened(newest)[1].status_code == 200
    assert not Membership.objects.filter(user__username__contains="customer.test").exists()


def test_a_link_is_too_old_by_its_signature_too(northwind, people, monkeypatch):
    made = invite(people, northwind)
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=900))
    later = timezone.now().timestamp() + timedelta(days=8).total_seconds()
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert opened(made)[1].status_code == 410


def test_who_has_an_account_signs_in_and_keeps_their_password(northwind, people):
    ada = cast.make_user("ada")
    User.objects.filter(pk=ada.pk).update(email=GRACE)
    client, page = opened(invite(people, northwind))
    assert "has an account already" in page.content.decode()
    refused = client.post("/invitation/", GOOD)
    assert refused.status_code == 409
    ada.refresh_from_db()
    assert ada.check_password(cast.PASSWORD)
    signed_in = client.post("/sign-in/", {"username": "ada", "password": cast.PASSWORD, "next": "/invitation/"}, follow=True)
    assert "Take part as Ada" in signed_in.content.decode()
    assert client.post("/invitation/").url == "/engagements/northwind/"
    assert roles("ada") == [("northwind", "approver")]
    assert AuditEntry.objects.latest("number").actor == "ada"


def test_an_account_made_since_the_page_was_opened_is_not_doubled(northwind, people):
    made = invite(people, northwind)
    User.objects.filter(pk=cast.make_user("ada").pk).update(email=GRACE)
    with pytest.raises(invitations.OtherAccount):
        invitations.accept_anew(made.invitation, first_name="G", last_name="H", password=GOOD["password"], address=None)
    assert not User.objects.filter(username=GRACE).exists()
    assert invitations.opened(made.token)


def test_somebody_else_who_is_signed_in_does_not_take_the_place(northwind, people, as_user):
    made = invite(people, northwind)
    client, page = opened(made, as_user(people.viewer))
    assert "for somebody else" in page.content.decode()
    assert client.post("/invitation/", GOOD).status_code == 409
    assert not User.objects.filter(username=GRACE).exists()
    assert invitations.opened(made.token)


def test_inviting_says_the_same_whether_the_address_has_an_account_or_not(northwind, people, as_user):
    client, known = as_user(people.engineer), cast.make_user("known")

    def said(email):
        text = client.post(ADD, {"engagement": northwind.pk, "email": email, "role": "viewer"}).content.decode()
        panel = text[text.index('<div class="mw-panel">') :]
        return panel.replace(email, "").replace(panel.partition("testserver/invitation/")[2].partition("/")[0], "")

    strangers = said("unknown@example.test")
    assert said(known.email) == strangers


def test_an_engineer_invites_into_their_own_engagements_and_makes_no_engineers(northwind, people, as_user):
    contoso, client = cast.make_engagement("Contoso"), as_user(people.engineer)
    for given in ({"engagement": contoso.pk, "role": "viewer"}, {"engagement": northwind.pk, "role": "engineer"}):
        client.post(ADD, {"email": GRACE, **given})
    assert not Invitation.objects.exists()
    theirs = invitations.invite(contoso, email=GRACE, role="viewer", by=cast.make_cast(contoso).engineer)
    client.post(
        reverse("admin:engagements_invitation_changelist"), {"action": "revoke_selected", "_selected_action": [theirs.invitation.pk]}
    )
    assert invitations.opened(theirs.token)
    with pytest.raises(invitations.MayNotInvite):
        invitations.revoke(theirs.invitation, by=people.engineer)
    with pytest.raises(invitations.MayNotInvite):
        invitations.invite(northwind, email=GRACE, role="viewer", by=people.approver)


@pytest.mark.parametrize("email", ["no address", "a b@c.de", "x" * 150 + "@c.de", "ada\r\nBcc: eve@c.de"])
def test_what_is_no_address_is_not_invited(northwind, people, email):
    with pytest.raises(BadInput):
        invite(people, northwind, email)


def test_a_hundred_invitations_a_day_are_enough(northwind, people, monkeypatch):
    monkeypatch.setattr(invitations, "PER_DAY", 2)
    for name in ("a", "b"):
        invite(people, northwind, f"{name}@customer.test")
    with pytest.raises(BadInput, match="within a day"):
        invite(people, northwind, "c@customer.test")


def test_trying_links_is_slowed_for_that_address_alone(northwind, people):
    made = invite(people, northwind)
    guesser = Client(REMOTE_ADDR="192.0.2.1")
    for n in range(30):
        assert guesser.get(f"/invitation/guess{n}/", follow=True).status_code == 404
    assert guesser.get(link(made), follow=True).status_code == 429
    assert opened(made, Client(REMOTE_ADDR="192.0.2.2"))[1].status_code == 200
    FailedSignIn.objects.update(at=timezone.now() - timedelta(minutes=16))
    assert guesser.get(link(made), follow=True).status_code == 200


def test_members_are_listed_and_removed_on_the_engagements_page(northwind, people, as_user):
    client = as_user(people.engineer)
    page = f"/admin/engagements/engagement/{northwind.pk}/change/"
    form = client.get(page)
    assert people.viewer.username in form.content.decode()
    data = fields_of(form)
    place = next(key for key, value in data.items() if key.endswith("-user") and str(value) == str(people.viewer.pk)).removesuffix("-user")
    assert client.post(page, {**data, f"{place}-DELETE": "on"}).status_code == 302
    assert not Membership.objects.filter(user=people.viewer).exists()
    assert AuditEntry.objects.filter(action="removed membership").exists()
    assert as_user(people.viewer).get("/engagements/northwind/").status_code == 404


def fields_of(page):
    """What a browser would send back of an admin form."""
    forms = [page.context["adminform"].form, *(form for group in page.context["inline_admin_formsets"] for form in group.formset.forms)]
    forms += [group.formset.management_form for group in page.context["inline_admin_formsets"]]
    return {field.html_name: "" if (value := field.value()) is None else value for form in forms for field in form}
