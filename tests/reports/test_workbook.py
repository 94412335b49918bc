"""The mapping workbook goes out, comes back edited, and says what it would change before anything does."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import load_workbook

from connectors.dataverse.columns import Column, Table
from connectors.models import Dataset
from mapping import plan
from mapping.models import FieldMap, FieldMapChange, SourceField
from mapping.workshop import decisions, tables
from reports import sent_book, workbook
from tests.pages import cast
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def engagement(settings):
    settings.SECURE_SSL_REDIRECT = False
    engagement = cast.make_engagement("Northwind")
    cast.make_planned(engagement)
    columns = {
        "jobtitle": Column("contact", "jobtitle", "String", max_length=100),
        "nickname": Column("contact", "nickname", "String", max_length=100),
        "rating": Column("contact", "rating", "Choice", options={1: "Hot", 2: "Warm"}),
    }
    tables.keep(engagement.environments.get(kind="production"), {"contact": Table("contact", "contacts", "contactid", columns)})
    dataset = Dataset.objects.create(engagement=engagement, object_name="user")
    top = [["hot", 5], ["=1+1", 3]]
    SourceField.objects.create(
        engagement=engagement,
        dataset=dataset,
        object_name="user",
        name="grade",
        rows=10,
        filled=8,
        distinct=2,
        top=top,
        types={"string": 8},
    )
    new = {"name": "mwb_pet", "kind": "String", "display_name": "Pet", "max_length": 100}
    cast.make_field_map(engagement, "title", column="jobtitle")
    cast.make_field_map(engagement, "nick", column="nickname", reason="First line\nsecond line ")
    cast.make_field_map(engagement, "pet", column="mwb_pet", new_column=new)
    cast.make_field_map(engagement, "grade", column="rating", transform="choice", options={"values": {"hot": 1}})
    return engagement


@pytest.fixture
def user(engagement):
    return cast.make_cast(engagement).engineer


def exported(engagement):
    return load_workbook(workbook.document_file(workbook.write(engagement)))


def edit(book, source, sheet=workbook.MAPS, key="source field", **cells):
    """Write cells of the row of a source field, by the header's names (spaces as underscores)."""
    rows = book[sheet]
    header = [cell.value for cell in rows[1]]
    number = next(n for n in range(2, rows.max_row + 1) if rows.cell(n, header.index(key) + 1).value == source)
    for name, value in cells.items():
        rows.cell(number, header.index(name.replace("_", " ")) + 1).value = value
    return number


def sent(engagement, book):
    content = io.BytesIO()
    book.save(content)
    return workbook.keep_sent(engagement, content.getvalue())


def test_a_workbook_that_comes_back_untouched_changes_nothing(engagement):
    found = workbook.planned(sent(engagement, exported(engagement)))
    assert (len(found.changes), len(found.rejected), found.unchanged) == (0, 0, FieldMap.objects.filter(engagement=engagement).count())


def test_text_that_looks_like_a_formula_stays_text(engagement):
    book = exported(engagement)
    values = {cell.value: cell.data_type for row in book[workbook.VALUES].iter_rows() for cell in row}
    assert values["=1+1"] in ("s", "inlineStr")


def test_edits_are_shown_first_and_applied_as_one_entry_that_can_be_undone(engagement, user):
    book = exported(engagement)
    edit(book, "title", state="confirmed", comment="Yes, A. Approver")
    edit(book, "nick", state="Left behind", reason="Nobody uses it.")
    edit(book, "pet", column="mwb_favourite_pet", state="Confirmed")
    edit(book, "=1+1", sheet=workbook.VALUES, key="value", option=2)
    document = sent(engagement, book)
    found = workbook.planned(document)
    assert {one.map.source: [name for name, _, _ in one.words] for one in found.changes} == {
        "grade": ["value '=1+1'"], "nick": ["state", "reason"], "pet": ["column", "state"], "title": ["state", "comment"],
    }  # fmt: skip
    assert set(FieldMap.objects.values_list("state", flat=True)) == {"proposed"}

    assert workbook.apply(document, user=user, shown=found.digest) == 4
    rows = {row.source: row for row in FieldMap.objects.filter(engagement=engagement)}
    assert (rows["title"].state, rows["title"].comment, rows["title"].decided_by) == ("confirmed", "Yes, A. Approver", str(user))
    assert (rows["nick"].state, rows["nick"].reason) == ("left", "Nobody uses it.")
    assert (rows["pet"].column, rows["pet"].new_column["name"]) == ("mwb_favourite_pet", "mwb_favourite_pet")
    assert rows["grade"].options == {"values": {"hot": 1, "=1+1": 2}}
    entry = AuditEntry.objects.get(action="imported a mapping workbook")
    assert (len(entry.detail["maps"]), entry.detail["sha256"]) == (4, document.sha256)
    assert FieldMapChange.objects.filter(entry=entry).count() == 4

    decisions.undo(entry, user=user)
    assert set(FieldMap.objects.values_list("state", flat=True)) == {"proposed"}
    assert FieldMap.objects.get(source="pet").new_column["name"] == "mwb_pet"


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"column": "nowhere"}, "no column 'nowhere'"),
        ({"state": "perhaps"}, "no state 'perhaps'"),
        ({"transform": "magic"}, "no transform 'magic'"),
        ({"options": "{"}, "no JSON object"),
        ({"state": "Left behind", "reason": ""}, "needs a reason"),
        ({"state": "Confirmed", "transform": "integer"}, "can't fill"),
        ({"state": "Confirmed", "column": ""}, "no column"),
        ({"state": "Confirmed", "column": "mwb_sourceid"}, "filled by the load itself"),
        ({"id": "999999"}, "no such field map"),
        ({"column": "mwb_x"}, "no column 'mwb_x'"),  # it has no planned column to rename
    ],
)
def test_what_cannot_be_is_refused_with_its_row_and_reason(engagement, cells, why):
    book = exported(engagement)
    number = edit(book, "title", **cells)
    found = workbook.planned(sent(engagement, book))
    assert not found.changes
    assert [(one.number, why in one.why) for one in found.rejected] == [(number, True)]


@pytest.mark.parametrize(("name", "why"), [("mwb_Pet!", "can't be a column's name"), ("mwb_" + "p" * 60, "can't be")])
def test_a_planned_column_is_renamed_only_to_what_can_be_its_name(engagement, name, why):
    book = exported(engagement)
    edit(book, "pet", column=name)
    found = workbook.planned(sent(engagement, book))
    assert [why in one.why for one in found.rejected] == [True]


def test_two_rows_never_confirm_one_column(engagement):
    book = exported(engagement)
    edit(book, "title", state="Confirmed", column="nickname")
    edit(book, "nick", state="Confirmed")
    found = workbook.planned(sent(engagement, book))
    assert not found.changes
    assert len(found.rejected) == 2


def test_two_confirmed_fields_may_change_places(engagement, user):
    decisions.decide(FieldMap.objects.filter(source__in=["title", "nick"]), "confirmed", user=user)
    book = exported(engagement)
    edit(book, "title", column="nickname")
    edit(book, "nick", column="jobtitle")
    found = workbook.planned(sent(engagement, book))
    assert (len(found.changes), found.rejected) == (2, ())


def test_what_was_changed_in_the_workbench_since_is_not_written_over(engagement, user):
    book = exported(engagement)
    edit(book, "title", state="Confirmed")
    decisions.decide(FieldMap.objects.filter(source__in=["title", "nick"]), "deferred", user=user)
    found = workbook.planned(sent(engagement, book))
    assert not found.changes
    (refused,) = found.rejected
    assert "changed in the workbench after" in refused.why  # and `nick`, which the reader didn't touch, isn't refused


def test_only_what_was_shown_is_applied(engagement, user):
    book = exported(engagement)
    edit(book, "title", state="Confirmed")
    document = sent(engagement, book)
    shown = workbook.planned(document).digest
    decisions.decide(FieldMap.objects.filter(source="title"), "deferred", user=user)
    with pytest.raises(BadInput, match="changed since"):
        workbook.apply(document, user=user, shown=shown)


def test_rows_may_be_sorted_and_left_out(engagement):
    book = exported(engagement)
    rows = book[workbook.MAPS]
    edit(book, "title", state="Confirmed")
    rows.move_range(f"A2:R{rows.max_row}", rows=3)
    book[workbook.VALUES].delete_rows(2, 10)
    found = workbook.planned(sent(engagement, book))
    assert [one.map.source for one in found.changes] == ["title"]


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_workbook_is_refused(engagement, content):
    with pytest.raises(BadInput):
        workbook.keep_sent(engagement, content)


def test_a_workbook_without_our_sheets_and_one_that_unpacks_to_too_much_are_refused(engagement, monkeypatch):
    book = exported(engagement)
    del book[workbook.MAPS]
    with pytest.raises(BadInput, match="no sheet"):
        sent(engagement, book)
    monkeypatch.setattr(sent_book, "MOST_UNPACKED", 1_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "x" * 2_000)
    with pytest.raises(BadInput, match="too large"):
        workbook.keep_sent(engagement, packed.getvalue())


def test_the_pages_lead_from_export_to_apply(engagement, user, client):
    client.force_login(user)
    page = reverse("admin:reports_workbook")
    assert "Export the workbook" in client.get(page).content.decode()
    out = client.post(page, {"engagement": engagement.pk, "export": "1"}, follow=True)
    book = load_workbook(io.BytesIO(b"".join(out.streaming_content)))
    edit(book, "title", state="Confirmed")
    edit(book, "nick", state="nonsense")
    content = io.BytesIO()
    book.save(content)
    told = client.post(page, {"engagement": engagement.pk, "file": SimpleUploadedFile("maps.xlsx", content.getvalue())}, follow=True)
    text = told.content.decode()
    assert "1 field map would change" in text
    assert "no state" in text
    assert FieldMap.objects.get(source="title").state == "proposed"
    client.post(told.redirect_chain[-1][0], {"shown": told.context["plan"].digest})
    assert FieldMap.objects.get(source="title").state == "confirmed"
    assert plan.current(engagement)["maps"].content["fields"][0]["source"] == "title"
    refused = client.post(page, {"engagement": engagement.pk, "file": SimpleUploadedFile("x.xlsx", b"x")}, follow=True)
    assert "no XLSX workbook" in refused.content.decode()


def test_another_engagements_workbook_is_not_found(engagement, user, client):
    other = cast.make_engagement("Contoso")
    cast.make_planned(other)
    document = sent(other, exported(other))
    client.force_login(user)
    assert client.get(reverse("admin:reports_workbook_sent", args=[document.pk])).status_code == 404
    assert client.post(reverse("admin:reports_workbook"), {"engagement": other.pk, "export": "1"}).status_code == 404
