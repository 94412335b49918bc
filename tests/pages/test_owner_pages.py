"""Owners in the portal and the admin: the Dynamics admin answers, others look; every answer is checked, shown and can be taken back."""

import pytest
from django.urls import reverse

from mapping import plan
from mapping.models import ObjectMap, OwnerMatch
from mapping.owners import suggestions
from mapping.owners.models import ACTIVITIES, OwnerAnswer
from tests.owners.directory import known, team, user
from tests.pages import cast

pytestmark = pytest.mark.django_db
MARKUP = "<b>Bold</b>"
EVERYBODY = [
    team("Sales"),
    user("ada@northwind.test", "NW\\ada", name="Ada Lovelace"),
    user("dora@northwind.test", name=f"Dora {MARKUP}", disabled=True),
    user("eva@northwind.test", "NW\\eva"),
    user("eva@northwind.test", "NW\\eva2"),
    user("lovelace.ada@elsewhere.test", unread=["contact"]),
]


@pytest.fixture
def owners(northwind):
    ObjectMap.objects.create(engagement=northwind, object_name="user", tables=["account", "contact", "task"])
    for kind in ("production", "sandbox"):
        known(northwind, kind, *EVERYBODY)
    rows = [("", 5), (ACTIVITIES, 0), ("ada.lovelace", 7), (MARKUP, 2), ("dora@northwind.test", 3)]
    return {owner: OwnerMatch.objects.create(engagement=northwind, source_owner=owner, records=records) for owner, records in rows}


@pytest.fixture
def admin(people, as_user):
    return as_user(people.admin)


LIST = "/engagements/northwind/owners/"


def page_of(match) -> str:
    return f"{LIST}{match.pk}/"


def key(name: str, kind: str = "user") -> str:
    """What the page sends for a user or team of production."""
    environment = OwnerMatch.objects.first().engagement.environments.get(kind="production")
    row = environment.principals.get(kind=kind, **({"name": name} if kind == "team" else {"domain_name": name}))
    return f"{kind}:{row.row_id}"


def answer(client, match, choice, **fields):
    shown = client.get(page_of(match)).context["scope"].digest
    return client.post(page_of(match), {"choice": choice, "shown": shown, **fields}, follow=True)


@pytest.mark.parametrize("role", ["engineer", "approver", "viewer"])
def test_others_than_the_dynamics_admin_look_and_do_not_answer(owners, people, as_user, role):
    client = as_user(getattr(people, role))
    for page in (LIST, page_of(owners["ada.lovelace"]), f"{LIST}many/?all=1"):
        text = client.get(page).content.decode()
        assert 'name="choice"' not in text
        assert 'name="owner"' not in text
        assert not cast.INLINE_CODE.search(text)
    sent = {"choice": key("Sales", "team"), "shown": client.get(page_of(owners[""])).context["scope"].digest}
    assert client.post(page_of(owners[""]), sent).status_code == 403
    assert OwnerMatch.objects.get(source_owner="").kind == "open"


def test_the_list_has_states_and_search_and_shows_who_is_likest(owners, admin):
    text = admin.get(LIST).content.decode()
    assert "Activities (migration team)" in text
    assert "Perhaps Ada Lovelace (100 % alike)" in text
    assert "&lt;b&gt;Bold" in text
    assert [match.source_owner for match, _ in admin.get(f"{LIST}?q=LOVE").context["rows"]] == ["ada.lovelace"]
    assert admin.get(f"{LIST}?state=answered").context["page"].paginator.count == 0
    assert not cast.INLINE_CODE.search(text)


def test_suggestions_are_ranked_and_say_why_and_what_stands_against_them(northwind, owners):
    environment = northwind.environments.get(kind="production")
    found = [(one.name, one.why, one.problem) for one in suggestions.suggest(environment, "ada.lovelace")]
    assert found == [
        ("ada@northwind.test", "100 % alike in name", ""),
        ("lovelace.ada@elsewhere.test", "100 % alike in name", "The user's roles don't read contact."),
        ("Sales", "An owner team", ""),
    ]
    assert [one.name for one in suggestions.suggest(environment, ACTIVITIES)] == ["Sales"]
    assert [(one.name, one.rivals) for one in suggestions.search(environment, "EVA", [""])] == [("NW\\eva", 2), ("NW\\eva2", 2)]


def test_the_dynamics_admin_answers_with_somebody_who_can_own_and_takes_it_back(owners, admin, people):
    match = owners["ada.lovelace"]
    done = answer(admin, match, key("NW\\ada"), note="Still here.", **{"as": "successor"})
    match.refresh_from_db()
    assert (match.kind, match.answer, match.note) == ("successor", "ada@northwind.test", "Still here.")
    assert "Still here." in done.content.decode()
    batch = OwnerAnswer.objects.get().batch
    admin.post(reverse("portal:owners_take_back", args=["northwind", batch]))
    match.refresh_from_db()
    assert (match.kind, match.note) == ("open", "")


def test_an_answer_that_does_not_fit_is_refused_on_the_page_with_its_reason(owners, admin):
    match = owners["ada.lovelace"]
    refused = answer(admin, match, key("lovelace.ada@elsewhere.test"))
    assert refused.status_code == 400
    assert "roles don&#x27;t read contact" in refused.content.decode()
    assert "Choose another user or an owner team" in refused.content.decode()
    assert answer(admin, owners[ACTIVITIES], key("NW\\ada")).status_code == 400
    assert answer(admin, match, "user:nobody").status_code == 400
    assert set(OwnerMatch.objects.values_list("kind", flat=True)) == {"open"}


def test_several_names_with_one_answer_are_shown_beside_each_other(owners, admin):
    OwnerMatch.objects.filter(source_owner__in=["ada.lovelace", MARKUP]).update(kind="user", answer="ada@northwind.test")
    text = admin.get(page_of(owners["ada.lovelace"])).content.decode()
    assert "Also answers" in text
    assert "&lt;b&gt;Bold&lt;/b&gt;. <span" in text
    assert "Also answers" not in admin.get(page_of(owners[""])).content.decode()


def test_a_disabled_user_needs_the_signature(owners, admin, people):
    match = owners["dora@northwind.test"]
    assert "signs for it" in answer(admin, match, key("dora@northwind.test")).content.decode()
    shown = answer(admin, match, key("dora@northwind.test"), signed="on").content.decode()
    match.refresh_from_db()
    assert (match.kind, match.signed_by) == ("stub", people.admin.username)
    assert people.admin.username in shown


def test_many_owners_get_one_answer_once_their_list_was_shown(northwind, owners, admin):
    OwnerMatch.objects.bulk_create(OwnerMatch(engagement=northwind, source_owner=f"p{n:03}@old.test", records=1) for n in range(120))
    shown = admin.get(f"{LIST}many/?all=1&state=open&q=old.test")
    assert (len(shown.context["scope"].matches), shown.context["more"]) == (120, 20)
    sent = {"all": "1", "state": "open", "q": "old.test", "choice": key("Sales", "team"), "shown": shown.context["scope"].digest}
    OwnerMatch.objects.create(engagement=northwind, source_owner="late@old.test")
    assert "changed while the page was open" in admin.post(f"{LIST}many/", sent).content.decode()
    sent["shown"] = admin.get(f"{LIST}many/?all=1&state=open&q=old.test").context["scope"].digest
    admin.post(f"{LIST}many/", sent)
    assert OwnerMatch.objects.filter(kind="team", answer="Sales").count() == 121
    ticked = admin.get(f"{LIST}many/?owner={owners[''].pk}&owner={owners[MARKUP].pk}")
    assert len(ticked.context["scope"].matches) == 2
    assert "Tick the owners" in admin.get(f"{LIST}many/", follow=True).content.decode()


def test_the_button_pressed_twice_answers_once_and_says_that_none_is_left(owners, admin):
    shown = admin.get(f"{LIST}many/?all=1&state=open").context["scope"].digest
    sent = {"all": "1", "state": "open", "choice": key("Sales", "team"), "shown": shown}
    assert "Answered: Sales" in admin.post(f"{LIST}many/", sent, follow=True).content.decode()
    assert "are answered by now" in admin.post(f"{LIST}many/", sent, follow=True).content.decode()


def test_an_owner_of_another_engagement_is_not_there(owners, admin):
    other = OwnerMatch.objects.create(engagement=cast.make_engagement("Contoso"), source_owner="theirs")
    assert admin.get(page_of(other)).status_code == 404
    assert admin.get("/engagements/contoso/owners/").status_code == 404
    given = admin.get(f"{LIST}many/?owner={other.pk}", follow=True)
    assert "No owner is chosen" in given.content.decode()
    foreign = OwnerAnswer.objects.create(match=other, before={"kind": "open"}, after={"kind": "team"})
    admin.post(reverse("portal:owners_take_back", args=["northwind", foreign.batch]))
    assert OwnerAnswer.objects.count() == 1


def test_before_any_environment_was_read_there_is_nobody_to_choose_and_it_says_so(northwind, people, admin):
    match = OwnerMatch.objects.create(engagement=northwind, source_owner="ada")
    for page in (LIST, page_of(match)):
        assert "The engineer starts the discovery" in admin.get(page).content.decode()


class TestInTheAdmin:
    @pytest.fixture
    def engineer(self, people, as_user):
        return as_user(people.engineer)

    def test_the_page_of_an_owner_shows_suggestions_and_answers_with_one(self, owners, engineer):
        match = owners["ada.lovelace"]
        page = reverse("admin:mapping_ownermatch_change", args=[match.pk])
        context = engineer.get(page).context
        sent = {
            "engagement": match.engagement_id,
            "ids": match.pk,
            "shown": context["digest"],
            "kind": "user",
            "answer": "ada@northwind.test",
        }
        assert engineer.post(reverse("admin:mapping_ownermatch_answer"), sent).status_code == 302
        match.refresh_from_db()
        assert (match.state, match.answer) == ("answered", "ada@northwind.test")
        assert match.engagement.plan_versions.filter(part="owners").exists()
        assert [row.given_by for row in engineer.get(page).context["past"]] == ["engineer-northwind"]

    def test_the_form_refuses_an_answer_that_does_not_fit_and_a_disabled_user_without_a_signature(self, owners, engineer):
        match = owners["ada.lovelace"]
        page = reverse("admin:mapping_ownermatch_change", args=[match.pk])
        sent = {"kind": "user", "answer": "eva@northwind.test", "note": "", "assignee": "", "due_on": ""}
        assert "2 enabled users have this name" in engineer.post(page, sent).content.decode()
        stub = engineer.post(page, sent | {"kind": "stub", "answer": "dora@northwind.test"})
        assert "sign for it" in stub.content.decode()
        match.refresh_from_db()
        assert match.kind == "open"

    def test_somebody_of_the_engagement_is_asked_with_a_date(self, owners, engineer, people):
        match = owners["ada.lovelace"]
        page = reverse("admin:mapping_ownermatch_change", args=[match.pk])
        engineer.post(page, {"kind": "open", "answer": "", "note": "", "assignee": people.admin.pk, "due_on": "2026-06-01"})
        match.refresh_from_db()
        assert (match.assignee, str(match.due_on)) == (people.admin, "2026-06-01")
        assert "due 2026-06-01" in engineer.get(reverse("admin:mapping_ownermatch_changelist")).content.decode()

    def test_many_are_answered_after_their_scope_was_shown_and_taken_back_as_one(self, owners, engineer):
        chosen = [owners[""].pk, owners[ACTIVITIES].pk]
        listing = reverse("admin:mapping_ownermatch_changelist")
        shown = engineer.post(listing, {"action": "answer_selected", "_selected_action": chosen})
        assert "One answer for 2 owners" in shown.content.decode()
        sent = {"ids": shown.context["ids"], "engagement": owners[""].engagement_id, "shown": shown.context["scope"].digest}
        refused = engineer.post(reverse("admin:mapping_ownermatch_answer"), sent | {"kind": "user", "answer": "ada@northwind.test"})
        assert "never to a seller" in refused.content.decode()
        engineer.post(reverse("admin:mapping_ownermatch_answer"), sent | {"kind": "team", "answer": "Sales"})
        assert OwnerMatch.objects.filter(answer="Sales").count() == 2
        batch = OwnerAnswer.objects.first().batch
        engineer.post(reverse("admin:mapping_ownermatch_take_back", args=[batch]))
        assert OwnerMatch.objects.filter(answer="Sales").count() == 0


def test_the_sandbox_page_lists_who_owns_under_another_name_for_the_signature(northwind, people, as_user, owners):
    OwnerMatch.objects.filter(source_owner="ada.lovelace").update(kind="successor", answer="eva@northwind.test")
    OwnerMatch.objects.filter(source_owner="dora@northwind.test").update(kind="stub", answer="dora@northwind.test", signed_by="grace")
    OwnerMatch.objects.filter(source_owner=MARKUP).update(kind="team", answer="Sales")
    OwnerMatch.objects.create(engagement=northwind, source_owner="ada@northwind.test", kind="user", answer="Ada@northwind.test")
    plan.revise(northwind, plan.PARTS, actor="engineer")
    cast.make_run(northwind, people.engineer)
    answer = as_user(people.approver).get("/engagements/northwind/sandbox/")
    listed = {item["name"]: (item["as"], item["owners"], item["signed_by"]) for item in answer.context["content"]["owners"]}
    assert listed == {
        "eva@northwind.test": ("successor", ["ada.lovelace"], ""),
        "dora@northwind.test": ("stub", ["dora@northwind.test"], "grace"),
        "Sales": ("", [MARKUP], ""),
    }
    assert "signed by grace" in answer.content.decode()
    assert MARKUP not in answer.content.decode()
