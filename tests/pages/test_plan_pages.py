"""Editing the plan in the admin: each edit is in the history and makes one new version of its part."""

import pytest
from django.urls import reverse

from mapping import plan
from mapping.models import FieldMap, ObjectMap, OrganisationList, OwnerMatch, SplitRule
from mapping.workshop.confirming import ORGANISATION_LISTS, confirm
from tests.pages import cast
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def planned(northwind):
    cast.make_planned(northwind)
    return northwind


@pytest.fixture
def client(planned, people, as_user):
    return as_user(people.engineer)


def save_list(client, model, rows, **changes):
    """Post a list as its page does: every row's editable fields, some of them changed. changes: "<field>_<pk>" -> value."""
    name = f"mapping_{model._meta.model_name}"
    data = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
    for number, row in enumerate(rows):
        data[f"form-{number}-id"] = row.pk
        for field in {"SplitRule": ("outcome",), "OwnerMatch": ("kind", "answer"), "OrganisationList": ("organisation", "confirmed")}[
            model.__name__
        ]:
            value = changes.get(f"{field}_{row.pk}", getattr(row, field))
            if value is not False:
                data[f"form-{number}-{field}"] = value
    return client.post(reverse(f"admin:{name}_changelist"), data, follow=True)


def versions(engagement, part):
    return engagement.plan_versions.filter(part=part).count()


def test_an_edited_split_matrix_makes_one_new_version_and_says_who_changed_what(client, planned, people):
    rows, before = list(SplitRule.objects.all()), versions(planned, "split")
    changed = {f"outcome_{row.pk}": "skip" for row in rows[:2]}
    answer = save_list(client, SplitRule, rows, **changed)
    assert versions(planned, "split") == before + 1
    assert {rule.outcome for rule in SplitRule.objects.filter(pk__in=[row.pk for row in rows[:2]])} == {"skip"}
    entries = AuditEntry.objects.filter(engagement=planned, action="changed split rule")
    assert [entry.actor for entry in entries] == [str(people.engineer)] * 2
    assert entries[0].detail["changes"]["outcome"] == {"from": rows[0].outcome, "to": "skip"}
    assert "nobody has confirmed or signed" in answer.content.decode()


def test_saving_a_list_unchanged_makes_no_version_and_no_entry(client, planned):
    before = (versions(planned, "split"), AuditEntry.objects.count())
    save_list(client, SplitRule, list(SplitRule.objects.all()))
    assert (versions(planned, "split"), AuditEntry.objects.count()) == before


def test_a_rule_of_another_engagement_can_not_be_posted(client):
    other = SplitRule.objects.create(engagement=cast.make_engagement("Contoso"), stage="x", outcome="lead")
    save_list(client, SplitRule, [other], **{f"outcome_{other.pk}": "skip"})
    assert SplitRule.objects.get(pk=other.pk).outcome == "lead"


def test_the_list_shows_stages_with_their_people(client):
    text = client.get(reverse("admin:mapping_splitrule_changelist")).content.decode()
    assert "(blank)" in text
    assert "people in discovery" in text.lower()


def test_an_owner_with_a_kind_but_no_answer_is_refused_in_words(client, planned):
    rows = [OwnerMatch.objects.create(engagement=planned, source_owner="gone@northwind.test", records=3)]
    answer = save_list(client, OwnerMatch, rows, **{f"kind_{rows[0].pk}": "user"})
    assert "Write the user&#x27;s e-mail" in answer.content.decode()
    save_list(client, OwnerMatch, rows, **{f"kind_{rows[0].pk}": "team", f"answer_{rows[0].pk}": "Sales"})
    assert plan.current(planned)["owners"].content["answers"]["gone@northwind.test"] == {"kind": "team", "name": "Sales"}


def test_a_confirmed_organisation_list_enters_the_companies_part(client, planned):
    rows = list(OrganisationList.objects.all())
    save_list(client, OrganisationList, rows, **{f"confirmed_{rows[0].pk}": "on", f"organisation_{rows[0].pk}": "Analytical Engines Ltd"})
    assert plan.current(planned)["companies"].content["lists"] == {"7": "Analytical Engines Ltd"}


class TestConfirmingManyAtOnce:
    @pytest.fixture
    def lists(self, planned):
        for n in range(60):
            OrganisationList.objects.create(engagement=planned, list_id=f"l-{n}", list_name=f"Company: {n}", organisation=f"Org {n}")
        return list(OrganisationList.objects.all())

    def page(self, name="changelist", *args):
        return reverse(f"admin:mapping_organisationlist_{name}", args=args)

    def confirm(self, client, rows, to="confirmed"):
        return client.post(self.page("confirm"), {"ids": ",".join(str(row.pk) for row in rows), "to": to}, follow=True)

    def test_the_scope_is_shown_before_anything_changes(self, client, lists):
        OrganisationList.objects.filter(pk=lists[0].pk).update(confirmed=True, organisation="")
        answer = client.post(self.page(), {"action": "confirm_selected", "_selected_action": [row.pk for row in lists]})
        text = answer.content.decode()
        assert "60 organisation lists would change" in text
        assert "1 is so already and stays" in text
        assert "Becomes the account Org 59." in text
        assert OrganisationList.objects.filter(confirmed=True).count() == 1

    def test_one_entry_of_the_history_names_every_one_and_undoes_them(self, client, planned, lists):
        answer = self.confirm(client, lists)
        assert "61 organisation lists" in answer.content.decode()
        assert set(plan.current(planned)["companies"].content["lists"]) == {row.list_id for row in lists}
        entry = AuditEntry.objects.get(action="confirmed organisation lists")
        assert {told["map"] for told in entry.detail["lists"].values()} == {row.organisation for row in lists}
        OrganisationList.objects.filter(pk=lists[0].pk).update(organisation="Renamed")
        OrganisationList.objects.filter(pk=lists[1].pk).update(confirmed=False)
        undo = self.page("entry", entry.pk)
        assert "60 organisation lists would be what they were" in client.get(undo).content.decode()
        client.post(undo)
        assert not OrganisationList.objects.filter(confirmed=True).exists()
        assert OrganisationList.objects.get(pk=lists[0].pk).organisation == "Renamed"
        assert plan.current(planned)["companies"].content["lists"] == {}
        assert "undid a change of organisation lists" in client.get(self.page("changes")).content.decode()

    def test_a_tick_in_the_list_and_one_taken_back_are_such_changes_too(self, client, planned, lists):
        save_list(client, OrganisationList, lists[:1], **{f"confirmed_{lists[0].pk}": "on"})
        self.confirm(client, lists[:1], to="")
        assert not OrganisationList.objects.filter(confirmed=True).exists()
        told = client.get(self.page("changes")).content.decode()
        assert "changed organisation list" in told
        assert "took back organisation lists" in told

    def test_rows_and_entries_of_another_engagement_stay_out_of_reach(self, client, people):
        contoso = cast.make_engagement("Contoso")
        other = OrganisationList.objects.create(engagement=contoso, list_id="9", list_name="Company: C", organisation="C")
        self.confirm(client, [other])
        assert not OrganisationList.objects.filter(pk=other.pk, confirmed=True).exists()
        [entry] = confirm(ORGANISATION_LISTS, OrganisationList.objects.filter(pk=other.pk), confirmed=True, user="somebody")
        assert client.post(self.page("entry", entry.pk)).status_code == 404

    def test_object_maps_are_confirmed_and_taken_back_the_same_way(self, client, planned):
        row = ObjectMap.objects.create(engagement=planned, object_name="campaign", tables=["campaign"])
        page = reverse("admin:mapping_objectmap_changelist")
        text = client.post(page, {"action": "confirm_selected", "_selected_action": [row.pk]}).content.decode()
        assert "Becomes campaign." in text
        client.post(reverse("admin:mapping_objectmap_confirm"), {"ids": str(row.pk), "to": "confirmed"})
        assert "campaign" in plan.current(planned)["maps"].content["objects"]
        entry = AuditEntry.objects.get(action="confirmed object maps")
        client.post(reverse("admin:mapping_objectmap_entry", args=[entry.pk]))
        assert "campaign" not in plan.current(planned)["maps"].content["objects"]


def test_changed_zones_make_a_new_version_of_the_time_part(client, planned):
    page = reverse("admin:engagements_engagement_change", args=[planned.pk])
    data = {"name": "Northwind", "slug": "northwind", "platform": "iterable", "prefix": "mwb", "options": '{"day_zone": "Europe/Oslo"}'}
    for prefix in ("memberships", "environments"):
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    assert client.post(page, data).status_code == 302
    assert plan.current(planned)["time"].content["day_zone"] == "Europe/Oslo"
    assert AuditEntry.objects.filter(action="changed engagement").exists()


@pytest.mark.parametrize(
    "given", ['{"event_budget": "many"}', '{"event_volume": "-1"}', '{"unflattenable": "held"}', '{"consent_unknown": "yes"}']
)
def test_an_answer_that_no_rule_knows_is_refused_among_an_engagements_names(client, planned, given):
    page = reverse("admin:engagements_engagement_change", args=[planned.pk])
    data = {"name": "Northwind", "slug": "northwind", "platform": "iterable", "prefix": "mwb", "options": given}
    for prefix in ("memberships", "environments"):
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    assert "must be" in str(client.post(page, data).context["adminform"].form.errors["options"])


def test_a_column_that_can_not_be_made_is_refused_on_the_form(client, planned):
    row = cast.make_field_map(planned, "nick")
    page = reverse("admin:mapping_fieldmap_change", args=[row.pk])
    data = {
        "column": "mwb_nick",
        "transform": "text",
        "state": "confirmed",
        "reason": "",
        "alias": "",
        "options": "{}",
        "new_column": '{"nonsense": 1}',
    }
    answer = client.post(page, data)
    assert answer.status_code == 200
    assert "unknown keys" in answer.content.decode()


def test_a_transform_is_chosen_by_the_sentence_that_says_what_it_does(client, planned):
    page = reverse("admin:mapping_fieldmap_change", args=[cast.make_field_map(planned, "nick").pk])
    assert "text: Single-line text; line breaks become spaces, outer spaces go." in client.get(page).content.decode()
    answer = client.post(page, {"column": "mwb_nick", "transform": "guess", "state": "confirmed", "options": "{}"})
    assert "guess is not one of the available choices" in answer.content.decode()


class TestDecidingManyMaps:
    @pytest.fixture
    def maps(self, planned):
        cast.make_field_map(planned, "already", state="confirmed")
        cast.make_field_map(planned, "homeless", column="")
        return [
            *FieldMap.objects.filter(source__in=["already", "homeless"]),
            cast.make_field_map(planned, "one"),
            cast.make_field_map(planned, "two"),
        ]

    def choose(self, client, action, maps):
        data = {"action": action, "_selected_action": [row.pk for row in maps]}
        return client.post(reverse("admin:mapping_fieldmap_changelist"), data)

    def decide(self, client, maps, **data):
        given = {"ids": ",".join(str(row.pk) for row in maps), "state": "confirmed"} | data
        return client.post(reverse("admin:mapping_fieldmap_decide"), given, follow=True)

    def states(self):
        return dict(FieldMap.objects.filter(source__in=["already", "homeless", "one", "two"]).values_list("source", "state"))

    def test_the_scope_is_shown_before_anything_changes(self, client, maps):
        before = self.states()
        text = self.choose(client, "confirm_maps", maps).content.decode()
        assert "2 field maps would change" in text
        assert "1 are so already" in text
        assert "1 can&#x27;t be confirmed" in text or "1 can't be confirmed" in text
        assert "It has no column." in text
        assert self.states() == before

    def test_exactly_the_shown_maps_are_confirmed_as_one_version_and_one_entry(self, client, planned, maps):
        before = versions(planned, "maps")
        self.decide(client, maps)
        assert self.states() == {"already": "confirmed", "homeless": "proposed", "one": "confirmed", "two": "confirmed"}
        assert versions(planned, "maps") == before + 1
        entry = AuditEntry.objects.get(action="set field maps confirmed")
        assert [each["before"]["state"] for each in entry.detail["maps"].values()] == ["proposed", "proposed"]

    def test_leaving_behind_needs_a_reason(self, client, maps):
        answer = self.decide(client, maps, state="left", reason="  ")
        assert "needs a reason" in answer.content.decode()
        assert self.states()["one"] == "proposed"
        self.decide(client, maps, state="left", reason="Nobody uses it.")
        assert FieldMap.objects.get(source="one").reason == "Nobody uses it."

    def test_a_decision_can_be_taken_back(self, client, maps):
        self.decide(client, maps)
        self.decide(client, maps, state="proposed")
        assert set(self.states().values()) == {"proposed"}

    def test_maps_of_another_engagement_stay_as_they_are(self, client):
        other = cast.make_field_map(cast.make_engagement("Contoso"), "theirs")
        self.decide(client, [other])
        assert FieldMap.objects.get(pk=other.pk).state == "proposed"


class TestConfirmingThePlan:
    def page(self, engagement):
        return reverse("admin:engagements_engagement_confirm", args=[engagement.pk])

    def shown(self, client, engagement):
        return client.get(self.page(engagement)).context["shown"]

    def test_the_page_lists_what_would_be_confirmed_and_confirms_just_that(self, client, planned):
        client.post(self.page(planned), {"shown": self.shown(client, planned)})
        assert all(hasattr(version, "confirmation") for version in plan.current(planned).values())
        assert "as it stands" in client.get(self.page(planned)).content.decode()

    def test_an_edit_behind_the_page_is_not_confirmed_unseen(self, client, planned):
        shown = self.shown(client, planned)
        SplitRule.objects.filter(engagement=planned).update(outcome="skip")
        answer = client.post(self.page(planned), {"shown": shown})
        assert "changed while this page was open" in answer.content.decode()
        assert not any(hasattr(version, "confirmation") for version in plan.current(planned).values())


@pytest.mark.parametrize("given", ["-1", "[1]", '"x"', "1e999", '{"a": NaN}'])
@pytest.mark.parametrize("name", ["options", "new_column"])
def test_json_of_another_shape_is_refused_and_the_page_of_the_map_stays_open(client, planned, name, given):
    row = cast.make_field_map(planned, "nick")
    page = reverse("admin:mapping_fieldmap_change", args=[row.pk])
    data = {"column": row.column, "transform": "text", "state": "confirmed", "options": "{}", "new_column": "", name: given}
    assert name in client.post(page, data).context["adminform"].form.errors
    assert client.get(page).status_code == 200


@pytest.mark.parametrize("given", ["-1", '"contact"', "[1]", '[["contact"]]', '{"contact": 1}', '[" "]'])
def test_tables_that_are_no_list_of_names_are_refused(client, planned, given):
    row = ObjectMap.objects.filter(engagement=planned).exclude(tables=[]).first()
    before = row.tables
    client.post(reverse("admin:mapping_objectmap_change", args=[row.pk]), {"tables": given, "cardinality": "1:1", "note": ""})
    row.refresh_from_db()
    assert row.tables == before
