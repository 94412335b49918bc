"""What a source may really send: every record gets its disposition, text arrives as text, and each bad record tells all its reasons."""

import json

import pytest

from tests.spine import hostile_source
from tests.spine.hostile_source import BIG, IDS, LINES, NAMELESS, NAMES, NO_IDS, TEXTS, TOO_BIG, VALUES, deep

pytestmark = [pytest.mark.database, pytest.mark.django_db]
folder = hostile_source.folder
SANDBOX_ONLY = True
ASK = {"user": [*VALUES, "u-too-big", "u-mail-nul", "u-name-types", "u-owner-nul", "u-org-1", "clash@gmail.com"], "company": ["list:14"]}


def codes(played, source: str, object_name: str = "user") -> list[str]:
    (told,) = [one for one in played.dispositions[source] if one["disposition"] != "merged"]
    assert told["disposition"] == "loaded", told
    return [reason["code"] for reason in told["reasons"]]


def test_everything_balances(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    extracted = sum(phase["extracted"] for phase in played.summary["phases"] if phase["object"] == "user")
    assert extracted == len(played.sent("user")) > LINES


@pytest.mark.parametrize("name", TEXTS)
def test_text_arrives_as_text_and_does_nothing(played, name):
    row = played.row("contact", f"user:u-t-{name}")
    assert (row["firstname"][:50], row["jobtitle"], row["mwb_oddtext"]) == (TEXTS[name][:50].rstrip(), TEXTS[name], TEXTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_any_name_gets_a_column_of_its_own(played, name):
    assert f"value {NAMES.index(name)}" in played.row("contact", "user:u-names").values()


def test_fields_without_a_usable_name_are_a_finding(played):
    told = [one["evidence"] for one in played.summary["findings"] if one["check"] == "fields without a usable name"]
    assert [evidence for evidence in told if evidence.startswith(f"{len(NAMELESS)} fields of user ")]


@pytest.mark.parametrize("name", IDS)
def test_any_id_addresses_its_own_row(played, name):
    (row,) = [row for row in played.rows("contact") if row["emailaddress1"] == f"id.{name}@gmail.com"]
    written = IDS[name]
    if name in NO_IDS:
        assert row["mwb_sourceid"] == f"user:id.{name}@gmail.com"
    elif name == "long":
        assert row["mwb_sourceid"].startswith("user:sha1:")
    else:
        assert row["mwb_sourceid"] == f"user:{str(written).replace(chr(0), chr(0xFFFD))}"


@pytest.mark.parametrize("source", VALUES)
def test_a_value_that_can_not_arrive_as_it_is_leaves_its_row_loaded_and_is_listed(played, source):
    field, _, code = VALUES[source]
    told = [reason for reason in played.dispositions[source][0]["reasons"] if reason["field"] == field]
    assert codes(played, source) == ([code] if code else [])
    assert [reason["code"] for reason in told] == ([code] if code else [])


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        ("u-v1", "mwb_points", None),
        ("u-v2", "mwb_points", None),
        ("u-v5", "mwb_points", -7),
        ("u-v8", "mwb_renewal", None),
        ("u-v12", "mwb_renewal", "9999-12-31T23:59:59Z"),
        ("u-v14", "mwb_agreed", True),
        ("u-v15", "mwb_oddtext", "ABC[31mD"),
        ("u-v16", "mwb_oddtext", "\ufffd half"),
        ("u-v17", "jobtitle", "w" * 100),
        ("u-v18", "jobtitle", "x" * 99),
    ],
)
def test_what_arrives_of_an_odd_value(played, source, column, expected):
    assert played.row("contact", f"user:{source}").get(column) == expected


@pytest.mark.parametrize(
    ("source", "field", "whole"), [("u-v17", "jobTitle", "w" * 10_000), ("u-v3", "points", "12 apples"), ("u-v13", "agreed", "perhaps")]
)
def test_the_whole_of_it_is_kept(played, source, field, whole):
    assert json.loads(played.row("contact", f"user:{source}")["mwb_original_values"])[field] == whole


def test_a_megabyte_of_text_arrives_and_more_than_the_column_takes_is_cut_and_listed(played):
    assert played.row("contact", "user:u-v19")["mwb_big"] == BIG
    row = played.row("contact", "user:u-too-big")
    assert row["mwb_big"] == TOO_BIG[:1_048_576]
    assert len(row["mwb_original_values"]) <= 1_048_576
    assert codes(played, "u-too-big") == ["text.shortened", "original_values.shortened"]


def test_whole_numbers_beyond_what_a_column_takes_make_the_field_text(played):
    assert played.row("contact", "user:u-v24")["mwb_wide"] == "-1000000000000000000"


def test_deep_structures_arrive_as_json(played):
    assert json.loads(played.row("contact", "user:u-v20")["mwb_deep_down"]) == deep(100)["down"]


def test_fields_of_several_types_become_text_without_loss(played):
    found = {n: played.row("contact", f"user:u-m{n}").get("mwb_mixed") for n in range(7)}
    assert found == {0: "1", 1: "x", 2: '[1,{"a":null}]', 3: '{"a":1}', 4: "true", 5: "2.5", 6: None}


@pytest.mark.parametrize("source", ["u-mail-number", "u-mail-list", "u-mail-object"])
def test_an_address_that_is_no_text_is_held(played, source):
    assert played.reasons(source) == ["email.invalid"]


def test_an_address_with_control_characters_is_mended_and_listed(played):
    assert played.row("contact", "user:u-mail-nul")["emailaddress1"] == "nulmail@gmail.com"
    assert codes(played, "u-mail-nul") == ["text.control_characters"]


def test_an_address_longer_than_the_column_is_rejected(played):
    assert played.reasons("u-mail-long")[0] == "email.too_long"


@pytest.mark.parametrize("source", ["u-stage-list", "u-stage-long", "u-stage-nul", "u-stage-half"])
def test_an_odd_stage_stays_in_review(played, source):
    assert played.reasons(source)[0] == "split.review"


@pytest.mark.parametrize("source", ["u-owner-odd", "u-owner-long", "u-owner-nul"])
def test_an_odd_owner_is_an_owner_without_a_match(played, source):
    assert played.row("contact", f"user:{source}")["_ownerid_value"] == played.row("contact", "user:u-p1")["_ownerid_value"]


@pytest.mark.parametrize("source", ["u-updated-odd", "u-updated-none", "u-created-odd", "u-created-future"])
def test_odd_times_of_a_profile_do_not_keep_it_from_loading(played, source):
    assert played.row("contact", f"user:{source}")["lastname"] == "Lind"


def test_names_of_nothing_are_derived_and_structures_are_shown(played):
    assert played.row("contact", "user:u-name-nul")["lastname"] == "name.nul"
    row = played.row("contact", "user:u-name-types")
    assert (row["firstname"], row["lastname"]) == ('["Mara"]', '{"last":"Lind"}')
    assert played.row("contact", "user:u-name-long-derived")["lastname"] == "d" * 50


def test_a_record_with_every_field_wrong_tells_all_its_reasons_at_once(played):
    assert {"email.invalid", "split.review", "number.unparseable", "date.unparseable", "boolean.unparseable", "text.shortened"} <= set(
        played.reasons("u-all-wrong")
    )
    assert {"text.control_characters"} <= set(played.reasons("u-all-wrong"))
    (one,) = [one for one in played.exceptions if one["source_id"] == "u-all-wrong" and one["environment"] == played.last]
    assert {"points", "ratio", "renewal", "agreed"} <= {reason["field"] for reason in one["reasons"]}


def test_of_a_key_written_twice_the_last_one_counts(played):
    assert played.row("contact", "user:u-twice")["emailaddress1"] == "second@gmail.com"


def test_lines_that_are_no_json_object_are_rejected_one_by_one(played):
    users = [one for one in played.exceptions if one["object"] == "user"]
    unreadable = [one for one in users if one["reasons"][0]["code"] == "record.unreadable"]
    assert len(unreadable) == 7
    assert all(one["outcome"] == "rejected" for one in unreadable)


def test_a_user_id_that_is_another_records_address_makes_them_one_person(played):
    (row,) = [row for row in played.rows("contact") if "clash" in row["emailaddress1"]]
    assert row["mwb_sourceid"] == "user:clash@gmail.com"
    assert sorted(one["disposition"] for one in played.dispositions["clash@gmail.com"]) == ["loaded", "merged"]


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (11, "=1+1|cmd"),
        (12, "<script>alert(1)</script> & Söhne"),
        (13, "{{organisation}} {% raw %}"),
        (14, "🏢" * 80),
        (15, "NulName AG"),
        (17, "\u202eתל אביב 漢字"),
        (18, "No prefix case"),
        (19, "O'Neil's \"x\"; DROP"),
    ],
)
def test_an_organisation_name_arrives_as_text(played, number, name):
    assert played.row("account", f"company:list:{number}")["name"] == name


def test_lists_whose_names_are_one_but_for_case_and_spaces_are_one_account(played):
    row = played.row("account", "company:list:22")
    assert played.row("contact", "user:u-org-2")["_parentcustomerid_value"] == row["accountid"]
    assert played.row("contact", "user:u-org-3")["_parentcustomerid_value"] == row["accountid"]
    assert played.phase("company", "account")["merged"] == 1


def test_an_organisation_name_of_control_characters_is_blank(played):
    assert played.reasons("list:16", "company") == ["company.name_blank"]


def test_what_an_organisation_name_lost_is_listed(played):
    assert codes(played, "list:14") == ["text.shortened"]
    assert played.row("account", "company:list:14")["mwb_original_name"] == "🏢" * 101


def test_a_leads_company_name_that_is_too_long_is_cut_kept_whole_and_listed(played):
    row = played.row("lead", "user:u-org-1")
    whole = ("Lead's long company " * 7).strip()
    assert row["companyname"] == whole[:100].rstrip()
    assert json.loads(row["mwb_original_values"]) == {"companyname": whole, "jobTitle": "J" * 120}
    assert codes(played, "u-org-1") == ["text.shortened", "text.shortened"]


def test_lists_whose_name_is_no_text_are_no_organisations(played):
    assert not [
        row for row in played.rows("account") if row.get("mwb_sourceid") in ("company:list:30", "company:list:31", "company:list:32")
    ]
