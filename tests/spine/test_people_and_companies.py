"""Rows I1 and I2, read at the destination: people become leads or contacts by the signed matrix, organisations become accounts."""

import json
from hashlib import sha256
from pathlib import Path

import openpyxl
import pytest

from tests import folders
from tests.folders import organisation_list, user

pytestmark = [pytest.mark.database, pytest.mark.django_db]
DOCUMENTS = True
ASK = {"user": ["u-old", "u-new", "u-forgotten", "u-stage"]}
LONG_NAME = "Association of " + "very " * 40 + "long names"


def folder(path: Path) -> Path:
    lists = [
        organisation_list(1, "Company: Northpine"),
        organisation_list(2, "Company: Eastgate"),
        organisation_list(3, f"Company: {LONG_NAME}"),
        organisation_list(4, "Company:  "),
        organisation_list(5, "Company: Westmoor", listType="Dynamic"),
        organisation_list(6, "VIP"),
    ]
    users = [
        user("u-lead", "sub@northpine.example", " Subscriber ", emailListIds=[1]),
        user("u-mql", "mql@freshfield.example", "MQL"),
        user("u-sql", "sql@northpine.example", "sql", emailListIds=[1, 6], phoneNumber="+4712345678", score=42, plan="gold", trial=True),
        user("u-evangelist", "fan@gmail.com", "Evangelist"),
        user("u-stage", "odd@northpine.example", "dormant", emailListIds=[1]),
        user("u-blank", "blank@northpine.example", "  "),
        user("u-old", "Twin@Northpine.example", "customer", firstName="Old", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
        user("u-new", "twin@northpine.example ", "customer", firstName="New", profileUpdatedAt="2025-01-01 00:00:00 +00:00"),
        user("u-tie-1", "tie@northpine.example", "customer", firstName="First"),
        user("u-tie-2", "tie@northpine.example", "customer", firstName="Second"),
        user("u-two-1", "two@northpine.example", "customer", lastName="Ek"),
        user("u-two-2", "two@northpine.example", "customer", lastName="Berg"),
        user("u-accent-1", "accent@northpine.example", "customer", lastName="Müller"),
        user("u-accent-2", "accent@northpine.example", "customer", lastName="MULLER", profileUpdatedAt="2025-03-01 00:00:00 +00:00"),
        user("u-role", "info@northpine.example", "customer"),
        user("u-none", None, "customer"),
        user("u-wrong", "not an address", "customer"),
        user("u-forgotten", "gone@northpine.example", "customer"),
        user("u-several", "several@eastgate.example", "customer", emailListIds=[1, 2]),
        user("u-east", "east@eastgate.example", "customer", emailListIds=[2]),
        user("u-unclear", "unclear@elsewhere.example", "customer", emailListIds=[1, 2]),
        user("u-domain", "who@eastgate.example", "lead"),
        user("u-noname", "jo.march+news@freshfield.example", "customer", firstName=None, lastName=None),
        user(None, "Bare@Freshfield.example", "customer"),
        user("u-dynamic", "somebody@gmail.com", "customer"),
        user(None, "Somebody.Else@gmail.com", "lead"),
        user("u-long", "long@freshfield.example", "customer", lastName="L" * 60),
        b'{"email": "broken@northpine.example", ',
        b"[1, 2]",
    ]
    forgotten = [sha256(b"gone@northpine.example").hexdigest()]
    (path / "iterable" / "lists").mkdir(parents=True)
    (path / "iterable" / "lists" / "5.txt").write_text("u-dynamic\nsomebody.else@gmail.com\nu-nobody-knows\n")
    return folders.write(path, users, lists=lists, forgotten=forgotten, fields={"score": "long", "plan": "string", "trial": "boolean"})


def test_every_phase_balances_in_both_environments(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    assert {phase["environment"] for phase in played.summary["phases"]} == {"sandbox", "production", None}
    users = [phase for phase in played.summary["phases"] if phase["object"] == "user" and phase["environment"] == "production"]
    assert sum(phase["extracted"] for phase in users) == len(played.sent("user"))


def test_the_destination_holds_exactly_the_rows_that_the_summary_counts(played):
    for environment in ("sandbox", "production"):
        for object_name, table in (("company", "account"), ("user", "contact"), ("user", "lead")):
            rows = played.phase(object_name, table, environment)["rows"]
            there = [row for row in played.rows(table, environment) if str(row.get("mwb_sourceid", "")).startswith(f"{object_name}:")]
            assert len(there) == rows["created"] + rows["updated"]


@pytest.mark.parametrize(("source", "table"), [("u-lead", "lead"), ("u-mql", "lead"), ("u-sql", "contact"), ("u-evangelist", "contact")])
def test_the_signed_matrix_decides_the_table_and_the_original_stage_is_kept(played, source, table):
    row = played.row(table, f"user:{source}")
    written = {"u-lead": " Subscriber ", "u-mql": "MQL", "u-sql": "sql", "u-evangelist": "Evangelist"}[source]
    assert row["mwb_hs_original_lifecycle"] == written


def test_unknown_and_blank_stages_stay_in_review(played):
    assert played.reasons("u-stage") == ["split.review"]
    assert played.reasons("u-blank") == ["split.review"]
    assert not [row for row in played.rows("contact") + played.rows("lead") if row.get("mwb_sourceid") in ("user:u-stage", "user:u-blank")]


def test_the_most_recent_record_of_an_address_wins_and_the_merged_one_is_recorded(played):
    assert played.row("contact", "user:u-new")["firstname"] == "New"
    merged = played.dispositions["u-old"][0]
    assert (merged["disposition"], merged["into"]) == ("merged", "u-new")
    assert {row["row_id"] for row in merged["rows"]} == {played.row("contact", "user:u-new")["contactid"]}


def test_of_two_equally_recent_records_the_later_row_of_the_export_wins(played):
    assert played.row("contact", "user:u-tie-2")["firstname"] == "Second"


def test_one_address_with_two_last_names_goes_to_review_and_accents_are_no_difference(played):
    assert played.reasons("u-two-1") == played.reasons("u-two-2") == ["cluster.last_names_differ"]
    assert played.row("contact", "user:u-accent-2")["lastname"] == "MULLER"


def test_role_addresses_and_people_without_a_valid_address_are_held(played):
    assert played.reasons("u-role") == ["email.role_address"]
    assert played.reasons("u-none") == ["email.missing"]
    assert played.reasons("u-wrong") == ["email.invalid"]


def test_forgotten_people_are_skipped_with_that_reason(played):
    told = played.dispositions["u-forgotten"][0]
    assert (told["disposition"], [reason["code"] for reason in told["reasons"]]) == ("skipped", ["person.forgotten"])
    assert not [row for row in played.rows("contact") if "gone@" in str(row.get("emailaddress1"))]


def test_a_line_that_is_no_json_object_is_rejected_and_counted(played):
    phase = played.phase("user", None)
    assert phase["rejected"] == 2
    unreadable = [one for one in played.exceptions if "record.unreadable" in [reason["code"] for reason in one["reasons"]]]
    assert sorted(one["environment"] for one in unreadable) == ["production"] * 2 + ["sandbox"] * 2


def test_phone_and_custom_fields_arrive_typed(played):
    row = played.row("contact", "user:u-sql")
    assert row["mwb_score"] == 42
    assert row["mwb_plan"] == "gold"
    assert row["mwb_trial"] is True
    assert "+4712345678" in (row.get("mobilephone"), row.get("telephone1"))


def test_people_of_an_organisation_list_belong_to_its_account(played):
    northpine = played.row("account", "company:list:1")
    assert northpine["name"] == "Northpine"
    assert played.row("contact", "user:u-sql")["_parentcustomerid_value"] == northpine["accountid"]
    assert played.row("lead", "user:u-lead")["_parentaccountid_value"] == northpine["accountid"]


def test_people_in_several_organisations_get_the_one_of_their_domain_else_none(played):
    eastgate = played.row("account", "company:list:2")
    assert played.row("contact", "user:u-several")["_parentcustomerid_value"] == eastgate["accountid"]
    assert played.row("contact", "user:u-unclear").get("_parentcustomerid_value") is None


def test_people_in_no_organisation_get_the_account_of_their_domain_made_where_it_is_new(played):
    assert played.row("lead", "user:u-domain")["_parentaccountid_value"] == played.row("account", "company:list:2")["accountid"]
    made = played.row("account", "company:domain:freshfield.example")
    assert (made["name"], made["websiteurl"]) == ("freshfield.example", "https://freshfield.example")
    assert played.row("contact", "user:u-noname")["_parentcustomerid_value"] == made["accountid"]


def test_members_of_a_dynamic_organisation_list_belong_to_its_account_though_their_profiles_say_nothing(played):
    [account] = [row for row in played.rows("account") if row["name"] == "Westmoor"]
    assert played.row("contact", "user:u-dynamic")["_parentcustomerid_value"] == account["accountid"]
    assert played.row("lead", "user:somebody.else@gmail.com")["_parentaccountid_value"] == account["accountid"]


def test_free_mail_domains_never_become_accounts(played):
    assert played.row("contact", "user:u-evangelist").get("_parentcustomerid_value") is None
    assert not [row for row in played.rows("account") if "gmail" in row["name"]]


def test_an_organisation_name_that_is_too_long_is_cut_and_kept_whole(played):
    row = played.row("account", "company:list:3")
    assert len(row["name"]) <= 160
    assert row["mwb_original_name"] == LONG_NAME


def test_a_blank_organisation_name_is_rejected_with_its_reason(played):
    assert played.reasons("list:4", "company") == ["company.name_blank"]


def test_a_person_without_a_name_gets_the_local_part_flagged_as_derived(played):
    row = played.row("contact", "user:u-noname")
    assert (row["lastname"], row["mwb_name_derived"]) == ("jo.march+news", True)


def test_a_person_without_user_id_is_found_by_the_normalised_address(played):
    assert played.row("contact", "user:bare@freshfield.example")["emailaddress1"] == "bare@freshfield.example"


def test_a_last_name_that_is_too_long_is_cut_and_kept_whole(played):
    row = played.row("contact", "user:u-long")
    assert row["lastname"] == "L" * 50
    assert "L" * 60 in row["mwb_original_values"]


def test_shortened_values_and_unclear_companies_are_listed_in_the_reconciliation_report(played):
    report = next(one for one in reversed(played.reports) if "remarks" in one)
    listed = {(one["object"], one["code"], one["field"]): one for one in report["remarks"]}
    assert listed["user", "text.shortened", "lastName"]["examples"] == ["u-long"]
    assert listed["company", "text.shortened", "name"]["count"] == 1
    assert listed["user", "company.ambiguous", "emailListIds"]["examples"] == ["u-unclear"]


def test_created_on_is_the_sign_up_date_and_leads_have_a_subject(played):
    assert played.row("contact", "user:u-sql")["createdon"] == "2024-03-05T09:10:11Z"
    assert played.row("lead", "user:u-lead")["subject"] == "Iterable: Mara Lind"


def test_what_is_logged_carries_runs_and_never_a_persons_data(played):
    assert any(line.startswith("loads") for line in played.logged)
    personal = [line for line in played.logged if "northpine.example" in line or "@" in line or "Lind" in line]
    assert personal == []


def test_a_row_id_is_the_same_in_both_environments(played):
    assert played.row("contact", "user:u-sql")["contactid"] == played.row("contact", "user:u-sql", "sandbox")["contactid"]


def document(played, kind: str, format: str, environment: str = "production"):
    """A document of the production run, or of the engagement, as its reader sees it; a workbook as {sheet: rows}."""
    found = [one for one in played.summary["documents"] if (one["kind"], one["format"]) == (kind, format)]
    paths = [Path(one["path"]) for one in found]
    path = paths[-1 if environment == "production" else 0]
    assert sha256(path.read_bytes()).hexdigest() == found[paths.index(path)]["sha256"]
    if format == "json":
        return json.loads(path.read_text())
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in openpyxl.load_workbook(path).worksheets}


def test_every_document_of_the_handoff_is_listed_in_each_of_its_formats(played):
    listed = sorted((one["kind"], one["format"]) for one in played.summary["documents"])
    per_run, once = ("losses", "reconciliation", "diff"), ("admin_sheet", "schema", "scope")
    expected = [(kind, format) for kind in (*per_run, *per_run, *once) for format in ("json", "pdf", "xlsx")]
    signatures = [("certificate", format) for format in ("json", "pdf") for _ in range(2)]  # of the split matrix and of the sandbox run
    assert [one for one in listed if one[0] in (*per_run, *once, "certificate")] == sorted(expected + signatures)


def test_the_loss_report_has_a_line_for_every_single_loss_and_for_every_record_that_did_not_load(played):
    lines = {(one["source_id"], one["code"]): one for one in document(played, "losses", "json")}
    cut = lines["u-long", "text.shortened"]
    shown = [cut[name] for name in ("object", "disposition", "table", "severity", "field")]
    assert shown == ["user", "loaded", "contact", "loss", "lastName"]
    assert cut["words"] == "The text is longer than the column takes."
    assert lines["u-role", "email.role_address"]["disposition"] == "held"
    assert lines["u-forgotten", "person.forgotten"]["disposition"] == "skipped"
    assert sum(one["code"] == "record.unreadable" for one in document(played, "losses", "json")) == 2
    remarks = document(played, "reconciliation", "json")["remarks"]
    assert sum(one["count"] for one in remarks) == sum(one["disposition"] == "loaded" for one in lines.values())


def test_the_loss_report_as_a_workbook_says_the_same_with_ids_as_text(played):
    book, lines = document(played, "losses", "xlsx"), document(played, "losses", "json")
    shown = [row[:3] for name in ("Losses and notes", "Not loaded") for row in book[name][1:]]
    assert sorted(shown) == sorted([one["object"], one["source_id"], one["disposition"]] for one in lines)
    assert sum(row[-1] for row in book["Summary"][1:]) == len(lines)


def test_the_reconciliation_as_a_workbook_balances_as_the_report_does(played):
    book, told = document(played, "reconciliation", "xlsx"), document(played, "reconciliation", "json")
    assert [row[3] for row in book["Records"][1:]] == [phase["extracted"] for phase in told["phases"]]
    assert all(row[-1] == "yes" for row in book["Records"][1:])
    assert len({row[2] for row in book["Read back"][1:]}) == told["verified"]["rows"]
    owners = [row[0] for row in book["Owners"][1:]]
    assert {"(no owner)", "Activities (migration team)"} < set(owners)
    assert len(owners) == sum(len(one["owners"]) for one in told["owners"])


def test_the_schema_plan_shows_true_names_with_the_offers_beside_them_and_what_came_of_each(played):
    told = document(played, "schema", "json")
    tables = {one["table"]: {column["name"]: column for column in one["columns"]} for one in told["tables"]}
    assert {"account", "contact", "lead", "campaign", "task"} <= set(tables)
    assert all("mwb_sourceid" in columns for columns in tables.values())
    contact = tables["contact"]
    stage = contact["mwb_hs_original_lifecycle"]
    assert (stage["alias"], stage["environments"]) == ("hs_original_lifecycle__c", {"sandbox": "created", "production": "created"})
    rows = {(row[0], row[1]): row for row in document(played, "schema", "xlsx")["Columns"][1:]}
    assert rows["lead", "mwb_hs_original_lifecycle"][2] == "hs_original_lifecycle__c"
    assert {row[1] for row in document(played, "schema", "xlsx")["Left behind"][1:]} >= {"userId"}


def test_the_admin_sheet_names_a_tab_and_a_view_for_every_table_and_what_to_set(played):
    told = document(played, "admin_sheet", "json")
    planned = [one["table"] for one in document(played, "schema", "json")["tables"]]
    assert [(one["table"], one["tab"]) for one in told["forms"]] == [(table, "Migrated data") for table in planned]
    assert [one["table"] for one in told["views"]] == planned
    view = next(one for one in told["views"] if one["table"] == "contact")
    assert (view["view"], view["filter"]) == ("Migrated from Iterable", "mwb_sourceid contains data")
    assert view["fetchxml"].startswith('<fetch><entity name="contact"><attribute name="fullname"/><attribute name="mwb_sourceid"/>')
    assert "mwb_original_values" not in view["columns"]
    to_do = [row[2] for row in document(played, "admin_sheet", "xlsx")["To do"][1:]]
    assert "Sort Date holds the source's moment on: task." in to_do
    assert any("nothing to put back" in words for words in to_do)
