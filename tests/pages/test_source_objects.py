"""What discovery saw of the source's objects and event types, as the engineer reads it."""

import pytest

from connectors.models import Dataset
from mapping.models import EventType, SourceObject
from tests.pages import cast

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


def make_object(engagement, name="campaign", **content) -> SourceObject:
    dataset = Dataset.objects.create(engagement=engagement, object_name=name, purpose="discovery", state="sealed")
    given = {"figures": [["campaigns", 1234], ["read on", "2026-11-25"]], "tables": [], "note": "", **content}
    return SourceObject.objects.create(
        engagement=engagement, dataset=dataset, object_name=name, title="Campaigns", records=1234, content=given
    )


def make_type(engagement, **fields) -> EventType:
    dataset = Dataset.objects.create(engagement=engagement, object_name="customEvent", purpose="discovery", state="sealed")
    values = {"name": "signup", "count": 50_000_000, "share": 0.25, "samples": 990, "unflattenable": 99, **fields}
    return EventType.objects.create(engagement=engagement, dataset=dataset, object_name="customEvent", **values)


def test_figures_shares_and_what_is_left_out_of_a_table_are_shown_and_all_text_is_escaped(northwind, people, as_user):
    table = {"title": "By state", "head": ["State", "Campaigns", "Share"], "rows": [[SCRIPT, 1200, 0.97], ["", None, 0.004]]}
    table |= {"more": 40, "shares": [2], "note": "", "empty": "None."}
    page = make_object(northwind, tables=[table, {**table, "rows": [], "more": 0, "empty": "Nothing here."}])
    text = as_user(people.engineer).get(f"/admin/mapping/sourceobject/{page.pk}/change/").content.decode()
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(1)" in text
    for shown in ("1,234", "1,200", "97 %", "&lt; 1 %", "the first 2, 40 more", "Nothing here."):
        assert shown in text


def test_an_event_type_shows_its_keys_where_they_go_and_why_not(northwind, people, as_user):
    keys = [
        {"name": SCRIPT, "samples": 495, "types": {"string": 400, "null": 95}, "depth": 1, "problem": ""},
        {"name": "cart", "samples": 99, "types": {"array": 99}, "depth": 1, "problem": "an array of objects"},
        {"name": "seats", "samples": 99, "types": {"integer": 99}, "depth": 1, "problem": ""},
    ]
    row = make_type(northwind, keys=keys, keys_left_out=7)
    cast.make_field_map(northwind, "seats", object_name="customEvent", table="task", column="mwb_seats")
    client = as_user(people.engineer)
    text = client.get(f"/admin/mapping/eventtype/{row.pk}/change/").content.decode()
    assert SCRIPT not in text
    for shown in ("50,000,000", "50 %", "10 %", "an array of objects", "7 more", "task.mwb_seats", "no line yet"):
        assert shown in text
    assert "10 % not flat" in client.get("/admin/mapping/eventtype/").content.decode()


def test_an_event_type_without_payload_or_name_says_so(northwind, people, as_user):
    row = make_type(northwind, name="", unflattenable=0)
    text = as_user(people.engineer).get(f"/admin/mapping/eventtype/{row.pk}/change/").content.decode()
    assert "(no name)" in text
    assert "These events have no payload" in text


def test_objects_of_another_customer_are_not_there(northwind, people, as_user):
    contoso = cast.make_engagement("Contoso")
    hidden, kind = make_object(contoso), make_type(contoso, name="secret event")
    make_object(northwind)
    client = as_user(people.engineer)
    assert "Contoso" not in client.get("/admin/mapping/sourceobject/").content.decode()
    assert "secret event" not in client.get("/admin/mapping/eventtype/").content.decode()
    for address in (f"/admin/mapping/sourceobject/{hidden.pk}/change/", f"/admin/mapping/eventtype/{kind.pk}/change/"):
        assert client.get(address).status_code in (302, 403, 404)


def test_the_lists_ask_the_database_the_same_however_many_rows_there_are(northwind, people, as_user, django_assert_max_num_queries):
    for number in range(40):
        make_type(northwind, name=f"event {number}")
    client = as_user(people.engineer)
    with django_assert_max_num_queries(14):
        assert client.get("/admin/mapping/eventtype/").status_code == 200
