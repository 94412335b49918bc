"""The mapping workshop: what becomes of the values, alternatives, value maps, what is still open, decisions that can be undone."""

import pytest
from django.urls import reverse

from connectors.dataverse.columns import Column, Table
from connectors.models import Dataset
from mapping import plan
from mapping.models import FieldMap, FieldMapChange, PlanVersion, SourceField
from mapping.workshop import completeness, decisions, tables
from mapping.workshop.samples import samples, typed
from mapping.workshop.versions import differences
from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, SignOff

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ALTERNATIVES = [
    {"column": "jobtitle", "score": 0.95, "reasons": ["Called so."], "transform": "text", "options": {}, "new_column": None},
    {"column": "ownerid", "score": 0.2, "reasons": ["A lookup."], "transform": "", "options": {}, "new_column": None},
]
RATING = Column("contact", "mwb_rating", "Choice", options={1: "Hot", 2: "Warm", 3: "Cold"}, display_name="Rating")


@pytest.fixture
def engagement():
    engagement = cast.make_engagement("Northwind")
    cast.make_planned(engagement)
    columns = {
        "jobtitle": Column("contact", "jobtitle", "String", max_length=8, display_name="Job Title"),
        "nickname": Column("contact", "nickname", "String", max_length=100),
        "fullname": Column("contact", "fullname", "String", max_length=100, valid_for_create=False),
        "mwb_rating": RATING,
    }
    tables.keep(engagement.environments.get(kind="production"), {"contact": Table("contact", "contacts", "contactid", columns)})
    return engagement


@pytest.fixture
def people(engagement):
    return cast.make_cast(engagement)


@pytest.fixture
def desk(client, people):
    client.force_login(people.engineer)
    return client


def profiled(engagement, name, *values, kind="string", **facts):
    dataset = Dataset.objects.filter(engagement=engagement).first() or Dataset.objects.create(engagement=engagement, object_name="user")
    count = sum(number for _, number in values)
    facts = {"rows": 100, "filled": count, "distinct": len(values), "top": [list(one) for one in values], "types": {kind: count}} | facts
    return SourceField.objects.create(engagement=engagement, dataset=dataset, object_name="user", name=name, **facts)


def page(row, name="change"):
    return reverse(f"admin:mapping_fieldmap_{name}", args=[row.pk])


def test_a_map_shows_its_path_type_fallback_and_what_becomes_of_the_values(engagement, desk):
    profiled(engagement, "title", ("Engineer in chief", 40), ("CEO", 3))
    row = cast.make_field_map(engagement, "title", column="jobtitle", candidates=ALTERNATIVES, score=0.95)
    text = desk.get(page(row)).content.decode()
    for words in (
        "String (8 characters)",
        "mwb_original_values",
        "Engineer in chief",
        "Engineer",
        "longer than the column takes",
        "Called so.",
    ):
        assert words in text
    assert "40 of these records give an issue" in text
    assert "no map fills it" in text  # the lookup
    assert "&quot; Kim" in text or "becomes" in text


def test_samples_are_read_in_the_type_that_the_source_had():
    assert [typed("12", {"integer": 3}), typed("12", {"string": 3}), typed('["a"]', {"array": 1}), typed("true", {"boolean": 1})] == [
        12, "12", ["a"], True,
    ]  # fmt: skip
    field = SourceField(name="n", top=[["12", 3], ["x", 1]], types={"string": 4}, filled=4, distinct=2)
    found = samples(field, Column("contact", "n", "Integer"), "integer", {})
    assert [(one.before, one.records, one.after, bool(one.issues)) for one in found] == [("12", 3, 12, False), ("x", 1, None, True)]
    with pytest.raises(BadInput):
        samples(field, Column("contact", "n", "DateTime"), "integer", {})


def test_a_field_whose_values_are_not_profiled_is_not_said_to_be_empty(engagement, desk):
    profiled(engagement, "title", filled=40)
    row = cast.make_field_map(engagement, "title", column="jobtitle")
    told = desk.get(page(row)).content.decode()
    assert "40 records have a value; the values themselves aren&#x27;t profiled" in told.replace("aren't", "aren&#x27;t")
    assert "No record has a value" not in told


def test_the_form_is_tried_out_before_it_is_saved(engagement, desk):
    profiled(engagement, "title", ("CEO", 3))
    row = cast.make_field_map(engagement, "title", column="jobtitle")
    told = desk.post(page(row, "preview"), {"column": "jobtitle", "transform": "json", "options": "{}"}).content.decode()
    assert "CEO" in told
    assert "can&#x27;t fill" in desk.post(page(row, "preview"), {"column": "jobtitle", "transform": "integer"}).content.decode()
    assert "no JSON" in desk.post(page(row, "preview"), {"options": "{"}).content.decode()
    assert FieldMap.objects.get(pk=row.pk).transform == "text"


def test_an_alternative_is_one_click_away_and_what_was_proposed_stays(engagement, desk, people):
    row = cast.make_field_map(engagement, "title", candidates=ALTERNATIVES, new_column=None)
    desk.post(page(row, "take"), {"column": "jobtitle"})
    row.refresh_from_db()
    assert (row.column, row.state, row.reason, row.decided_by) == ("jobtitle", "proposed", "Called so.", str(people.engineer))
    desk.post(page(row, "take"), {"column": "jobtitle", "confirm": "1"})
    row.refresh_from_db()
    assert (row.state, row.candidates) == ("confirmed", ALTERNATIVES)
    assert desk.post(page(row, "take"), {"column": "ownerid"}).status_code == 400
    assert plan.current(engagement)["maps"].content["fields"][-1]["column"] == "jobtitle"


def test_what_could_never_load_is_not_confirmed(engagement, people):
    one, two = (cast.make_field_map(engagement, name, column="nickname") for name in ("nick", "alias"))
    absent = cast.make_field_map(engagement, "absent", column="mwb_absent")
    misfit = cast.make_field_map(engagement, "misfit", column="jobtitle", transform="integer")
    locked = cast.make_field_map(engagement, "locked", column="fullname")
    rows = FieldMap.objects.filter(pk__in=[one.pk, two.pk, absent.pk, misfit.pk, locked.pk])
    refused = {each.row.source: each.why for each in decisions.scope(rows, "confirmed").impossible}
    assert set(refused) == {"nick", "alias", "absent", "misfit", "locked"}
    assert "Another field goes to contact.nickname" in refused["nick"]
    assert "has no column mwb_absent" in refused["absent"]
    assert "can't fill" in refused["misfit"]
    assert "can't be written" in refused["locked"]
    assert decisions.decide(rows.filter(source="nick"), "confirmed", user=people.engineer)
    assert decisions.scope(rows.filter(source="alias"), "confirmed").impossible


def test_what_could_never_load_is_not_confirmed_by_an_edit_of_the_form_either(engagement, desk):
    row = cast.make_field_map(engagement, "title", column="jobtitle", state="confirmed")
    form = {"column": "mwb_absent", "transform": "text", "state": "confirmed", "options": "{}", "alias": "", "reason": "", "comment": ""}
    refused = desk.post(page(row), form)
    assert "has no column mwb_absent" in refused.content.decode()
    assert refused.context["adminform"].form["column"].value() == "mwb_absent"
    row.refresh_from_db()
    assert row.column == "jobtitle"
    assert desk.post(page(row), form | {"state": "proposed"}).status_code == 302


class TestUndoing:
    @pytest.fixture
    def maps(self, engagement):
        rows = [cast.make_field_map(engagement, name, column=name, candidates=ALTERNATIVES) for name in ("jobtitle", "nickname")]
        return FieldMap.objects.filter(pk__in=[row.pk for row in rows])

    def leave(self, maps, people):
        (entry,) = decisions.decide(maps, "left", user=people.engineer, reason="Not needed.", comment="Said sales.")
        return entry

    def test_a_decision_about_many_is_undone_from_its_entry(self, engagement, desk, people, maps):
        entry = self.leave(maps, people)
        undo = reverse("admin:mapping_fieldmap_entry", args=[entry.pk])
        assert "2 field maps would be what they were" in desk.get(undo).content.decode()
        desk.post(undo)
        for row in maps.all():
            assert (row.state, row.reason, row.comment, row.decided_by) == ("proposed", "Named alike.", "", "")
            assert row.candidates == ALTERNATIVES
        undone = AuditEntry.objects.get(action=decisions.UNDONE)
        assert undone.detail["undoes"] == entry.number
        decisions.undo(undone, user=people.engineer)
        assert {(row.state, row.reason) for row in maps.all()} == {("left", "Not needed.")}

    def test_what_was_changed_since_stays_and_is_named(self, desk, people, maps):
        entry = self.leave(maps, people)
        decisions.decide(maps.filter(source="nickname"), "deferred", user=people.engineer)
        scope = decisions.undo_scope(entry)
        assert [row.source for row, _ in scope.back] == ["jobtitle"]
        assert [one.row.source for one in scope.alone] == ["nickname"]
        decisions.undo(entry, user=people.engineer)
        assert dict(maps.values_list("source", "state")) == {"jobtitle": "proposed", "nickname": "deferred"}
        assert decisions.undo(entry, user=people.engineer) is None

    def test_undoing_never_makes_two_fields_share_a_column(self, engagement, people, maps):
        decisions.decide(maps, "confirmed", user=people.engineer)
        entry = self.leave(maps, people)
        rival = cast.make_field_map(engagement, "alias", column="nickname")
        decisions.decide(FieldMap.objects.filter(pk=rival.pk), "confirmed", user=people.engineer)
        with pytest.raises(BadInput, match=r"contact\.nickname"):
            decisions.undo(entry, user=people.engineer)
        assert set(maps.values_list("state", flat=True)) == {"left"}

    def test_the_history_of_a_field_says_who_decided_when_and_why(self, desk, people, maps):
        self.leave(maps, people)
        text = desk.get(page(maps[0], "history")).content.decode()
        for words in (str(people.engineer), "Said sales.", "Not needed.", "proposed → left"):
            assert words in text
        assert "set field maps left" in desk.get(reverse("admin:mapping_fieldmap_changes")).content.decode()

    def test_an_edit_in_the_form_is_undone_the_same_way(self, engagement, desk, people, maps):
        row = maps.get(source="nickname")
        data = {
            "column": "jobtitle",
            "transform": "json",
            "state": "deferred",
            "options": "{}",
            "new_column": "null",
            "comment": "Ask sales.",
        }
        desk.post(page(row), data)
        row.refresh_from_db()
        assert (row.column, row.state, row.comment) == ("jobtitle", "deferred", "Ask sales.")
        entry = FieldMapChange.objects.get(field_map=row).entry
        decisions.undo(entry, user=people.engineer)
        row.refresh_from_db()
        assert (row.column, row.transform, row.state, row.reason) == ("nickname", "text", "proposed", "Named alike.")


class TestValueMap:
    @pytest.fixture
    def row(self, engagement):
        profiled(engagement, "rating", ("hot", 50), ("Warm", 20), ("tepid", 5), distinct=12)
        return cast.make_field_map(engagement, "rating", column="mwb_rating", transform="choice", options={"values": {"hot": 1}})

    def test_unmapped_values_are_counted_from_the_profile(self, desk, row):
        text = desk.get(page(row, "values")).content.decode()
        assert "2 of the shown values, in 25 records, have no option" in text
        assert "9 more different values" in text

    def test_likeness_of_labels_is_proposed_and_saved_by_a_person_only(self, desk, row):
        text = desk.get(page(row, "values") + "?propose").content.decode()
        assert "1 option proposed by the likeness of labels" in text
        row.refresh_from_db()
        assert row.options == {"values": {"hot": 1}}
        sent = {"value-1": "hot", "option-1": "1", "value-2": "Warm", "option-2": "2", "value-3": "tepid", "option-3": "", "value-new": ""}
        desk.post(page(row, "values"), sent)
        row.refresh_from_db()
        assert row.options == {"values": {"hot": 1, "Warm": 2}}

    def test_an_option_that_the_column_has_not_is_refused(self, desk, row):
        answer = desk.post(page(row, "values"), {"value-1": "hot", "option-1": "9"}, follow=True)
        assert "no option" in answer.content.decode()
        answer = desk.post(page(row, "values"), {"value-1": "hot", "option-1": "1", "value-2": "HOT", "option-2": "2"}, follow=True)
        assert "two options" in answer.content.decode()
        row.refresh_from_db()
        assert row.options == {"values": {"hot": 1}}


def test_every_field_is_moved_left_open_or_without_a_line(engagement, desk):
    for name in ("a", "b", "c", "d", "e"):
        profiled(engagement, name, ("x", 1))
    cast.make_field_map(engagement, "a", state="confirmed")
    cast.make_field_map(engagement, "a", state="left", table="lead")
    cast.make_field_map(engagement, "b", state="left")
    cast.make_field_map(engagement, "c", state="confirmed")
    cast.make_field_map(engagement, "c", state="deferred", table="lead")
    cast.make_field_map(engagement, "d")
    (found,) = completeness.of(engagement)
    assert (found.fields, found.moved, found.left, found.open, found.deferred, found.lost) == (5, 1, 1, 2, 1, 1)
    assert not found.is_complete
    text = desk.get(reverse("admin:mapping_fieldmap_changelist")).content.decode()
    assert "2 of 5" in text
    lost = desk.get(reverse("admin:mapping_sourcefield_changelist"), {"lines": "none"}).content.decode()
    assert ">e<" in lost
    assert ">d<" not in lost


class TestEveryFieldDecided:
    """A load waits until each field that was there at the signature goes to a column or has a reason."""

    def waits(self, engagement) -> list[str]:
        found = gates.missing("load", engagement, engagement.environments.get(kind="sandbox"))
        return [one.says for one in found if one.gate == "every field decided"]

    @pytest.fixture
    def fields(self, engagement):
        for name in ("moved", "put off", "without a line"):
            profiled(engagement, name, ("x", 1))
        cast.make_field_map(engagement, "moved", state="confirmed")
        return cast.make_field_map(engagement, "put off", column="nickname", state="deferred")

    def leave(self, engagement, desk, **data):
        page = reverse("admin:mapping_fieldmap_rest", args=[engagement.pk])
        shown = desk.get(page).context["rest"].digest
        return desk.post(page, {"shown": shown, **data}, follow=True)

    def test_it_says_how_many_have_none_and_where_to_go(self, engagement, fields):
        (says,) = self.waits(engagement)
        assert says.startswith("2 source fields have no decision (2 of user). Under Plan, Field maps,")

    def test_the_rest_is_left_behind_with_one_reason_and_opened_again_by_one_undo(self, engagement, desk, people, fields):
        text = desk.get(reverse("admin:mapping_fieldmap_rest", args=[engagement.pk])).content.decode()
        assert "2 source fields of Northwind have no decision" in text
        assert "user.without a line" in text
        assert "needs a reason" in self.leave(engagement, desk, reason=" ").content.decode()
        assert self.waits(engagement)
        self.leave(engagement, desk, reason="Nobody used it.")
        assert self.waits(engagement) == []
        left = {(row["source"], row["table"]) for row in plan.current(engagement)["maps"].content["fields"] if row["state"] == "left"}
        assert left == {("put off", "contact"), ("without a line", "contact"), ("without a line", "lead")}
        entry = AuditEntry.objects.get(action="set field maps left")
        decisions.undo(entry, user=people.engineer)
        fields.refresh_from_db()
        assert (fields.state, fields.column) == ("deferred", "nickname")
        assert len(self.waits(engagement)) == 1

    def test_only_the_rest_that_the_page_showed_is_left_behind(self, engagement, desk, fields):
        page = reverse("admin:mapping_fieldmap_rest", args=[engagement.pk])
        shown = desk.get(page).context["rest"].digest
        profiled(engagement, "new", ("x", 1))
        assert "other fields are open" in desk.post(page, {"shown": shown, "reason": "No."}).content.decode()
        assert not FieldMap.objects.filter(state="left").exists()

    def test_a_field_that_comes_after_confirmation_and_signature_is_a_question_that_nothing_waits_for(self, engagement, people, fields):
        plan.confirm(engagement, ["maps"], user=people.engineer)
        given = {"covers": {}, "content": {}, "content_sha256": "", "signed_by": people.approver}
        SignOff.objects.create(engagement=engagement, kind="matrix", **given)
        profiled(engagement, "late", ("x", 1))
        (says,) = self.waits(engagement)
        assert says.startswith("2 source fields")
        assert [line.later for line in completeness.of(engagement)] == [1]

    def test_an_object_of_which_no_rows_are_made_has_its_reason_as_a_whole(self, engagement, desk):
        profiled(engagement, "id", ("x", 1))
        SourceField.objects.update(object_name="journey")
        (found,) = completeness.of(engagement)
        assert (found.left, found.lost, found.reason) == (1, 0, completeness.LISTED)
        assert self.waits(engagement) == []


def test_nothing_deferred_reaches_a_plan_version(engagement, people):
    row = cast.make_field_map(engagement, "later", state="confirmed")
    decisions.decide(FieldMap.objects.filter(pk=row.pk), "deferred", user=people.engineer)
    assert "later" not in [field["source"] for field in plan.current(engagement)["maps"].content["fields"]]


def test_two_versions_are_compared_in_words(engagement, desk, people):
    row = cast.make_field_map(engagement, "title", column="jobtitle", transform="text")
    decisions.decide(FieldMap.objects.filter(pk=row.pk), "confirmed", user=people.engineer)
    first = plan.current(engagement)["maps"]
    row.refresh_from_db()
    row.column, row.transform, row.options = "mwb_rating", "choice", {"values": {"ceo": 1}}
    decisions.change(row, user=people.engineer)
    second = plan.current(engagement)["maps"]
    (told,) = differences(first.content, second.content)
    assert (told.kind, told.subject) == ("changed", "user.title to contact")
    assert told.words[0] == "It goes to mwb_rating instead of jobtitle."
    assert "The value 'ceo' becomes option 1 instead of none." in told.words
    address = reverse("admin:mapping_planversion_change", args=[second.pk])
    assert "It goes to mwb_rating instead of jobtitle." in desk.get(address, {"against": first.version}).content.decode()
    assert PlanVersion.objects.filter(engagement=engagement, part="maps").count() >= 2


def test_another_engagements_maps_and_entries_are_not_found(engagement, desk, people):
    other = cast.make_engagement("Contoso")
    cast.make_planned(other)
    row = cast.make_field_map(other, "theirs", column="jobtitle", transform="choice", candidates=ALTERNATIVES)
    (entry,) = decisions.decide(FieldMap.objects.filter(pk=row.pk), "left", user="somebody", reason="x")
    for name in ("history", "values", "preview"):
        assert desk.get(page(row, name)).status_code == 404
    assert desk.post(page(row, "take"), {"column": "jobtitle"}).status_code == 404
    assert desk.post(reverse("admin:mapping_fieldmap_entry", args=[entry.pk])).status_code == 404
    assert "Contoso" not in desk.get(reverse("admin:mapping_fieldmap_changes")).content.decode()
